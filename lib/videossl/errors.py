"""The one error a user's mistake ends in, and the one way in which a job stops to go on later."""

from __future__ import annotations


class InputError(ValueError):
    """A mistake in what the user gave. Its text is one line: the thing, where it stands, and the way out."""


class Interrupted(Exception):  # noqa: N818 - it is no error
    """A job has heeded a signal to stop, and has kept its work: the same command goes on from there. Its text is one line."""


def one_line(error: Exception) -> str:
    """The line that a user reads: `error: ...`."""
    return "error: " + " ".join(str(error).split())


def is_out_of_memory(error: BaseException) -> bool:
    """True where memory was asked for that is not there: Python's and numpy's error, that of torch on a GPU (by name: torch may not be loaded), and
    of torch on the CPU, which has no class of its own."""
    said = "can't allocate memory" in str(error) or "Storage size calculation overflowed" in str(error)
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or (isinstance(error, RuntimeError) and said)
