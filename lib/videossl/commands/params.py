"""params: what every key of params.yaml means, from the schema and from what datasets, modalities, encoders, methods and tasks declare."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from videossl import registry, script
from videossl.params import schema

HEADER = """\
# Params

This page says what each key of `params.yaml` means and may be. `make dvc.yaml` writes it from
`lib/videossl/params/schema.yaml` and from what each dataset, modality, encoder, method and task declares. NAME is a name
that you give. The second column says which things have the key, where not all things of their kind have it.

A setting of a training may stand in three places, and the first that has it counts:

1. the experiment, `experiments.NAME`;
2. the stream's part for one method or trained task, as `streams.NAME.train.moco`;
3. `streams.NAME.train`, for every method that has the setting.

| key | of | value | meaning |
| --- | --- | --- | --- |
"""


class Row(NamedTuple):
    """The description of a key; of: the things that have it."""

    key: str
    value: str
    meaning: str
    of: tuple[str, ...]


@click.command(epilog="Example: videossl params --schema --out params.schema.json")
@click.option("--schema", "for_editors", is_flag=True, help="The JSON Schema in its place, by which editors check and complete.")
@click.option("--out", type=click.Path(path_type=Path), help="A file to write; printed if absent.")
@click.option("--check", is_flag=True, help="Write nothing, and fail if the file is not as it would be written.")
def command(for_editors: bool, out: Path | None, check: bool) -> None:
    """Say what each key of params.yaml means.

    An editor with the YAML language server finds the schema by this line in params.yaml, with the path of the file:
    # yaml-language-server: $schema=params.schema.json
    """
    said = editors() if for_editors else text()
    if out:
        script.generate(out, said, check, "run `make dvc.yaml`")
    else:
        print(said, end="")


def editors() -> str:
    """The JSON Schema of params.yaml as a person writes it."""
    return json.dumps(schema.written(), indent=1, ensure_ascii=False) + "\n"


def text() -> str:
    """docs/params.md, whole: keys that several things have alike have one row."""
    things: dict[str, dict[tuple[str, str], list[str]]] = {}
    for row in _rows(schema.schema(), "", ()):
        of = things.setdefault(row.key, {}).setdefault((row.value, row.meaning), [])
        of += [name for name in row.of if name not in of]
    lines = [
        f"| `{key}` | {', '.join(_some(of))} | {value} | {meaning} |\n"
        for key in _together(things)
        for (value, meaning), of in things[key].items()
    ]
    return HEADER + "".join(lines)


def _together(keys: Iterable[str]) -> list[str]:
    """The keys in their order, but those below one key together."""
    above = {key: [key[:end] for end, char in enumerate(f"{key}.") if char == "."] for key in keys}
    place: dict[str, int] = {}
    for prefix in (prefix for prefixes in above.values() for prefix in prefixes):
        place.setdefault(prefix, len(place))
    return sorted(above, key=lambda key: [place[prefix] for prefix in above[key]])


def _some(of: list[str]) -> list[str]:
    """The things that a key is of; none where all of a kind have it."""
    return [] if any(set(of) == set(registry.names(kind)) for kind in registry.KINDS) else of


def _rows(node: Mapping[str, Any], key: str, of: tuple[str, ...]) -> Iterator[Row]:
    """The key of `node` and every key below it, in the order of the schema."""
    of = tuple(node.get("of", of))
    children, named = node.get("properties", {}), node.get("additionalProperties")
    if "anyOf" in node:
        for kind in node["anyOf"]:
            yield from _rows(kind, key, of)
        return
    if key and (node.get("description") or not (children or isinstance(named, dict))) and _value(node):
        yield Row(key, _value(node), str(node.get("description", "")), of)
    if isinstance(named, dict) and node.get("type") == "object":
        yield from _rows(named, f"{key}.NAME", of)
    for child, child_node in ({} if node.get("elsewhere") else children).items():
        yield from _rows(child_node, f"{key}.{child}" if key else child, of)
    for option in node.get("allOf", []):
        conditions = [
            condition.get("enum", [condition.get("const")])
            for condition in option["if"]["properties"].values()
            if {"const", "enum"} & {*condition}
        ]
        yield from _rows({**option["then"], "description": ""}, key, tuple(conditions[0]) if len(conditions) == 1 else of)


def _value(node: Mapping[str, Any]) -> str:
    """The values that a key may have, in words; "" where there are no rules."""
    if "anyOf" in node:
        return " or ".join(map(_value, node["anyOf"]))
    if "else" in node:
        return f"{_value(node['then'])}, or {_value(node['else'])}"
    if "enum" in node:
        return " \\| ".join(map(str, node["enum"]))
    if "const" in node:
        return str(node["const"])
    words = {"integer": "whole number", "number": "number", "string": "text", "array": "list", "object": "mapping"}
    types = node["type"] if isinstance(node.get("type"), list) else [node.get("type", "")]
    kind = " or ".join(words.get(name, name) for name in types)
    limits = [f"from {node['minimum']}"] if "minimum" in node else []
    limits += [f"above {node['exclusiveMinimum']}"] if "exclusiveMinimum" in node else []
    limits += [f"to {node['maximum']}"] if "maximum" in node else []
    limits += [f"below {node['exclusiveMaximum']}"] if "exclusiveMaximum" in node else []
    items = f" of {_value(node['items'])}" if "items" in node else ""
    return " ".join([kind + items, *limits])
