"""finetune: an encoder trained with labels for a task, then what it predicts of the test videos (P appendix 1).

in:  the index, the cache that the stream is read from, the encoder's weights (none: from its initial weights)
out: data/features/{experiment}/{seed}/{stream}/{dataset}.{task}.h5; training videos have zeros
"""

from __future__ import annotations

from videossl import registry, script
from videossl.data import index
from videossl.tasks import features, few, scripts
from videossl.train import assemble, provenance
from videossl.train import job as trainings


def main() -> None:
    parser = scripts.encoder_parser(__doc__)
    parser.add_argument("--task", required=True)
    trainings.add_machine(parser)
    args = script.read(parser)
    params, (stream, settings) = args.params, script.only(args.params["streams"])
    device, task, chosen = trainings.start(params), registry.module("tasks", args.task), params["evaluate"]["tasks"][args.task]

    rows, caches = [row for row in index.usable(index.read(args.index)) if row.label], assemble.opened(args.cache)
    labels = {name: number for number, name in enumerate(index.classes(rows))}
    seed = provenance.derived_seed(args.seed, [stream, args.task])
    training = few.rows(index.training(rows), chosen, args.seed)
    batches = assemble.batches(params, seed, training, caches, device, args.workers, labels, args.resident)
    files = assemble.Weights({stream: args.weights[0]} if args.weights else {})
    method = assemble.method(params, args.seed, files, len(labels)).to(device)

    data = provenance.data_digest(args.index, args.cache)
    made_from = provenance.record("stages/finetune.py", params, seed, data, scripts.weights_of(args, stream))
    made_from["experiment"] = args.experiment  # two whose weights are equal still do not share a checkpoint
    dataset = assemble.cache_of(settings, caches).attrs["dataset"]
    name = f"{args.experiment} {args.seed} {stream} {args.task} {dataset}"
    trainings.train(method, batches, assemble.loop(params), seed, name, made_from, args)

    predicted = task.tested(method, rows, stream, settings, caches, chosen, len(labels), device)
    features.write(args.out, **features.columns(rows, predicted), provenance=made_from)
    trainings.done(made_from, args.scratch)


if __name__ == "__main__":
    script.run(main)
