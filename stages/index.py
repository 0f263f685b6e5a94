"""index: decode every video once, and say which can be used and why the others cannot.

in:  the dataset's videos, skeleton files and split lists
out: data/index/{dataset}.csv
"""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

from videossl import script
from videossl.data import index, scan
from videossl.data.datasets import registry


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=1)
    args = script.read(parser)
    dataset, limits = args.params["dataset"], args.params["index"]
    root = Path(dataset["root"])
    source = registry.get(dataset["name"])
    source.check(root)
    videos = source.videos(root, dataset["split"], dataset["options"])
    rows = scan.build(videos, root, args.processes, limits["min_frames"], progress=True)
    for row in rows:
        if row.status != "ok":
            logging.warning("dropped %s: %s", row.id, row.reason)
    index.check_drops(rows, limits["max_dropped"])
    index.write(args.out, rows)
    counts = Counter((row.status, row.split) for row in rows)
    logging.info("%s: %s", args.out, ", ".join(f"{n} {status} {split}" for (status, split), n in sorted(counts.items())))


if __name__ == "__main__":
    script.run(main)
