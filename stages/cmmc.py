"""cmmc: one stage of cross-modal manifold cutmix: one encoder learns, the other's is frozen (P section 3.2, Algorithm 1).

in:  the index, the caches of both modalities, the modality's weights so far, the partner's newest weights
out: data/models/{experiment}/{seed}/{modality}/cmmc{cycle}.safetensors, and its training curve as .json
"""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from videossl import script
from videossl.data import index
from videossl.data.cache import Cache
from videossl.data.clips import ClipDataset
from videossl.ssl.cmmc import CMMC
from videossl.train import modality as modalities
from videossl.train import provenance, stage, weights
from videossl.train.loop import Training


def main() -> None:
    parser = stage.parser(__doc__)
    parser.add_argument("--modality", required=True, help="which of the two is trained")
    parser.add_argument("--cycle", type=int, required=True)
    parser.add_argument("--partner-cache", type=Path, nargs="+", required=True)
    parser.add_argument("--start", type=Path, required=True, help="the modality's weights so far")
    parser.add_argument("--partner", type=Path, required=True, help="the partner's newest weights")
    args = script.read(parser)
    torch.set_num_threads(args.params["threads"])
    experiment, recipe = script.only(args.params["experiments"])
    modality, settings = args.modality, args.params["modalities"][args.modality]
    (other,) = set(args.params["modalities"]) - {modality}
    other_settings = args.params["modalities"][other]
    device = modalities.device()

    cache, other_cache = Cache(args.cache), Cache(args.partner_cache)
    sources = [
        modalities.source(modality, settings, cache, ("query", "key")),
        modalities.source(other, other_settings, other_cache, ("partner",)),
    ]
    seed = provenance.stage_seed(args.seed, experiment, modality, args.cycle)
    dataset = ClipDataset(index.training(index.read(args.index)), None, sources, seed)
    augment = modalities.augmentation(modality, settings, cache)
    augments = {"query": augment, "key": augment, "partner": modalities.augmentation(other, other_settings, other_cache)}
    training = Training(**settings["cmmc"])
    batches = modalities.batches(dataset, augments, training.batch, seed, device, args.workers)

    moco = modalities.moco(modality, settings, args.seed, "none")
    for line in moco.load_stage(weights.load(args.start)):
        logging.info("from %s: %s", args.start, line)
    partner = modalities.encoder(other, other_settings, args.seed)
    partner.load_state_dict(weights.load(args.partner, "encoder."))
    logging.info("from %s: the frozen encoder of %s", args.partner, other)
    method = CMMC(moco, partner, axes=tuple(recipe["axes"]), layers=recipe["layers"], box=recipe["box"]).to(device)

    data = provenance.data_digest(args.index, [*args.cache, *args.partner_cache])
    made_from = provenance.record("stages/cmmc.py", args.params, seed, data, {"start": args.start, "partner": args.partner})
    name = f"{experiment} {args.seed} {modality} cmmc{args.cycle}"
    history = stage.train(method, batches, training, seed, name, made_from, args.scratch)
    stage.finish(method.moco, history, made_from, args.out, args.scratch)


if __name__ == "__main__":
    script.run(main)
