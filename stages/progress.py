"""progress: linear probe and retrieval with the encoders kept along one training (P figure 2).

in:  the index, the modality's cache, the snapshots of the training
out: data/progress/{experiment}/{seed}/{dataset}/{modality}.{phase}.json
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from videossl import script
from videossl.data import index
from videossl.data.cache import Cache
from videossl.data.clips import uniform_starts
from videossl.files import write_json
from videossl.tasks import encode, job, progress
from videossl.train import modality as modalities
from videossl.train import provenance


def main() -> None:
    parser = job.cache_parser(__doc__)
    for name in ("--modality", "--phase", "--dataset"):
        parser.add_argument(name, required=True)
    parser.add_argument("--snapshots", type=Path, required=True, help="the encoders that were kept of the training")
    args = script.read(parser)
    torch.set_num_threads(args.params["threads"])
    settings, chosen = args.params["modalities"][args.modality], args.params["evaluate"]
    device, cache = modalities.device(), Cache(args.cache)
    encoder = modalities.encoder(args.modality, settings, args.seed).to(device)
    augment = modalities.augmentation(args.modality, settings, cache)
    rows = index.usable(index.read(args.index))
    clips = encode.clips(cache, rows, args.modality, settings, partial(uniform_starts, count=chosen["clips"]))
    labelled, tasks = progress.unmeasured(clips, args.dataset), progress.Tasks(chosen["tasks"], chosen["linear"])

    name = f"{args.experiment} {args.seed} {args.modality} {args.phase} on {args.dataset}"
    points = progress.measure(encoder, args.snapshots, augment, clips, labelled, tasks, encode.BATCH, device)
    found = progress.shown(points, len(progress.kept(args.snapshots)), name)

    data = provenance.data_digest(args.index, args.cache)
    made_from = provenance.record("stages/progress.py", args.params, args.seed, data, {args.modality: args.snapshots})
    which = {"experiment": args.experiment, "seed": args.seed, "dataset": args.dataset, "modality": args.modality, "phase": args.phase}
    numbers = {"points": found, "chance": tasks.chance(labelled), "counts": job.counts(labelled)}
    write_json(args.out, which | numbers | {"task": "progress", "provenance": made_from})


if __name__ == "__main__":
    script.run(main)
