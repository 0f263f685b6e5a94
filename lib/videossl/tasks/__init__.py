"""Downstream tasks: linear probe, finetune, retrieval."""
