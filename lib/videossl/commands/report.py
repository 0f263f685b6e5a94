"""report: the page of a run, made again where something in it has changed."""

from __future__ import annotations

import subprocess
import sys
import webbrowser
from pathlib import Path

import click

from videossl import engine
from videossl.params import load


@click.command(epilog="Example: videossl report runs/mine --targets table1")
@click.argument("run", type=click.Path(path_type=Path), default=Path())
@click.option("--targets", default="", help="Of params.yaml, with spaces between, for their pages; the page of the run if absent.")
@click.option("--cores", default="all", show_default=True, help="That jobs may use at once.")
@click.option("--open", "shown", is_flag=True, help="Show it in the browser.")
def command(run: Path, targets: str, cores: str, shown: bool) -> None:
    """Make the page of a run, and say where it is.

    What of it is still to be computed is computed.

    RUN is the run's folder; this one if absent.
    """
    engine.check_run(run, "report")
    load.load(run / "params.yaml")
    pages = [f"data/report/{name}.html" for name in targets.split()] or ["data/report/index.html"]
    done = subprocess.run(engine.snakemake(run, *pages, "--cores", cores), stdout=sys.stderr, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    for page in pages:
        print(run / page)
        if shown:
            webbrowser.open((run / page).resolve().as_uri())
