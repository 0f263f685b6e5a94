"""The one error a user's mistake ends in."""

from __future__ import annotations


class InputError(ValueError):
    """A mistake in what the user gave. Its text is one line: the thing, where it stands, and the way out."""


def one_line(error: Exception) -> str:
    """The line that a user reads: `error: ...`."""
    return "error: " + " ".join(str(error).split())
