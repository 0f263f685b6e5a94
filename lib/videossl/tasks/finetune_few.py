"""Finetuning on few labels: `finetune` with the training videos that are left (few.py)."""

from videossl.tasks.finetune import chance, measure, predict, tested, work

__all__ = ["chance", "measure", "predict", "tested", "work"]
