"""embed: features of videos, without params or labels."""

from __future__ import annotations

import sys

import click


@click.command(epilog="Example: videossl embed holiday/ -e runs/mine/stc-mix/rgb -o features.parquet")
@click.argument("videos", nargs=-1, required=True, metavar="VIDEO...")
@click.option(
    "-e", "--encoder", required=True, help="RUN/EXPERIMENT/STREAM, a file of weights, a folder for the hub, or torchvision:MODEL[:FILE]."
)
@click.option("-o", "--out", required=True, help="The table: a name that ends in .parquet, .h5 or .csv, or - for CSV on standard output.")
@click.option("--stream", default="", help="Of a file with several encoders, which.")
@click.option("--clips", type=click.IntRange(1), help="Clips of a window that are averaged.  [default: the run's evaluate.clips, or 10]")
@click.option(
    "--window", type=click.FloatRange(0, min_open=True), default=40.0, show_default=True, help="Seconds of a window of a long video."
)
@click.option("--seed", type=int, help="Of the run.  [default: its params' own]")
@click.option("--device", help="As torch names it.  [default: a GPU if there is one]")
@click.pass_context
def command(
    context: click.Context,
    videos: tuple[str, ...],
    encoder: str,
    out: str,
    stream: str,
    clips: int | None,
    window: float,
    seed: int | None,
    device: str | None,
) -> None:
    """Turn videos into a table of features.

    A finished encoder computes them.

    VIDEO is a file, a folder, or - for a list on standard input. A row is a window of a video: its name, the seconds where it begins and ends,
    and the features. A video of up to one and a half windows is one row. What cannot be read is named and left out, and the exit status is 1.
    """
    from videossl.use import embed, tables
    from videossl.use.load import load

    tables.check(out)
    model = load(encoder, stream=stream, clips=clips, seed=seed, device=device)
    named = embed.videos(model, videos, sys.stdin)
    left_out = embed.into_table(model, named, out, window)
    if left_out:
        done = len(named) - len(left_out)
        click.echo(
            f"{done} of {len(named)} videos are in {out}" if done else f"none of the videos can be read; {out} is not written", err=True
        )
        context.exit(1)
