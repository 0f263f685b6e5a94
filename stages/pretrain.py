"""pretrain: one modality's encoder by contrastive learning, with mixing in the input space (P sections 2 and 3.1).

in:  the index, the modality's cache
out: data/models/{experiment}/{seed}/{modality}/pretrain.safetensors, its training curve as .json, and the encoders kept on the way
     (`keep`) as .snapshots.safetensors
"""

from __future__ import annotations

from videossl import recipes, script
from videossl.data import index
from videossl.data.cache import Cache
from videossl.data.clips import ClipDataset
from videossl.train import modality as modalities
from videossl.train import provenance, stage
from videossl.train.loop import Training


def main() -> None:
    args = script.read(stage.parser(__doc__))
    experiment, recipe = script.only(args.params["experiments"])
    modality, settings = script.only(args.params["modalities"])
    device = stage.start(args.params["threads"])

    cache = Cache(args.cache)
    source = modalities.source(modality, settings, cache, ("query", "key"))
    dataset = ClipDataset(index.training(index.read(args.index)), None, [source], args.seed)
    augment = modalities.augmentation(modality, settings, cache)
    training = Training(**settings["pretrain"] | {"epochs": recipes.epochs(args.params, experiment, modality, "pretrain")})
    augments = {"query": augment, "key": augment}
    batches = modalities.batches(dataset, augments, training.batch, args.seed, device, args.workers, settings["moco"]["negatives"])

    method = modalities.moco(modality, settings, args.seed, recipe["mixing"], recipe.get("box", "batch")).to(device)
    data = provenance.data_digest(args.index, args.cache)
    made_from = provenance.record("stages/pretrain.py", args.params, args.seed, data)
    name = f"{experiment} {args.seed} {modality} pretrain"
    snapshots = stage.Snapshots(method.encoder, recipe.get("keep", 0), training.epochs, stage.folder(args.scratch, made_from))
    history = stage.train(method, batches, training, args.seed, name, made_from, args, [snapshots])
    stage.finish(method, history, made_from, args.out, args.scratch, snapshots)


if __name__ == "__main__":
    script.run(main)
