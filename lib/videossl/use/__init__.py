"""Finished encoders in use: load one, embed videos by it, search among them, export it."""
