"""The same bytes in several places, and classes under two names."""

from __future__ import annotations

from tests.made import row

from videossl.data import alike
from videossl.data.alike import ACROSS, CLASSES, TWO_CLASSES, TWO_NAMES, Alike


def test_an_index_in_which_nothing_is_alike() -> None:
    rows = [row("a/1", "a"), row("b/2", "b", "test"), row("c/3", "", sha256=""), row("c/4", "", sha256="")]
    assert alike.find(rows) == []


def test_the_same_bytes_in_several_places() -> None:
    rows = [
        row("a/1", "a", sha256="A"),
        row("a/2", "a", "test", sha256="A"),
        row("a/3", "a", sha256="B"),
        row("b/3", "b", sha256="B"),
        row("a/4", "a", sha256="C"),
        row("a/5", "a", sha256="C"),
        row("a/6", "a", sha256="D"),
        row("b/6", "b", "test", sha256="D"),
        row("a/7", "a", sha256="E"),
        row("unlabelled", "", sha256="E"),
        row("a/8", "a", sha256="F"),
        row("a/9", "a", "test", sha256="F", status="dropped", reason="short: steps 1 < min_frames 16"),
    ]
    assert alike.find(rows) == [
        Alike(ACROSS, ["a/1", "a/2"]),
        Alike(ACROSS, ["a/6", "b/6"]),
        Alike(TWO_CLASSES, ["a/3", "b/3"]),
        Alike(TWO_CLASSES, ["a/6", "b/6"]),
        Alike(TWO_NAMES, ["a/4", "a/5"]),
        Alike(TWO_NAMES, ["a/7", "unlabelled"]),
    ]


def test_classes_under_two_names() -> None:
    """In case, in composed and decomposed letters, in wide and narrow ones; accents and signs do tell classes apart."""
    names = ["Wave", "wave", "caf\u00e9", "cafe\u0301", "\uff21", "A", "Stra\u00dfe", "strasse", "cafe", "jump-up", "jump_up"]
    found = alike.find([row(f"{number}", name) for number, name in enumerate(names)])
    assert {frozenset(one.names) for one in found} == {frozenset(names[first : first + 2]) for first in (0, 2, 4, 6)}
    assert {one.kind for one in found} == {CLASSES}


def test_a_line_names_a_few() -> None:
    assert Alike(TWO_NAMES, list("abcdefg")).text == "a = b = c = d = e and 2 more"
    assert Alike(TWO_NAMES, list("ab")).text == "a = b"
