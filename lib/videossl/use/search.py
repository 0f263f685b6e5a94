"""Search a table of features for what is like a video: by the cosine, as retrieval measures it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np

from videossl.data import video
from videossl.errors import InputError
from videossl.files import atomic
from videossl.tasks.cosines import Cosines
from videossl.tasks.features import Features
from videossl.use.load import load
from videossl.use.model import Embedded, Model
from videossl.use.tables import Table

SIDE = 160
"""Pixels of the shorter side of a thumbnail."""


class Match(NamedTuple):
    """A window of the table, and the cosine to that window of the query that it is most like."""

    similarity: float
    video: str
    start_s: float
    end_s: float


def encoder(table: Table, name: str, path: str | Path, device: str | None = None) -> Model:
    """The encoder that made a table: by `name`, or, where that is "", the name that stands in the table. path: of the table, for errors.

    Raises InputError where its weights are not those that the table was made by.
    """
    about = table.about
    try:
        model = load(name or about["encoder"], stream=about["stream"], clips=about["clips"], device=device)
    except InputError as error:
        raise InputError(str(error) if name else f"{error}; {path} was made by it, say where it is now with --encoder") from error
    if model.digest != about["digest"]:
        own, other = about["digest"][:8], model.digest[:8]
        raise InputError(
            f"{path} was made by {about['encoder']} (SHA-256 {own}...), and {model.name} is another encoder ({other}...);"
            " embed the videos again, or name the encoder that made it"
        )
    return model


def nearest(table: Table, query: Sequence[Embedded], top: int) -> list[Match]:
    """The `top` windows of the table that are most like any window of the query, the most like first; of equal ones the first in the table.

    Features are centred by the mean of the table (`tasks.cosines`).
    """
    count = len(query)
    both = np.concatenate([np.stack([row.features for row in query]), table.features])[:, None]
    names = [row.video for row in query] + table.videos
    cosines = Cosines(Features(names, [""] * len(names), [""] * len(names), both), np.arange(count), np.arange(count, len(names)))
    best = cosines.of(slice(None)).max(axis=0)
    order = np.argsort(-best, kind="stable")[:top]
    return [Match(float(best[i]), table.videos[i], float(table.start_s[i]), float(table.end_s[i])) for i in order]


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss.

    >>> clock(3725.4)
    '1:02:05'
    """
    return str(timedelta(seconds=round(seconds)))


def write_page(path: str | Path, query: Sequence[Embedded], matches: Sequence[Match], table: Table) -> None:
    """Write one HTML page with a thumbnail of the query and of each match; it needs no other file. A video that is gone has no thumbnail."""
    page = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined)
    shown = [_shown(match.video, match.start_s, match.end_s) | {"similarity": f"{match.similarity:.3f}"} for match in matches]
    asked = _shown(query[0].video, query[0].start_s, query[-1].end_s)
    html = page.get_template("search_page.html").render(query=asked, matches=shown, about=table.about, count=len(table.videos))
    with atomic(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def _shown(name: str, start: float, end: float) -> dict[str, Any]:
    """A window as the page shows it."""
    return {"video": name, "when": f"{clock(start)} to {clock(end)}", "picture": _thumbnail(name, (start + end) / 2)}


def _thumbnail(name: str, seconds: float) -> str:
    """The frame of a video at that time, as the URI of a JPEG; "" where there is none."""
    import cv2

    try:
        picture = video.picture(name, seconds, SIDE)
    except InputError:
        return ""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
