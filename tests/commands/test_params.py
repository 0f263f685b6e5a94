"""docs/params.md: every key, with the things that have it."""

from __future__ import annotations

from videossl import registry
from videossl.commands import params as params_page


def test_docs_say_of_each_key_which_things_have_it() -> None:
    rows = [[cell.strip() for cell in line.split(" | ")] for line in params_page.text().splitlines() if line.startswith("| `")]
    said = {(key.removeprefix("| "), of): meaning.removesuffix(" |") for key, of, _, meaning in rows}
    assert len(said) >= 120
    assert said["`streams.NAME.clip.frames`", "rgb, flow"] == "frames of a clip"
    assert said["`streams.NAME.clip.frames`", "joint, motion, bone"] == "frames a sequence is resampled to"
    assert said["`streams.NAME.train.alpha`", "byol, coclr, moco, simclr"] == "lam ~ Beta(alpha, alpha)"
    assert ("`streams.NAME.graph`", "st-gcn") in said and ("`flow.preset`", "dis") in said and ("`dataset.options.layout`", "toy") in said
    assert ("`experiments.NAME.stages`", "cmmc, coclr") in said and ("`experiments.NAME.keep`", "") in said
    for kind in ("encoders", "methods", "tasks"):
        for name in registry.names(kind):
            assert registry.declared(kind, name)["about"] in said.values()
