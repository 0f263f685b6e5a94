"""progress: the tasks with the encoders kept along one training (P figure 2).

in:  the index, the caches of its streams, the snapshots of the training
out: data/progress/{experiment}/{seed}/{dataset}/{training}.json
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from videossl import script
from videossl.data import index
from videossl.data.clips import uniform_starts
from videossl.files import write_json
from videossl.tasks import encode, progress, scripts
from videossl.train import assemble, provenance


def main() -> None:
    parser = scripts.cache_parser(__doc__)
    for name in ("--training", "--dataset"):
        parser.add_argument(name, required=True)
    parser.add_argument("--snapshots", type=Path, required=True, help="the encoders that were kept of the training")
    args = script.read(parser)
    torch.set_num_threads(args.params["threads"])
    device, caches, evaluate = assemble.device(), assemble.opened(args.cache), args.params["evaluate"]
    rows = index.usable(index.read(args.index))
    streams = {}
    for stream, settings in args.params["streams"].items():
        encoder = assemble.encoder(stream, settings, args.seed).to(device)
        clips = encode.clips(caches, rows, stream, settings, partial(uniform_starts, count=evaluate["clips"]))
        labelled, tasks = progress.unmeasured(clips, args.dataset), progress.Tasks(evaluate["tasks"], args.seed)
        name = f"{args.experiment} {args.seed} {stream} of {args.training} on {args.dataset}"
        augment = assemble.augmentation(settings, caches)
        points = progress.measure(encoder, args.snapshots, stream, augment, clips, labelled, tasks, encode.BATCH, device)
        shown = progress.shown(points, len(progress.kept(args.snapshots)), name)
        streams[stream] = {"points": shown, "chance": tasks.chance(labelled), "counts": scripts.counts(labelled)}

    data = provenance.data_digest(args.index, args.cache)
    made_from = provenance.record("stages/progress.py", args.params, args.seed, data, {args.training: args.snapshots})
    which = {"experiment": args.experiment, "seed": args.seed, "dataset": args.dataset, "training": args.training}
    write_json(args.out, which | {"task": "progress", "streams": streams, "provenance": made_from})


if __name__ == "__main__":
    script.run(main)
