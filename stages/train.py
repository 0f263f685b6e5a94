"""train: one training of an experiment, by whichever method; of a method that trains nothing, what it makes of given weights.

in:  the index, the caches of its streams, the weights that they begin from, the weights of frozen encoders
out: data/models/{experiment}/{seed}/{training}.safetensors with all encoders that it trained, its curve as .json, and the encoders kept
     on the way (`keep`) as .snapshots.safetensors
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from videossl import registry, script
from videossl.data import fewer, index
from videossl.data.index import Row
from videossl.train import assemble, diagnosis, elsewhere, job, provenance


def main() -> None:
    args = _arguments()
    params, plan = args.params, args.params["training"]
    device = job.start(params)
    rows, labels = chosen(index.training(index.read(args.index)), params, f"experiments.{args.experiment}", args.seed)
    seed = provenance.derived_seed(args.seed, plan["draws"])
    files = assemble.Weights(
        dict(zip(plan["streams"], args.start, strict=bool(args.start))),
        dict(zip(plan["frozen"], args.frozen, strict=True)),
        elsewhere.files(params),
    )
    caches = assemble.opened(args.cache)
    method = assemble.method(params, args.seed, files, len(labels)).to(device)

    data = provenance.data_digest(args.index, args.cache)
    made_from = provenance.record("stages/train.py", params, seed, data, files.named())
    made_from["caches"] = {name: cache.attrs for name, cache in caches.items()}  # so that the weights alone tell how to read other videos
    made_from["experiment"] = args.experiment  # two of one recipe still do not share a checkpoint
    snapshots = job.Snapshots(method.encoders(), plan["keep"], plan["epochs"], job.folder(args.scratch, made_from))
    history: list[dict[str, float]] = []
    if plan["epochs"]:
        batches = assemble.batches(params, seed, rows, caches, device, args.workers, labels or None, args.resident)
        name = f"{args.experiment} {args.seed} {plan['name']}"
        history = job.train(method, batches, assemble.loop(params), seed, name, made_from, args, [snapshots])
        for stream in plan["streams"]:
            for text in diagnosis.said(diagnosis.of_stream(history, stream), registry.method(params), params["settings"][stream]):
                logging.warning("%s, %s: %s", name, stream, text)
    else:
        job.leave()
    job.write(method, history, made_from, args.out, snapshots)
    if plan["epochs"]:
        job.done(made_from, args.scratch)


def chosen(training: list[Row], params: Mapping[str, Any], recipe: str, seed: int) -> tuple[list[Row], dict[str, int]]:
    """The videos that are read, and a number for each class where labels are: then videos without are left out.

    recipe: its key in params; seed: of the run. Raises InputError where a share of the videos is too few.
    """
    key, videos = f"{recipe}.videos", params["training"]["videos"]
    used, labels = fewer.taken(training, videos, seed), dict[str, int]()
    if "label" in registry.method(params):
        used = [row for row in used if row.label]
        fewer.check_classes(key, videos, seed, used, training)
        labels = {name: number for number, name in enumerate(index.classes(used))}
    if videos < 1:
        fewer.check_batch(key, videos, len(used), "a batch", assemble.loop(params).batch)
        logging.info("%s is %g: %d of %d training videos", key, videos, len(used), len(training))
    return used, labels


def _arguments() -> argparse.Namespace:
    parser = script.parser(__doc__)
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--index", type=Path, required=True)
    script.add_cache(parser)
    parser.add_argument("--start", type=Path, nargs="*", default=[], help="for each stream, the weights that it begins from")
    parser.add_argument("--frozen", type=Path, nargs="*", default=[], help="for each frozen encoder, its weights")
    parser.add_argument("--out", type=Path, required=True)
    job.add_machine(parser)
    return script.read(parser)


if __name__ == "__main__":
    script.run(main)
