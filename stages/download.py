"""download: a dataset's files as obtained.

in:  nothing, or the user's own copy
out: data/raw/{dataset}/ of a dataset that is rendered; of all others data/raw/{dataset}.json: where it lies, and the archives that it was unpacked from

A dataset with ARCHIVES is downloaded into data/raw/{dataset}. Any other root is the user's own: it is checked and never written to.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from videossl import registry, script
from videossl.data.download_dataset import obtain
from videossl.errors import InputError
from videossl.files import write_json


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=1)
    args = script.read(parser)
    dataset = args.params["dataset"]
    module = registry.module("datasets", dataset["name"])
    if registry.declared("datasets", dataset["name"]).get("rendered"):
        module.download(args.out, dataset["options"], args.processes)
    else:
        archives = ensure(module, Path(dataset["root"]), dataset["options"])
        write_json(args.out, {"dataset": module.NAME, "root": dataset["root"], "licence": module.LICENCE, "archives": archives})
    logging.info("%s: ready", dataset["name"])


def ensure(module: ModuleType, root: Path, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Make sure of the dataset in `root`, and return the archives that were downloaded for it."""
    own = root == Path("data/raw") / module.NAME
    if own and module.ARCHIVES:
        return obtain(module, root, options)
    if not root.is_dir():
        way_out = "leave root out to download it" if module.ARCHIVES else "put it there, or set dataset.root to where it is"
        say_layout(module)
        raise InputError(f"dataset.root is {root}, which is not a folder; {way_out} (docs/datasets.md: what to fetch, and its layout)")
    try:
        module.check(root)
    except InputError:
        say_layout(module)
        raise
    return []


def say_layout(module: ModuleType) -> None:
    """Say, before the one line of an error, what the root must look like and where it comes from."""
    logging.info("%s", module.LAYOUT)


if __name__ == "__main__":
    script.run(main)
