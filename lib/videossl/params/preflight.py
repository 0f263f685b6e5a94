"""Looks at the files of a run before anything starts: what would end it only hours later."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from videossl.errors import InputError
from videossl.files import TORCHVISION
from videossl.params import recipes, schema
from videossl.params.recipes import Params
from videossl.params.run_plan import brought_weights, recipe_files


def check_writable(folder: str | Path) -> None:
    """Raise InputError unless files can be written to `folder`, which is made if need be, and Snakemake can work there."""
    place = Path(folder).absolute().parent
    if set(str(place)) & set("{}"):
        raise InputError(f"{place} has braces in its name, which Snakemake takes for a wildcard; choose another --directory")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}; free space or choose another --directory") from error


def check_weights(params: Params) -> None:
    """Raise InputError where a section or a recipe names weights that are not there: before hours of downloads and frames."""
    for section, path in brought_weights(params).items():
        if not Path(path).is_file():
            named = next(declared["named_weights"] for declared in schema.sections().values() if declared["name"] == section)
            raise InputError(
                f"{section}.weights names {path}, and there is no such file; paths are relative to the folder of params.yaml;"
                f" `weights: {named[0]}` takes torchvision's own"
            )
    for experiment in recipes.with_starts(params, params["all"]):
        for path in recipe_files(params, experiment):
            if not Path(path).is_file():
                raise InputError(
                    f"experiments.{experiment}.weights names {path}, and there is no such file; paths are relative to the folder of params.yaml;"
                    f" {TORCHVISION}MODEL takes torchvision's own"
                )


def check_times(files: Iterable[str]) -> None:
    """Raise InputError where one of the inputs of a run is from the future, by more than a minute.

    Snakemake would take all that is made of such a file for older than the file, and delete it: an hour's or a week's work.
    """
    now = time.time()
    for file in sorted(files):
        ahead = Path(file).stat().st_mtime - now if Path(file).exists() else 0
        if ahead > 60:
            raise InputError(
                f"{file} is {ahead / 60:.0f} minutes from the future, so results made of it would look older than it; set the clock right, or give such"
                " files the time of now (find data -newermt now -exec touch {} +) and then call `snakemake --touch`"
            )
