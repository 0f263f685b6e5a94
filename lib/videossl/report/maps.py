"""A map of videos as an SVG: a point a video, its shape and colour those of its class; filled to train, hollow to test."""

from __future__ import annotations

from markupsafe import Markup

from videossl.report.films import Reel
from videossl.report.spaces import Map

SIDE, MARGIN = 400, 10
SHAPES = (
    "M-4.5,0a4.5,4.5 0 1,0 9,0a4.5,4.5 0 1,0 -9,0z",
    "M-4,-4h8v8h-8z",
    "M0,-5.3L5,3.6H-5z",
    "M0,-5.5L5.5,0L0,5.5L-5.5,0z",
    "M0,5.3L5,-3.6H-5z",
)
COLOURS = 5  # var(--s0) ... of the style sheet
NAMED = len(SHAPES) * COLOURS  # classes that can be told apart; more share their marks


def _mark(number: int) -> Markup:
    """Shape and colour of a class, by its number: neighbours differ in both."""
    return Markup('d="{}" style="--c:var(--s{})"').format(SHAPES[(number + number // COLOURS) % len(SHAPES)], number % COLOURS)


def map_svg(found: Map, reel: Reel) -> Markup:
    """The points; each says its video's name and class, and which symbol of the reel shows it."""
    classes = sorted({tile["label"] for tile in found.tiles})
    number = {name: i for i, name in enumerate(classes)}
    points = []
    for tile, (x, y) in zip(found.tiles, found.xy.tolist(), strict=True):
        at = f"translate({MARGIN + x * (SIDE - 2 * MARGIN):.1f} {MARGIN + (1 - y) * (SIDE - 2 * MARGIN):.1f})"
        said = f"{tile['label'] or '(no label)'}, {tile['id']}, to {tile['split']}" if tile["split"] else f"{tile['label']}, {tile['id']}"
        points.append(
            Markup('<path class="{}" transform="{}" {} data-film="{}" data-class="{}"><title>{}</title></path>').format(
                "hollow" if tile["split"] == "test" else "full",
                at,
                _mark(number[tile["label"]]),
                reel.name(tile["id"]),
                tile["label"],
                said,
            )
        )
    title = f"map of {len(found.tiles)} videos by {found.experiment}, {found.stream}"
    return Markup('<svg class="map" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        SIDE, SIDE, title, Markup("").join(points)
    )


def legend(found: Map) -> list[tuple[str, Markup]]:
    """Each class with its mark; none where no video has a class, or too many classes to tell apart."""
    classes = sorted({tile["label"] for tile in found.tiles})
    if classes == [""] or len(classes) > NAMED:
        return []
    svg = Markup('<svg class="mark" viewBox="-7 -7 14 14" aria-hidden="true"><path class="full" {}/></svg>')
    return [(name or "(no label)", svg.format(_mark(i))) for i, name in enumerate(classes)]
