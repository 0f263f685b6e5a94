"""The linear probe on few labels: `linear` on the features that are left (few.py)."""

from videossl.tasks.linear import chance, measure, predict, remarks, work

__all__ = ["chance", "measure", "predict", "remarks", "work"]
