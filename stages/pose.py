"""pose: the joints of one shard of videos, found in their frames by keypoint R-CNN (params.skeleton).

in:  the index, the videos, the detector's weights
out: data/cache/{dataset}/joint/{shard}.h5
"""

from __future__ import annotations

import logging

from videossl import script
from videossl.data import cache
from videossl.extract import pose, shard

SHOWN = 3  # videos that stderr names


def main() -> None:
    args = script.read(shard.parser(__doc__))
    settings = {key: value for key, value in args.params["skeleton"].items() if key not in ("backend", "weights")}
    path, digest = pose.find_weights(args.params["skeleton"]["weights"])
    logging.info("%s: SHA-256 %s", path, digest)
    shard.run(args, "joint", pose.Poses(path, digest, fps=args.params["index"]["fps"], **settings))
    if nobody := pose.without_people(args.out):
        shown = ", ".join(nobody[:SHOWN]) + (", ..." if len(nobody) > SHOWN else "")
        count = len(cache.describe(args.out).ids)
        found = "nobody was found in %d of %d videos (%s): their joints are all zero; a lower skeleton.score finds more"
        logging.warning(f"warning: {found}", len(nobody), count, shown)


if __name__ == "__main__":
    script.run(main)
