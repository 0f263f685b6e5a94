"""The linear probe on few labels: `linear` on the features that are left (few.py)."""

from videossl.tasks.linear import chance, hits, predict, remarks, work

__all__ = ["chance", "hits", "predict", "remarks", "work"]
