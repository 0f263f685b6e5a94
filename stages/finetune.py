"""finetune: encoder and a linear layer trained with labels, then the test videos' class probabilities (P appendix 1).

in:  the index, the modality's cache, the encoder's weights (none: from its initial weights)
out: data/features/{experiment}/{seed}/{modality}/{dataset}.finetune.h5; training videos have zeros
"""

from __future__ import annotations

from functools import partial

import numpy as np

from videossl import script
from videossl.data import index
from videossl.data.cache import Cache
from videossl.data.clips import ClipDataset, windows
from videossl.tasks import encode, features, finetune, job
from videossl.train import modality as modalities
from videossl.train import provenance, stage
from videossl.train.checkpoint import Checkpoint
from videossl.train.loop import Training


def main() -> None:
    parser = job.encoder_parser(__doc__)
    stage.add_machine(parser)
    args = script.read(parser)
    modality, settings = script.only(args.params["modalities"])
    device = stage.start(args.params["threads"])

    rows = [row for row in index.usable(index.read(args.index)) if row.label]
    classes = index.classes(rows)
    cache = Cache(args.cache)
    augment = modalities.augmentation(modality, settings, cache).without_blur()
    training = Training(**settings["finetune"])
    seed = provenance.stage_seed(args.seed, modality, "finetune")
    source = modalities.source(modality, settings, cache, ("query",))
    dataset = ClipDataset(index.training(rows), {name: number for number, name in enumerate(classes)}, [source], seed)
    batches = modalities.batches(dataset, {"query": augment}, training.batch, seed, device, args.workers)
    method = finetune.Finetune(encode.encoder(args, modality, settings), len(classes), seed=args.seed).to(device)

    data = provenance.data_digest(args.index, args.cache)
    made_from = provenance.record("stages/finetune.py", args.params, seed, data, job.weights_of(args, modality))
    made_from["experiment"] = args.experiment  # two whose weights are equal still do not share a checkpoint
    name = f"{args.experiment} {args.seed} {modality} finetune {cache.attrs['dataset']}"
    stage.train(method, batches, training, seed, name, made_from, args)

    test = [position for position, row in enumerate(rows) if row.split == "test"]
    probabilities = np.zeros((len(rows), 1, len(classes)))
    chosen = args.params["evaluate"]
    clips = encode.clips(cache, [rows[position] for position in test], modality, settings, partial(windows, overlap=chosen["overlap"]))
    probabilities[test, 0] = finetune.predict(method, augment, clips, chosen["crops"], encode.BATCH, device)
    features.write(args.out, **features.columns(rows, probabilities), provenance=made_from)
    Checkpoint(stage.folder(args.scratch, made_from)).done()


if __name__ == "__main__":
    script.run(main)
