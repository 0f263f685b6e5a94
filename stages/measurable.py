"""measurable: whether what params.yaml asks for can be trained and measured with the videos of the index, known before frames are extracted.

in:  the index
out: data/index/{dataset}.measurable.json  labelled training and test videos, classes
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from videossl import registry, script
from videossl.data import fewer, index
from videossl.errors import InputError
from videossl.files import write_json
from videossl.tasks import few
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
    for task, batches in args.params["batches"].items():
        check_batches(task, batches, args.params["shares"].get(task), rows, args.index)
    for key, asked in args.params["videos"].items():
        check_share(key, asked, [row for row in rows if row.split == "train"])
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


def check_batches(task: str, batches: Mapping[str, int], share: float | None, rows: Sequence[index.Row], path: Path) -> None:
    """Raise InputError where a batch is larger than all that is trained on.

    batches: by dotted key of params, of the trainings of `task`, on labelled videos, or of methods ("") on all. share: of the labels.
    """
    training = [row for row in rows if row.split == "train" and (row.label or not task)]
    sizes = Counter(row.label for row in training)
    count = len(training) if share is None else sum(few.size(videos, share) for videos in sizes.values())
    kind = f"{'labelled ' if task else ''}videos to train on{f' by evaluate.tasks.{task}.share {share:g}' if share is not None else ''}"
    for key, batch in batches.items():
        if batch > count:
            own = key if share is None or f".{task}." in key else key.replace(".train.", f".train.{task}.")
            way_out = "" if share is None else "raise the share, "
            raise InputError(f"{key} is {batch}, and {path} has {count} {kind}; set {own} to {count} or less, {way_out}or add videos")


def check_share(key: str, asked: Mapping[str, Any], training: Sequence[index.Row]) -> None:
    """Raise InputError where a share of the training videos leaves a batch, or a class that is to be learned, without videos.

    key: of the share in params. asked: the share, the batches by their keys, the seeds where labels are learned from.
    """
    counts = [fewer.size(len(training), asked["share"])]
    for seed in sorted({*asked["seeds"]}):
        used = [row for row in fewer.taken(training, asked["share"], seed) if row.label]
        fewer.check_classes(key, asked["share"], seed, used, training)
        counts.append(len(used))
    for place, batch in asked["batches"].items():
        fewer.check_batch(key, asked["share"], min(counts), place, batch)


if __name__ == "__main__":
    script.run(main)
