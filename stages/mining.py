"""mining: both encoders together, each with what the other finds alike as further positives (P appendix 3.ii, table 5).

in:  the index, the caches of both modalities, the newest weights of both
out: data/models/{experiment}/{seed}/{modality}/mining.safetensors of both, their training curves as .json, and the encoders kept on
     the way (`keep`) as .snapshots.safetensors
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import NamedTuple

from videossl import recipes, script
from videossl.data import index
from videossl.data.cache import Cache
from videossl.data.clips import ClipDataset, Source
from videossl.methods.crossclr import CrosSCLR
from videossl.train import modality as modalities
from videossl.train import provenance, stage
from videossl.train.loop import Training, of_view


class View(NamedTuple):
    """The files of one modality."""

    cache: list[Path]
    start: Path
    out: Path


def main() -> None:
    parser = stage.parser(__doc__)
    parser.add_argument("--modalities", nargs=2, required=True, help="whose files are given, and whose are the other's")
    parser.add_argument("--start", type=Path, required=True, help="the modality's weights so far")
    parser.add_argument("--other-cache", type=Path, nargs="+", required=True)
    parser.add_argument("--other-start", type=Path, required=True)
    parser.add_argument("--other-out", type=Path, required=True)
    args = script.read(parser)
    experiment, recipe = script.only(args.params["experiments"])
    one, other = args.modalities
    given = {
        one: View(args.cache, args.start, args.out),
        other: View(args.other_cache, args.other_start, args.other_out),
    }
    views = {name: given[name] for name in recipe["modalities"]}
    first, *_ = views
    settings = args.params["modalities"][first]  # those of the training are equal
    device, seed = stage.start(args.params["threads"]), provenance.stage_seed(args.seed, "mining")

    clips = {name: _clips(args, name, view) for name, view in views.items()}
    augments = {name: augment for _, made in clips.values() for name, augment in made.items()}
    dataset = ClipDataset(index.training(index.read(args.index)), None, [source for source, _ in clips.values()], seed)
    training = Training(**settings["mining"] | {"epochs": recipes.epochs(args.params, experiment, first, "mining")})
    batches = modalities.batches(dataset, augments, training.batch, seed, device, args.workers, settings["moco"]["negatives"])

    mocos = {name: stage.loaded(name, args.params["modalities"][name], args.seed, view.start) for name, view in views.items()}
    method = CrosSCLR(mocos, recipe["neighbours"]).to(device)
    logging.info("both queues start empty: those of earlier stages have other samples in their slots")
    data = provenance.data_digest(args.index, [path for view in views.values() for path in view.cache])
    made_from = provenance.record("stages/mining.py", args.params, seed, data, {name: view.start for name, view in views.items()})
    kept = stage.folder(args.scratch, made_from)
    snapshots = {name: stage.Snapshots(moco.encoder, recipe.get("keep", 0), training.epochs, kept, name) for name, moco in mocos.items()}
    name = f"{experiment} {args.seed} {'+'.join(views)} mining"
    history = stage.train(method, batches, training, seed, name, made_from, args, list(snapshots.values()))
    for name, view in views.items():
        stage.write(mocos[name], of_view(history, name), made_from, view.out, snapshots[name])
    stage.done(made_from, args.scratch)


def _clips(args: argparse.Namespace, name: str, view: View) -> tuple[Source, dict[str, modalities.Augment]]:
    """A modality's query and key of each video, and their augmentation, drawn for each of them apart."""
    settings, cache = args.params["modalities"][name], Cache(view.cache)
    names = f"{name}/query", f"{name}/key"
    return modalities.source(name, settings, cache, names), dict.fromkeys(names, modalities.augmentation(name, settings, cache))


if __name__ == "__main__":
    script.run(main)
