"""flow: optical flow of one shard of videos, at the size and rate of the cached frames; N frames give N - 1 flows.

in:  the index, the videos
out: data/cache/{dataset}/flow/{shard}.h5
"""

from __future__ import annotations

from videossl import script
from videossl.extract import flow, shard


def main() -> None:
    args = script.read(shard.parser(__doc__))
    settings = dict(args.params["flow"])
    bound, backend = settings.pop("bound"), settings.pop("backend")
    shard.run(args, "flow", flow.Flow(args.params["cache"]["short_side"], bound, settings, backend, args.params["index"]["fps"]))


if __name__ == "__main__":
    script.run(main)
