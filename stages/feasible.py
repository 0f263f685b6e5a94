"""feasible: whether the encoders of an experiment allow what its method is to do with them, before anything is trained.

in:  params alone, and weights from elsewhere that they name
out: data/models/{experiment}/feasible.json  the shape after each block of each encoder, and what the method makes of them
"""

from __future__ import annotations

from pathlib import Path

from videossl import registry, script
from videossl.files import sha256, write_json
from videossl.methods.base import Shapes
from videossl.train import assemble, elsewhere


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = script.read(parser)
    streams = {}
    for name, settings in args.params["streams"].items():
        encoder = assemble.encoder(name, settings, 0)
        state = {key: tuple(tensor.shape) for key, tensor in encoder.state_dict().items()}
        shape = assemble.input_shape(settings)
        streams[name] = Shapes(encoder.shapes(shape), encoder.dims, shape[1:], state, encoder.torchvision_names)
    settings = args.params["settings"]
    brought = elsewhere.files({**args.params, "settings": dict.fromkeys(streams, settings)})
    allowed = registry.module("methods", args.params["method"]).feasible(
        f"experiments.{args.experiment}", streams, settings | elsewhere.states(brought)
    )
    shapes = {name: shapes.maps for name, shapes in streams.items()}
    # Without the code: a training rests on these bytes, and would begin anew for a comment in this file.
    digests = {key: {name: sha256(path) for name, path in paths.items()} for key, paths in brought.items()}
    write_json(args.out, {"shapes": shapes, "provenance": {"params": args.params}, **digests} | allowed)


if __name__ == "__main__":
    script.run(main)
