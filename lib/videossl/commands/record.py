"""record: tell DVC of what Snakemake has made.

`dvc commit` takes whatever lies there. So this refuses while Snakemake still has something to do, and where something has changed
though nothing that it is made from has: somebody may have edited it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from videossl.commands import dvc_yaml
from videossl.errors import InputError
from videossl.params import load, run_plan


@click.command(epilog="Example: videossl record --accept data/models/mixup/0")
@click.option(
    "--accept", multiple=True, metavar="PATH", help="What may have changed by itself, as made anew on another GPU; may be repeated."
)
def command(accept: Sequence[str]) -> None:
    """Tell DVC of what Snakemake has made.

    Then `dvc status` is clean, and `dvc push` can share it.

    It refuses while Snakemake still has something to do, and where something has changed though nothing that it is made from has.
    """
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def call(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    if not Path("Snakefile").is_file():
        raise InputError(f"there is no Snakefile in {Path.cwd()}; DVC records the run of a clone: call this in the clone's folder")
    dvc_yaml.write(check=True)
    planned = call("snakemake", "all", "-n")
    if planned.returncode:
        raise InputError(f"snakemake cannot plan: {planned.stdout.strip().splitlines()[-1]}")
    if "Nothing to be done" not in planned.stdout:
        raise InputError("work is left to do; run `snakemake --cores all` first (`snakemake -n` says what)")
    if strays := run_plan.strays(load.load("params.yaml")):
        raise InputError(
            f"{strays[0]} is made by no job of params.yaml, and DVC would record it ({len(strays)} such files); move it to data/scratch, or delete it"
        )
    if Path("dvc.lock").exists():
        status = call("dvc", "status", "--json")
        for path in edited(status.stdout, read_yaml("dvc.yaml"), read_yaml("dvc.lock")) if status.returncode == 0 else []:
            if path not in accept:
                raise InputError(
                    f"{path} is not what dvc.lock records, and nothing that it is made from has changed; `dvc checkout {path}` brings back"
                    f" what was recorded; to keep what is there: videossl record --accept {path}"
                )
    # Without links made anew: those would change the files' times, by which Snakemake judges what is larger than 1 MB.
    committed = call("dvc", "commit", "--force", "--no-relink")
    if "is not a git repository" in committed.stdout:
        raise InputError(f"{Path.cwd()} is no git repository, as from a zip; call once: dvc config --local core.no_scm true")
    if committed.returncode:
        raise InputError(f"dvc commit: {committed.stdout.strip()[:300]} ... If dvc.lock is damaged, delete it and run this again")
    print("recorded in dvc.lock; commit it, then `dvc push`", file=sys.stderr)


def edited(status: str, defined: dict[str, Any], recorded: dict[str, Any]) -> list[str]:
    """The outputs that differ from those recorded, of stages of which nothing else does; of `dvc status --json`, dvc.yaml and dvc.lock."""
    stages = json.loads(status).items()  # each a list of {"changed deps": {path: ...}}, {"changed outs": {path: ...}}, "changed command"
    alone = [(name, changes[0]["changed outs"]) for name, changes in stages if len(changes) == 1 and [*changes[0]] == ["changed outs"]]
    return [path for name, outs in alone if rests_on(defined["stages"][name]) == rests_on(recorded["stages"][name]) for path in outs]


def rests_on(stage: dict[str, Any]) -> set[str]:
    """The params and files that a stage rests on, as dvc.yaml or dvc.lock has it: DVC does not see that one was taken away."""
    params = stage.get("params", [])
    keys = params if isinstance(params, list) else [key for file in params.values() for key in file]
    return {*keys, *(dep["path"] if isinstance(dep, dict) else dep for dep in stage.get("deps", []))}


def read_yaml(path: str) -> dict[str, Any]:
    """A file of DVC's."""
    content: dict[str, Any] = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return content
