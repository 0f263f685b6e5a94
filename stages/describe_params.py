"""describe_params: docs/params.md, what every key of params.yaml means, from the schema.

in:  lib/videossl/params.schema.yaml
out: docs/params.md (--check writes nothing and fails if it would change)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from videossl import params, script
from videossl.code import ROOT

HEADER = """\
# Params

What each key of `params.yaml` means and may be. Written by `make dvc.yaml` from `lib/videossl/params.schema.yaml`.

| key | value | meaning |
| --- | --- | --- |
"""


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--check", action="store_true")
    args = script.read(parser)
    text = HEADER + "".join(f"| `{key}` | {value} | {meaning} |\n" for key, value, meaning in _keys(params.schema(), ""))
    script.generate(ROOT / "docs/params.md", text, args.check, "run `make dvc.yaml`")


def _keys(node: dict[str, Any], prefix: str) -> Iterator[tuple[str, str, str]]:
    """Every key below `node` in the order of the schema. {} stands for one that is described elsewhere."""
    node = _resolve(node)
    children = dict(node.get("properties", {}))
    if "additionalProperties" in node and isinstance(node["additionalProperties"], dict):
        for branch in _branches(node["additionalProperties"]):
            yield from _keys(branch, f"{prefix}.NAME" if prefix else "NAME")
    for key, child in children.items():
        path = f"{prefix}.{key}" if prefix else key
        resolved = _resolve(child)
        if resolved and not resolved.get("properties") and not isinstance(resolved.get("additionalProperties"), dict):
            yield path, _value(resolved), str(resolved.get("description", ""))
        yield from _keys(child, path)
    for option in node.get("allOf", []):
        chosen = option["if"]["properties"].get("name") or option["if"]["properties"].get("backend")
        if chosen:
            label = chosen.get("const") or " and ".join(chosen["enum"])
            for key, value, meaning in _keys(option["then"], prefix):
                yield key, value, f"{label}: {meaning}".rstrip(": ")


def _branches(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The kinds that a node may be of, the plainest first."""
    if "then" in node:
        yield from _branches(node["else"])
        yield node["then"]
    else:
        yield node


def _resolve(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    definition: dict[str, Any] = params.schema()["$defs"][node["$ref"].split("/")[-1]]
    return definition | {key: value for key, value in node.items() if key != "$ref"}


def _value(node: dict[str, Any]) -> str:
    """What a key may be, in words."""
    if "else" in node:
        return f"{_value(node['then'])}, or {_value(node['else'])}"
    if "enum" in node:
        return " \\| ".join(map(str, node["enum"]))
    if "const" in node:
        return str(node["const"])
    words = {"integer": "whole number", "number": "number", "string": "text", "array": "list", "object": "mapping"}
    types = node["type"] if isinstance(node.get("type"), list) else [node.get("type", "")]
    kind = " or ".join(words.get(one, one) for one in types)
    limits = [f"from {node['minimum']}"] if "minimum" in node else []
    limits += [f"above {node['exclusiveMinimum']}"] if "exclusiveMinimum" in node else []
    limits += [f"to {node['maximum']}"] if "maximum" in node else []
    items = f" of {_value(_resolve(node['items']))}" if "items" in node else ""
    return " ".join([kind + items, *limits])


if __name__ == "__main__":
    script.run(main)
