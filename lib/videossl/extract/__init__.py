"""Modalities computed from videos and files: optical flow and skeletons."""
