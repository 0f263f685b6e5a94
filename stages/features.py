"""features: what an encoder makes of every video, nothing random (P section 4.3).

in:  the index, the modality's cache, the encoder's weights (none for the untrained encoder and the hand-made feature)
out: data/features/{experiment}/{seed}/{modality}/{dataset}.h5
"""

from __future__ import annotations

from functools import partial

import torch

from videossl import script
from videossl.data import index
from videossl.data.cache import Cache
from videossl.data.clips import uniform_starts
from videossl.tasks import encode, features, handmade, job
from videossl.train import modality as modalities
from videossl.train import provenance


def main() -> None:
    args = script.read(job.encoder_parser(__doc__))
    torch.set_num_threads(args.params["threads"])
    modality, settings = script.only(args.params["modalities"])
    rows = index.usable(index.read(args.index))
    cache = Cache(args.cache)
    if args.experiment == "handmade":
        columns = features.columns(rows, handmade.features(cache, rows, modality, modalities.graph(settings)))
    else:
        device = modalities.device()
        encoder = encode.encoder(args, modality, settings).to(device)
        augment = modalities.augmentation(modality, settings, cache)
        clips = encode.clips(cache, rows, modality, settings, partial(uniform_starts, count=args.params["evaluate"]["clips"]))
        columns = encode.extract(encoder, augment, clips, encode.BATCH, device)
    data = provenance.data_digest(args.index, args.cache)
    made_from = provenance.record("stages/features.py", args.params, args.seed, data, job.weights_of(args, modality))
    features.write(args.out, **columns, provenance=made_from)


if __name__ == "__main__":
    script.run(main)
