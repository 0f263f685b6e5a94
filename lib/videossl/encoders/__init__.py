"""Encoders in named blocks and the heads on them."""
