"""feasible: whether the encoders of an experiment allow what its method is to do with them, before anything is trained.

in:  params alone
out: data/models/{experiment}/feasible.json  the shape after each block of each encoder, and what the method makes of them
"""

from __future__ import annotations

from pathlib import Path

from videossl import registry, script
from videossl.files import write_json
from videossl.methods.base import Shapes
from videossl.train import assemble


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = script.read(parser)
    streams = {}
    for name, settings in args.params["streams"].items():
        encoder = assemble.encoder(name, settings, 0)
        streams[name] = Shapes(encoder.shapes(assemble.input_shape(settings)), encoder.dims)
    allowed = registry.module("methods", args.params["method"]).feasible(f"experiments.{args.experiment}", streams, args.params["settings"])
    shapes = {name: shapes.maps for name, shapes in streams.items()}
    # Without the code: a training rests on these bytes, and would begin anew for a comment in this file.
    write_json(args.out, {"shapes": shapes, "provenance": {"params": args.params}} | allowed)


if __name__ == "__main__":
    script.run(main)
