"""cmmc: one stage of mixing feature maps: one encoder learns, the partner's is frozen (P section 3.2, Algorithm 1, table 2).

in:  the index, the caches of both modalities, the modality's weights so far, the partner's newest weights
out: data/models/{experiment}/{seed}/{modality}/cmmc{cycle}.safetensors, its training curve as .json, and the encoders kept
     on the way (`keep`) as .snapshots.safetensors
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from videossl import recipes, script
from videossl.data import index
from videossl.data.cache import Cache
from videossl.data.clips import ClipDataset, Source
from videossl.encoders.base import Encoder
from videossl.methods.cmmc import CMMC
from videossl.train import modality as modalities
from videossl.train import provenance, stage, weights
from videossl.train.loop import Training


def main() -> None:
    parser = stage.parser(__doc__)
    parser.add_argument("--modality", required=True, help="which is trained")
    parser.add_argument("--cycle", type=int, required=True)
    parser.add_argument("--start", type=Path, required=True, help="the modality's weights so far")
    parser.add_argument("--partner-cache", type=Path, nargs="*", default=[], help="none: manifold mixup, within the modality")
    parser.add_argument("--partner", type=Path, nargs="?", help="the partner's newest weights")
    args = script.read(parser)
    experiment, recipe = script.only(args.params["experiments"])
    modality, settings = args.modality, args.params["modalities"][args.modality]
    device, phase = stage.start(args.params["threads"]), f"cmmc{args.cycle}"

    cache = Cache(args.cache)
    sources = [modalities.source(modality, settings, cache, ("query", "key"))]
    augment = modalities.augmentation(modality, settings, cache)
    augments: dict[str, modalities.Augment] = {"query": augment, "key": augment}
    partner, other = None, next(iter(set(args.params["modalities"]) - {modality}), modality)
    if other != modality:
        source, augments["partner"], partner = _partner(args, other)
        sources.append(source)
    seed = provenance.stage_seed(args.seed, modality, phase)
    dataset = ClipDataset(index.training(index.read(args.index)), None, sources, seed)
    training = Training(**settings["cmmc"] | {"epochs": recipes.epochs(args.params, experiment, modality, phase)})
    batches = modalities.batches(dataset, augments, training.batch, seed, device, args.workers, settings["moco"]["negatives"])

    moco = stage.loaded(modality, settings, args.seed, args.start)
    mixing = {key: recipe[key] for key in ("mixing", "axes", "box")} | recipes.mixed_where(recipe, modality, other)
    method = CMMC(moco, partner, alpha=settings["moco"]["alpha"], **mixing).to(device)

    data = provenance.data_digest(args.index, [*args.cache, *args.partner_cache])
    inputs = {"start": args.start}
    if args.partner:
        inputs["partner"] = args.partner
    made_from = provenance.record("stages/cmmc.py", args.params, seed, data, inputs)
    name = f"{experiment} {args.seed} {modality} {phase}"
    snapshots = stage.Snapshots(moco.encoder, recipe.get("keep", 0), training.epochs, stage.folder(args.scratch, made_from))
    history = stage.train(method, batches, training, seed, name, made_from, args, [snapshots])
    stage.finish(moco, history, made_from, args.out, args.scratch, snapshots)


def _partner(args: argparse.Namespace, other: str) -> tuple[Source, modalities.Augment, Encoder]:
    """The partner's clips, augmentation and frozen encoder."""
    settings, cache = args.params["modalities"][other], Cache(args.partner_cache)
    encoder = modalities.encoder(other, settings, args.seed)
    encoder.load_state_dict(weights.load(args.partner, "encoder."))
    logging.info("from %s: the frozen encoder of %s", args.partner, other)
    return modalities.source(other, settings, cache, ("partner",)), modalities.augmentation(other, settings, cache), encoder


if __name__ == "__main__":
    script.run(main)
