"""Names of a map's axes: maps are mixed by them, not by how many there are (docs/mixing.md, Names of axes).

A map is (B, C, *dims). An encoder says what its axes are called, the batch's left out (`Encoder.dims`). So an audio map
(channel, time, frequency) never passes for a skeleton's (channel, time, joint), though both have three axes.
"""

from __future__ import annotations

from collections.abc import Sequence

from videossl.errors import InputError

AXES = ("space", "time", "channel")
"""The groups of axes that can be cut. Space is all axes of `SPACE`; an axis that belongs to no group is always spanned whole."""

SPACE = ("height", "width", "joint", "frequency")
NAMES = ("channel", "time", *SPACE, "body")

DEFAULTS = {1: ("channel",), 2: ("channel", "time"), 4: ("channel", "time", "height", "width")}
"""Names by the number of axes, where none are given. Three axes have no default: they may be those of a skeleton, a
sound or an image."""

Dims = Sequence[str]
Pair = tuple[Dims | None, Dims | None]  # of the map that is trained, and of its partner's
UNNAMED: Pair = (None, None)


def named(shape: Sequence[int], dims: Dims | None = None) -> tuple[str, ...]:
    """The names of the axes of a map of `shape` (C, *dims): `dims`, or those of `DEFAULTS` if None.

    Raises InputError for an unknown name, another number of names than of axes, and where names must be given.
    """
    where = f"a map (C, *dims) {tuple(shape)}"
    if dims is None and len(shape) not in DEFAULTS:
        raise InputError(f"{where} has {len(shape)} axes, which can be several things: give dims, names out of {', '.join(NAMES)}")
    names = DEFAULTS[len(shape)] if dims is None else tuple(dims)
    for name in names:
        if name not in NAMES:
            raise InputError(f"{where}: dimension {name!r} is unknown, choose of {', '.join(NAMES)}")
    if not len(names) == len(set(names)) == len(shape):
        raise InputError(f"{where} has {len(shape)} axes, named {kind(names)}: give each a name of its own")
    return names


def group(name: str) -> str:
    """The group that the axis `name` is cut with: "space", or the axis itself."""
    return "space" if name in SPACE else name


def kind(names: Dims) -> str:
    """The names of a map's axes, for messages."""
    return f"({', '.join(names)})"


def check_equal(where: str, name: str, size1: int, size2: int, otherwise: str = "") -> None:
    """Raise InputError unless the axis `name`, which is not cut, is equally long in both maps, `size1` and `size2`.

    where: begins the message. otherwise: what would help beside cutting it.
    """
    if size1 == size2:
        return
    part, differ = group(name), f"so {name} must be equal, not {size1} and {size2}"
    if part not in AXES:
        raise InputError(f"{where}: {part} can't be cut, {differ}")
    raise InputError(f"{where}: {part} is not cut, {differ}; add {part!r} to the axes{otherwise}")
