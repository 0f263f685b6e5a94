"""search: the videos of a table of features that are most like another."""

from __future__ import annotations

import click


@click.command(epilog="Example: videossl search query.mp4 --in features.parquet --html like.html")
@click.argument("query")
@click.option("--in", "table", required=True, help="A table that `videossl embed` wrote, .parquet or .h5.")
@click.option("-n", "--top", type=click.IntRange(1), default=10, show_default=True, help="Windows that are shown.")
@click.option("--html", help="Write a page with thumbnails there.")
@click.option("-e", "--encoder", default="", help="Where the encoder that made the table is now.  [default: as the table says]")
@click.option("--device", help="As torch names it.  [default: a GPU if there is one]")
def command(query: str, table: str, top: int, html: str | None, encoder: str, device: str | None) -> None:
    """Find the videos that are most like another.

    QUERY is a video; the others are those of a table of features.

    The query is embedded by the encoder that made the table; another one is refused. What is shown is the cosine of features from which the mean
    of the table is taken.
    """
    from tabulate import tabulate

    from videossl.use import search, tables

    held = tables.read(table)
    model = search.encoder(held, encoder, table, device)
    asked = list(model.embed(query, held.about["window"]))
    matches = search.nearest(held, asked, top)
    rows = [
        (place, f"{match.similarity:.3f}", match.video, f"{search.clock(match.start_s)} to {search.clock(match.end_s)}")
        for place, match in enumerate(matches, 1)
    ]
    click.echo(tabulate(rows, ["", "cosine", "video", "time"], disable_numparse=True))
    if html:
        search.write_page(html, asked, matches, held)
        click.echo(f"wrote {html}", err=True)
