"""measurable: whether what params.yaml asks for can be trained and measured with the videos of the index, known before frames are extracted.

in:  the index
out: data/index/{dataset}.measurable.json  labelled training and test videos, classes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from videossl import registry, script
from videossl.data import index
from videossl.errors import InputError
from videossl.files import write_json
from videossl.tasks.base import CLASS, is_labelled


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = script.read(parser)
    rows, tasks = index.usable(index.read(args.index)), list(args.params["evaluate"]["tasks"])
    kinds: dict[str, list[str]] = {}
    for task in tasks:
        kinds.setdefault(registry.declared("tasks", task)["label"], []).append(task)
    for kind, asking in kinds.items():
        check(kind, asking, rows, args.index)
    check_batches(args.params["batches"], rows, args.index)
    verdict = counts(CLASS, rows) | {"classes": len(index.classes(rows)), "tasks": tasks}
    write_json(args.out, verdict | {"provenance": {"params": args.params}})


def counts(kind: str, rows: Sequence[index.Row]) -> dict[str, int]:
    """Count the videos with a label of that kind, to train and to test with."""
    labelled = [row for row in rows if is_labelled(kind, row.label, row.labels)]
    return {split: sum(row.split == split for row in labelled) for split in ("train", "test")}


def check(kind: str, tasks: Sequence[str], rows: Sequence[index.Row], path: Path) -> None:
    """Raise InputError where videos with a label of that kind, which `tasks` need, are not enough."""
    labelled, classes = counts(kind, rows), index.classes(rows)
    if all(labelled.values()) and (kind != CLASS or len(classes) > 1):
        return
    needed, has = f"labelled videos, with the kind of label {kind},", ""
    if kind == CLASS:
        needed, has = "two classes and labelled videos", f"{len(classes)} classes ({', '.join(classes[:3]) or 'none'}), "
    raise InputError(
        f"{', '.join(tasks)} need {needed} to train and to test with; {path} has {has}{labelled['train']} training and {labelled['test']} test videos;"
        " mend labels and split, leave the dataset out of evaluate.datasets, or set evaluate.tasks: [] to measure nothing"
    )


def check_batches(batches: Mapping[str, Mapping[str, int]], rows: Sequence[index.Row], path: Path) -> None:
    """Raise InputError where a batch is larger than all that is trained on. batches: by kind of videos and dotted key of params."""
    training = [row for row in rows if row.split == "train"]
    counted = {"videos": len(training), "labelled videos": sum(bool(row.label) for row in training)}
    for kind, by_key in batches.items():
        for key, batch in by_key.items():
            if batch > counted[kind]:
                raise InputError(
                    f"{key} is {batch}, and {path} has {counted[kind]} {kind} to train on; set it to {counted[kind]} or less, or add videos"
                )


if __name__ == "__main__":
    script.run(main)
