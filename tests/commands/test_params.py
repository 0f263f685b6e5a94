"""docs/params.md: every key, with the things that have it; docs/params.schema.json: what an editor makes of it."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml
from tests.conftest import REPOSITORY

from videossl import registry
from videossl.commands import params as params_page
from videossl.params import load


def test_docs_say_of_each_key_which_things_have_it() -> None:
    rows = [[cell.strip() for cell in line.split(" | ")] for line in params_page.text().splitlines() if line.startswith("| `")]
    said = {(key.removeprefix("| "), of): meaning.removesuffix(" |") for key, of, _, meaning in rows}
    assert len(said) >= 120
    assert said["`streams.NAME.clip.frames`", "rgb, flow"] == "frames of a clip"
    assert said["`streams.NAME.clip.frames`", "joint, motion, bone"] == "frames a sequence is resampled to"
    assert said["`streams.NAME.train.alpha`", "byol, coclr, moco, simclr"] == "lam ~ Beta(alpha, alpha)"
    assert ("`streams.NAME.graph`", "st-gcn") in said and ("`flow.preset`", "dis") in said and ("`dataset.options.layout`", "toy") in said
    assert ("`experiments.NAME.stages`", "cmmc, coclr") in said and ("`experiments.NAME.paper`", "") in said
    ((_, trained),) = [key for key in said if key[0] == "`experiments.NAME.keep`"]
    assert set(registry.names("methods")) - set(trained.split(", ")) == {"pretrained"}, "which trains nothing"
    for kind in ("encoders", "methods", "tasks"):
        for name in registry.names(kind):
            assert registry.declared(kind, name)["about"] in {meaning.removesuffix(" |") for *_, meaning in rows}


@pytest.fixture(scope="module")
def editor() -> jsonschema.Draft202012Validator:
    """An editor's view of params.yaml: the published schema, and nothing of ours."""
    published = json.loads((REPOSITORY / "docs/params.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(published)
    return jsonschema.Draft202012Validator(published)


@pytest.mark.parametrize(
    "name", ["params.yaml", "tests/pipeline/tiny.yaml", *sorted(path.name for path in (REPOSITORY / "presets").glob("*.yaml"))]
)
def test_an_editor_finds_nothing_wrong_in_what_is_right(name: str, editor: jsonschema.Draft202012Validator) -> None:
    path = REPOSITORY / ("presets" if "/" not in name and name != "params.yaml" else "") / name
    assert not [error.message for error in editor.iter_errors(load.written(path))]
    line, found = path.read_text().partition("\n")[0], "docs/params.schema.json"
    assert "tests" in name or (path.parent / line.removeprefix("# yaml-language-server: $schema=")).resolve() == REPOSITORY / found


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("\nseeds:", "\nsedes:", "'sedes' was unexpected"),
        ("short_side: 64", "short_side: large", "'large' is not of type 'integer'"),
        ("    encoder: s3d\n    width", "    encoder: s3d\n    wdith", "'wdith' was unexpected"),
        ("name: toy ", "name: toys ", "'toys' is not"),
        ("  retrieval: {", "  retrieva: {", "'retrieva' was unexpected"),
        ("mixing: cm-cutmix", "mixing: cm-cutmux", "'cm-cutmux' is not one of"),
    ],
)
def test_an_editor_marks_what_is_wrong(right: str, wrong: str, said: str, editor: jsonschema.Draft202012Validator) -> None:
    text = (REPOSITORY / "params.yaml").read_text()
    assert right in text

    def messages(error: jsonschema.ValidationError) -> list[str]:
        return [error.message, *(message for inner in error.context or [] for message in messages(inner))]

    found = [message for error in editor.iter_errors(yaml.safe_load(text.replace(right, wrong, 1))) for message in messages(error)]
    assert any(said in message for message in found), found
