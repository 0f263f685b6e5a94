"""flow: TV-L1 optical flow of one shard of videos, at the size of the cached frames; N frames give N - 1 flows.

in:  the index, the videos
out: data/cache/{dataset}/flow/{shard}.h5
"""

from __future__ import annotations

from videossl import script
from videossl.extract import flow, shard


def main() -> None:
    args = script.read(shard.parser(__doc__))
    settings = dict(args.params["flow"])
    bound = settings.pop("bound")
    shard.run(args, "flow", flow.Flow(args.params["cache"]["short_side"], bound, settings))


if __name__ == "__main__":
    script.run(main)
