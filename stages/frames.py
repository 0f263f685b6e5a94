"""frames: the RGB frames of one shard of videos, at a rate and shrunk to a short side.

in:  the index, the videos
out: data/cache/{dataset}/rgb/{shard}.h5
"""

from __future__ import annotations

from videossl import script
from videossl.extract import frames, shard


def main() -> None:
    args = script.read(shard.parser(__doc__))
    shard.run(args, "rgb", frames.Frames(args.params["cache"]["short_side"], args.params["index"]["fps"]))


if __name__ == "__main__":
    script.run(main)
