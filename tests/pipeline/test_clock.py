"""Times that lie: a clock that was set back, files from the future, copies that keep the times of elsewhere."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from tests.pipeline.conftest import Workspace
from tests.pipeline.test_engines import jobs

pytestmark = pytest.mark.slow

STAGES = ["raw", "index", "cache", "models", "features", "results", "report"]
HOUR = 3600


def set_time(path: Path, seconds: float) -> None:
    os.utime(path, (seconds, seconds))


def test_results_older_than_what_they_were_made_from(finished: Workspace) -> None:
    """Each stage an hour before the one it started from. Tomorrow: refused before anything runs, since Snakemake would delete what it makes.
    Yesterday: what was made of small files is known by their contents; what of larger ones than 1 MB, as weights are, would be made again,
    unless `snakemake --touch` sets the times right."""
    artefacts = {
        path: path.read_bytes() for path in finished.path.glob("data/*/**/[!.]*") if path.is_file() and "scratch" not in path.parts
    }

    def backwards(first: float) -> None:
        for path in artefacts:
            set_time(path, first - STAGES.index(path.relative_to(finished.path).parts[1]) * HOUR)

    backwards(time.time() + 24 * HOUR)
    refused = finished.call("snakemake", "--touch", ok=False)
    assert refused.returncode == 2 and re.search(
        r"^error: data/\S+ is \d+ minutes from the future, .* `snakemake --touch`$", refused.stdout, re.M
    )
    backwards(time.time() - 24 * HOUR)
    set_time(finished.path / "data/raw/toy/.snakemake_timestamp", 0)  # of a folder this file's time counts
    planned = jobs(finished)
    assert not set(planned.values()) & {"download", "index", "measurable", "frames", "flow", "skeleton", "feasible"}
    assert not any(output.startswith("data/models/mixup/") for output in planned), "it is made of small files alone"
    finished.snakemake("--touch")
    assert "Nothing to be done" in finished.snakemake("-n")
    assert {path: path.read_bytes() for path in artefacts} == artefacts


def test_code_that_was_changed_before_it_was_run(finished: Workspace) -> None:
    """As its time has it. Contents count, so that `make record` cannot take results of other code for those of this one."""
    script = finished.path / "stages/report.py"
    script.write_text(script.read_text().replace("def main()", "# changed\ndef main()"))
    set_time(script, 0)
    done = finished.call("videossl", "record", ok=False)
    assert done.returncode == 2 and done.stdout.startswith("error: work is left to do")
