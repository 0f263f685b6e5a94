"""download: a dataset's files as obtained.

in:  nothing, or the user's own copy
out: data/raw/toy/  the rendered toy set; for a dataset the user brings, data/raw/{dataset}.json: where it was found
"""

from __future__ import annotations

import logging
from pathlib import Path

from videossl import script
from videossl.data.datasets import registry
from videossl.errors import InputError
from videossl.files import write_json


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=1)
    args = script.read(parser)
    dataset = args.params["dataset"]
    source = registry.get(dataset["name"])
    if hasattr(source, "download"):
        source.download(args.out, dataset["options"], args.processes)
    else:
        root = Path(dataset["root"])
        if not root.is_dir():
            raise InputError(f"dataset.root is {root}, which is not a folder; {source.LAYOUT}")
        source.check(root)
        write_json(args.out, {"dataset": dataset["name"], "root": str(root), "licence": source.LICENCE})
    logging.info("%s: ready", dataset["name"])


if __name__ == "__main__":
    script.run(main)
