"""skeleton: the joints of one shard of videos, from NTU skeleton files.

in:  the index, the skeleton files
out: data/cache/{dataset}/joint/{shard}.h5
"""

from __future__ import annotations

from videossl import script
from videossl.extract import shard, skeleton


def main() -> None:
    args = script.read(shard.parser(__doc__))
    shard.run(args, "joint", skeleton.Skeletons())


if __name__ == "__main__":
    script.run(main)
