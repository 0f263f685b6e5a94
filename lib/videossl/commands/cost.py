"""cost: what a preset, or what is left of a run, takes on this machine, before it starts."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from videossl.commands import presets
from videossl.files import atomic, write_json


@click.command(epilog="Example: videossl cost ucf101 --targets 'table1 table2'")
@presets.places
@click.option("--targets", default="", help="Of Snakemake, with spaces between; all if absent.")
@click.option("--json", type=click.Path(path_type=Path), help="A file for the same as data.")
@click.option("--quick", is_flag=True, help="Measure for as short as possible: hours mean little.")
def command(what: str, root: str, lists: str, transfer: str, split: str, targets: str, json: Path | None, quick: bool) -> None:
    """Say what a run takes here, before it starts.

    It says jobs, epochs, bytes and hours.

    WHAT is the name of a preset or its file; or the folder of a run, this one if absent, of which it counts what is left. ROOT is the folder of the
    dataset, to count its videos. It measures for about a minute.
    """
    with tempfile.TemporaryDirectory(prefix="cost-") as place:
        folder = presets.run_in(what)
        if folder is None:
            preset = presets.find(what)
            text = presets.fitted(presets.text(preset, root, lists, transfer, split), preset)
            folder = Path(place, "run")
            with atomic(folder / "params.yaml") as file:
                file.write_text(text, encoding="utf-8")
        from videossl.cost.estimate import estimate  # loads torch: after what may be wrong at once

        page, data = estimate(folder, what, targets.split(), Path(place), quick)
    print(page)
    if json:
        write_json(json, data)
