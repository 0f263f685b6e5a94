"""Batched, clip-consistent transforms on tensors."""
