"""measurable: whether the tasks that params.yaml asks for can be measured, known before anything is trained.

in:  the index
out: data/index/{dataset}.measurable.json  labelled training and test videos, classes
"""

from __future__ import annotations

from pathlib import Path

from videossl import script
from videossl.data import index
from videossl.errors import InputError
from videossl.files import write_json


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = script.read(parser)
    rows = [row for row in index.usable(index.read(args.index)) if row.label]
    counts = {split: sum(row.split == split for row in rows) for split in ("train", "test")}
    classes, tasks = index.classes(rows), args.params["evaluate"]["tasks"]
    if tasks and (len(classes) < 2 or not all(counts.values())):
        raise InputError(
            f"{', '.join(tasks)} need two classes and labelled videos to train and to test with; {args.index} has {len(classes)} classes"
            f" ({', '.join(classes[:3]) or 'none'}), {counts['train']} training and {counts['test']} test videos; mend labels and"
            " split, leave the dataset out of evaluate.datasets, or set evaluate.tasks: [] to measure nothing"
        )
    write_json(args.out, counts | {"classes": len(classes), "tasks": tasks})


if __name__ == "__main__":
    script.run(main)
