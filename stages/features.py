"""features: what an encoder makes of every video, nothing random (P section 4.3).

in:  the index, the cache that the stream is read from, the encoder's weights (none for the untrained encoder and the hand-made feature)
out: data/features/{experiment}/{seed}/{stream}/{dataset}.h5
"""

from __future__ import annotations

from functools import partial

import torch

from videossl import script
from videossl.data import index
from videossl.data.clips import uniform_starts
from videossl.tasks import encode, features, scripts
from videossl.train import assemble, provenance


def main() -> None:
    args = script.read(scripts.encoder_parser(__doc__))
    torch.set_num_threads(args.params["threads"])
    stream, settings = script.only(args.params["streams"])
    rows, caches = index.usable(index.read(args.index)), assemble.opened(args.cache)
    if args.experiment == "handmade":
        columns = features.columns(rows, encode.handmade(rows, settings, caches))
    else:
        device = assemble.device()
        encoder = encode.encoder(args, stream, settings).to(device)
        clips = encode.clips(caches, rows, stream, settings, partial(uniform_starts, count=args.params["evaluate"]["clips"]))
        columns = encode.extract(encoder, assemble.augmentation(settings, caches), clips, encode.BATCH, device)
    data = provenance.data_digest(args.index, args.cache)
    made_from = provenance.record("stages/features.py", args.params, args.seed, data, scripts.weights_of(args, stream))
    features.write(args.out, **columns, provenance=made_from)


if __name__ == "__main__":
    script.run(main)
