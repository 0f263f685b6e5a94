"""Finetuning on few labels: `finetune` with the training videos that are left (few.py)."""

from videossl.tasks.finetune import chance, hits, predict, tested, work

__all__ = ["chance", "hits", "predict", "tested", "work"]
