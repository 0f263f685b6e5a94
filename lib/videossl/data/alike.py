"""Videos and classes of an index that are alike and should not be: the same bytes twice, a class under two names. Nothing is dropped for it; people are told."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from videossl.data import index
from videossl.data.index import Row

ACROSS = "the same bytes to train and to test with: results are too good"
TWO_CLASSES = "the same bytes in two classes: one of the labels is wrong"
TWO_NAMES = "the same bytes under two names: they count twice"
CLASSES = "class names that differ in case or in the form of Unicode alone: they count as different classes"

SHOWN = 5
"""Names of one line."""


class Alike(NamedTuple):
    """Videos by their ids, or classes by their names, that are alike, and in which way."""

    kind: str
    names: list[str]

    @property
    def text(self) -> str:
        """The names, of many the first."""
        more = len(self.names) - SHOWN
        return " = ".join(self.names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def find(rows: Sequence[Row]) -> list[Alike]:
    """All that is alike among the usable rows, by kind, the gravest first; videos that are alike in two ways are named twice."""
    same: dict[str, list[Row]] = defaultdict(list)
    for row in index.usable(rows):
        if row.sha256:
            same[row.sha256].append(row)
    found = [Alike(kind, [row.id for row in group]) for group in same.values() if len(group) > 1 for kind in _kinds(group)]
    forms: dict[str, list[str]] = defaultdict(list)
    for name in index.classes(index.usable(rows)):
        forms[unicodedata.normalize("NFKC", name).casefold()].append(name)
    found += [Alike(CLASSES, names) for names in forms.values() if len(names) > 1]
    order = [ACROSS, TWO_CLASSES, TWO_NAMES, CLASSES]
    return sorted(found, key=lambda alike: (order.index(alike.kind), alike.names))


def _kinds(group: Sequence[Row]) -> list[str]:
    """The ways in which rows of the same bytes are alike."""
    kinds = [ACROSS] if len({row.split for row in group}) > 1 else []
    kinds += [TWO_CLASSES] if len({row.label for row in group} - {""}) > 1 else []
    return kinds or [TWO_NAMES]
