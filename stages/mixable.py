"""mixable: which blocks of two modalities can be mixed, before anything is trained (spec, Mixing in feature space).

in:  params alone
out: data/models/{experiment}/mixable.json  the shape after each block and every pair (k, l) that may be drawn
"""

from __future__ import annotations

import logging
from pathlib import Path

from videossl import recipes, script
from videossl.files import write_json
from videossl.mix import pairs as mixing
from videossl.train import modality as modalities


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    args = script.read(parser)
    name, recipe = script.only(args.params["experiments"])
    shapes = {}
    for modality in recipe["modalities"]:
        settings = args.params["modalities"][modality]
        encoder = modalities.encoder(modality, settings, 0)
        shapes[modality] = encoder.shapes(modalities.input_shape(modality, settings))
    pairs = {}
    for modality in recipe["modalities"]:
        partner = recipes.partner(args.params, name, modality) or modality
        who = f"{name}, {modality} with {partner}"
        where = recipes.mixed_where(recipe, modality, partner)
        pairs[modality] = mixing.pairs(who, shapes[modality], shapes[partner], recipe["axes"], mixing=recipe["mixing"], **where)
        logging.info("%s: %s can take %d pairs of blocks from %s", name, modality, len(pairs[modality]), partner)
    write_json(args.out, {"shapes": shapes, "pairs": pairs})


if __name__ == "__main__":
    script.run(main)
