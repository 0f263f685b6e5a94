"""Presets: the one that is meant, and its text with the places of the datasets filled in, as `run` and `cost` need it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from videossl import job_code, registry
from videossl.data import listing
from videossl.data.listing import Video
from videossl.errors import InputError
from videossl.params import fit, load

FOLDER = job_code.ROOT / "presets"
FITTED = ("folder", "folder-pose")
"""The presets whose epochs are fitted to how many videos a person has."""
OWN = (*FITTED, "few-clips")
"""All presets for a person's own videos."""
TASKS = re.compile(r"^  tasks:.*\n(?:    .*\n)+", re.MULTILINE)
"""The tasks of a preset, as they stand in it."""


def places(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the argument WHAT, and the places of its datasets."""
    for add in (
        click.option(
            "--split", metavar="SPLIT", default="", help="Which of the dataset's official splits, when it is not to be the preset's."
        ),
        click.option(
            "--transfer",
            metavar="TRANSFER",
            default="",
            help="The folder that holds the datasets of `transfer`, each under its name, when they are not to be the preset's own.",
        ),
        click.option("--lists", metavar="LISTS", default="", help="The folder of the official split lists, when not under ROOT."),
        click.argument("root", metavar="[ROOT]", default=""),
        click.argument("what", metavar="[WHAT]", default="."),
    ):
        command = add(command)
    return command


def run_in(what: str) -> Path | None:
    """The folder of the run that WHAT names; None where it names a preset. A folder that is no run raises InputError."""
    folder = Path(what)
    if what in _known() or not folder.is_dir():
        return None
    if not (folder / "params.yaml").is_file():
        raise InputError(
            f"{folder.resolve()} has no params.yaml, so it is no run's folder; name one that has, or a preset: {', '.join(_known())}"
        )
    return folder


def find(what: str) -> Path:
    """The file of the preset that is called, or lies at, `what`."""
    path = _known().get(what, Path(what))
    if not path.is_file():
        raise InputError(f"there is no preset, file or run's folder {what}; {registry.nearest(what, _known())}")
    return path


def text(preset: Path, root: str, lists: str, transfer: str, split: str) -> str:
    """The text of a preset with these places and this split, "" for the preset's own; comments stay."""
    text = preset.read_text(encoding="utf-8")
    for key, value in (("root", root), ("lists", lists)):
        if value:
            text = _with_folder(text, key, value, preset)
    for entry in load.parse(text, str(preset))["transfer"] if transfer else []:
        text = _with_folder(text, f"transfer {entry['name']}", str(Path(transfer) / entry["name"]), preset)
    dataset = load.parse(text, str(preset))["dataset"]
    if split:
        module = registry.module("datasets", dataset["name"])
        text = _with_split(text, listing.split_of(module, split, dataset["options"]), preset)
    return text


def fitted(text: str, preset: Path) -> str:
    """The text of a preset for a person's own videos, fitted to them: epochs for as many as there are, and no tasks where they have no classes.

    Says which and why. Other presets are as they were.
    """
    if preset.stem not in OWN:
        return text
    params = load.parse(text, str(preset))
    videos = _videos(params["dataset"])
    if not any(video.label for video in videos):
        text = TASKS.sub("  tasks: [] # the videos have no classes: there is nothing to measure with\n", text, count=1)
        print("the videos have no classes: no task is measured; the page has neighbours, maps and spread of features", file=sys.stderr)
    if preset.stem in FITTED:
        trained = sum(video.split == "train" for video in videos)
        needed = fit.epochs(params, trained)
        for tag, epochs in needed.items():
            text = re.sub(rf"(?m)^( +{tag}: \{{epochs: )\d+", rf"\g<1>{epochs}", text)
        chosen = ", ".join(f"{tag} {epochs:,}" for tag, epochs in needed.items())
        print(f"{trained:,} videos to train on: epochs {chosen}; as many steps as real clips took (docs/learning.md)", file=sys.stderr)
    return text


def _videos(dataset: Mapping[str, Any]) -> list[Video]:
    """The videos of a dataset as its layout and lists have them. Raises InputError where none is on the training side."""
    module = registry.module("datasets", dataset["name"])
    root = Path(dataset["root"])
    if not root.is_dir():
        raise InputError(f"ROOT is {root}, which is not a folder; name the one that holds your videos")
    module.check(root)
    videos: list[Video] = module.videos(root, dataset["split"], dataset["options"])
    if not any(video.split == "train" for video in videos):
        raise InputError(f"{root} has no video on the training side of the split; lower dataset.options.test_share, or write other lists")
    return videos


def _known() -> dict[str, Path]:
    """The presets by name; `toy` is the params.yaml of the repository itself."""
    known = {path.stem: path for path in FOLDER.glob("*.yaml")} | {"toy": job_code.ROOT / "params.yaml"}
    return dict(sorted(known.items()))


def _with_folder(text: str, key: str, folder: str, preset: Path) -> str:
    """`text` with the `key` of the dataset set to `folder`, or the root of the dataset NAME for `transfer NAME`; comments stay."""
    kind, _, name = key.partition(" ")
    path = Path(folder).resolve()
    if not path.is_dir():
        wanted = "split lists" if kind == "lists" else f"videos of {name or 'the dataset'}"
        raise InputError(f"{kind.upper()} is {folder}, which is not a folder; name the one that holds the {wanted}")
    pattern = {
        "root": r"(?m)(^  root: ).*()$",
        "lists": r"(?m)(^  options: \{)(?:lists: [^}]*)?(\})",
        "transfer": rf"(?m)(^  - name: {re.escape(name)}\n    root: ).*()$",
    }[kind]
    value = ("lists: " if kind == "lists" else "") + _quoted(str(path))
    text, replaced = re.subn(pattern, lambda match: f"{match[1]}{value}{match[2]}", text, count=1)
    if not replaced:
        raise InputError(f"{preset} has no place for {key.upper()}; leave it out or choose another preset")
    return text


def _with_split(text: str, split: int, preset: Path) -> str:
    """`text` with that split of the dataset; comments stay."""
    text, replaced = re.subn(r"(?m)^(  split: )\d+", rf"\g<1>{split}", text, count=1)
    if not replaced:
        raise InputError(f"{preset} has no place for SPLIT; leave it out or choose another preset")
    return text


def _quoted(text: str) -> str:
    """`text` as a YAML scalar on one line."""
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return yaml.safe_dump(text, default_style='"', width=sys.maxsize, allow_unicode=True).strip()
