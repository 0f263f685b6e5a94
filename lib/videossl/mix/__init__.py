"""Mixing operators: pure functions on tensors."""
