"""Pictures of videos as elements of a page: one still, or a film of a few frames side by side that moves by the style sheet alone.

Each video is on the page once, as a symbol; whatever shows it refers to the symbol by its id. A picture is uint8 (h, w, 3 or 4) or the
text of an SVG.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup, escape
from PIL import Image

WIDTH, SMALL = 160, 96  # pixels of a picture at most; below them it has sharp pixels
FILM, STILL, QUALITY = 128, 56, 80  # pixels of the longer side of a frame of a film and of a still on a map at most; of WebP
SQUARE = 100  # the side of an SVG's box

Picture = np.ndarray | str


def drawn(picture: Picture, label: str = "", kind: str = "PNG") -> Markup:
    """A picture as an element that holds it, with all its colours, or about by kind "WEBP"; shrunk where it is wider than WIDTH."""
    if isinstance(picture, str):
        return Markup(picture)
    image = Image.fromarray(np.ascontiguousarray(picture))
    if image.width > WIDTH:
        image = image.resize((WIDTH, max(1, round(image.height * WIDTH / image.width))), Image.Resampling.BOX)
    style = "pixels" if picture.shape[1] < SMALL else "smooth"
    return Markup('<img class="{}" src="{}" alt="{}">').format(style, _uri(image, kind), label)


def _uri(image: Image.Image, kind: str) -> str:
    """The picture as an address that holds it: PNG as it is, WebP about."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **{"PNG": {"compress_level": 9}, "WEBP": {"quality": QUALITY, "method": 4}}[kind])
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


class Reel:
    """The videos of a page, each as one symbol. films: frames by the video's id; stills: one picture by the id, for the others."""

    def __init__(self, films: Mapping[str, Sequence[Picture]], stills: Mapping[str, Picture]) -> None:
        every = {video: list(frames) for video, frames in films.items() if len(frames)}
        every |= {video: [still] for video, still in stills.items() if video not in every}
        self.frames = {video: len(frames) for video, frames in every.items()}
        self.names = {video: f"film-{number}" for number, video in enumerate(every)}
        self.sizes = {video: _size(frames[0], FILM if len(frames) > 1 else STILL) for video, frames in every.items()}
        parts = [_symbol(self.names[video], frames, self.sizes[video]) for video, frames in every.items()]
        self.symbols = Markup('<svg class="reel" width="0" height="0" aria-hidden="true">{}</svg>').format(Markup("").join(parts))

    def show(self, video: str, label: str) -> Markup:
        """The video at rest in its middle; it moves while it is pointed at or has the focus. Nothing for a video without pictures."""
        if video not in self.names:
            return Markup("")
        count, (width, height) = self.frames[video], self.sizes[video]
        said = Markup('tabindex="0" data-clip="{}" ').format(self.name(video)) if count > 1 else Markup("")
        return Markup(
            '<svg class="clip" {}style="--n:{};--rest:{}" viewBox="0 0 {} {}" role="img" aria-label="{}"><use href="#{}"/></svg>'
        ).format(said, count, count // 2, width, height, label, self.names[video])

    def name(self, video: str) -> str:
        """The id of the video's symbol, with its number of frames and size, for the script; '' for none."""
        if video not in self.names:
            return ""
        width, height = self.sizes[video]
        return f"{self.names[video]} {self.frames[video]} {width} {height}"


def _size(picture: Picture, most: int) -> tuple[int, int]:
    """Width and height of a frame in a symbol."""
    if isinstance(picture, str):
        return SQUARE, SQUARE
    scale = min(1.0, most / max(picture.shape[:2]))
    return max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))


def _symbol(name: str, frames: Sequence[Picture], size: tuple[int, int]) -> Markup:
    """Frames side by side: pictures as one image, SVGs each at its place."""
    width, height = size
    if isinstance(frames[0], str):
        inside = Markup("").join(
            Markup(str(frame).replace("<svg ", f'<svg x="{width * place}" width="{width}" height="{height}" ', 1))
            for place, frame in enumerate(frames)
        )
    else:
        shrunk = [Image.fromarray(np.ascontiguousarray(frame)).resize(size, Image.Resampling.BOX) for frame in frames]
        strip = Image.fromarray(np.concatenate([np.asarray(frame) for frame in shrunk], axis=1))
        kind = "pixels" if width < SMALL else "smooth"
        inside = Markup('<image class="{}" href="{}" width="{}" height="{}"/>').format(
            kind, _uri(strip, "WEBP"), width * len(frames), height
        )
    return Markup('<symbol id="{}" overflow="visible">{}</symbol>').format(escape(name), inside)
