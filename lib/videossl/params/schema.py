"""The JSON Schema of params.yaml, put together: what all runs have (schema.yaml) and what each thing declares (registry)."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from videossl import registry
from videossl.errors import InputError

BASE = Path(__file__).with_name("schema.yaml")
Schema = dict[str, Any]
OWN = ("recipe", "default", "by stream", "own", "sizes")
"""Keys of a declared setting that are no JSON Schema."""


def check(params: Any) -> None:
    """Raise InputError, of the mistake that lies nearest to the top, where `params` are not as the schema says."""
    errors = sorted(_validator().iter_errors(params), key=lambda error: (len(error.path), str(error.path)))
    if errors:
        raise InputError(_explain(jsonschema.exceptions.best_match(errors)))


@cache
def schema() -> Schema:
    """The schema of all params."""
    base = _base()
    result: Schema = {**base["params"], "$defs": base["$defs"]}
    properties = result["properties"] = dict(result["properties"])
    own = {section["name"]: section["schema"] for section in sections().values()}
    result["required"] = [*result["required"], *(section["name"] for section in sections().values() if section.get("required"))]
    names = {"name": {"enum": list(registry.names("datasets")), "description": base["dataset_name"]}}
    options = [_options(name) for name in registry.names("datasets")]
    properties["dataset"] = properties["dataset"] | {"properties": names | properties["dataset"]["properties"], "allOf": options}
    entry = properties["transfer"]["items"]
    entry = entry | {"properties": names | properties["dataset"]["properties"] | entry["properties"], "allOf": options}
    properties["transfer"] = properties["transfer"] | {"items": entry}
    properties["streams"] = properties["streams"] | {"additionalProperties": _stream()}
    properties["experiments"] = properties["experiments"] | {"additionalProperties": _experiment()}
    evaluate = properties["evaluate"]
    properties["evaluate"] = evaluate | {"properties": {"tasks": _tasks()} | evaluate["properties"]}
    places = {name: position for position, name in enumerate(properties)}
    after = places["cache"]  # extraction's own sections follow the cache's
    ordered = list(properties)
    ordered[after + 1 : after + 1] = list(own)
    result["properties"] = {name: (properties | own)[name] for name in ordered}
    return result


@cache
def sections() -> dict[str, Schema]:
    """The sections of params.yaml that modalities have for themselves, by modality."""
    declared = {name: registry.declared("modalities", name) for name in registry.names("modalities")}
    return {name: one["section"] for name, one in declared.items() if "section" in one}


@cache
def loop() -> dict[str, Schema]:
    """How long and how fast a training is: what every method has beside its own settings."""
    result: dict[str, Schema] = _base()["loop"]
    return result


def settings(method: str) -> dict[str, Schema]:
    """All settings of a training by `method`, those of the loop first."""
    own: dict[str, Schema] = registry.declared("methods", method).get("settings", {})
    return loop() | own


def tags() -> dict[str, str]:
    """Name in `streams.*.train` -> method: each method's own, and each task's that trains."""
    trained = {name: registry.declared("tasks", name) for name in registry.names("tasks")}
    tasks = {name: one["method"] for name, one in trained.items() if one["given"] == "encoder"}
    return {name: name for name in registry.names("methods")} | tasks


def plain(setting: Schema) -> Schema:
    """A declared setting as JSON Schema; what it may be left out for is said."""
    result = {key: value for key, value in setting.items() if key not in OWN}
    if "by stream" in setting:
        words = {key: result.pop(key) for key in list(result) if key != "description"}
        result |= {"if": {"type": "string"}, "then": words, "else": {"type": "object", "additionalProperties": setting["by stream"]}}
    if "default" in setting:
        absent = json.dumps(setting["default"]).strip('"')
        result["description"] = "; ".join(filter(None, (str(result.get("description", "")), f"absent means {absent}")))
    return result


def _base() -> Schema:
    result: Schema = yaml.safe_load(BASE.read_text(encoding="utf-8"))
    return result


def _object(properties: dict[str, Schema], required: list[str] | None = None) -> Schema:
    return {"type": "object", "additionalProperties": False, "required": required or [], "properties": properties}


def _options(dataset: str) -> Schema:
    """What the options of a dataset may be."""
    options = {name: plain(option) for name, option in registry.declared("datasets", dataset).get("options", {}).items()}
    return {"if": {"properties": {"name": {"const": dataset}}}, "then": {"properties": {"options": _object(options)}}}


def _stream() -> Schema:
    modalities, encoders = registry.names("modalities"), registry.names("encoders")
    kinds = [
        {
            "if": {"required": ["modality", "encoder"], "properties": {"modality": {"const": modality}, "encoder": {"const": encoder}}},
            "then": _stream_of(modality, encoder),
        }
        for modality in modalities
        for encoder in encoders
        if registry.declared("modalities", modality)["axes"] == registry.declared("encoders", encoder)["takes"]
    ]
    chosen = {
        "modality": {"enum": list(modalities), "description": "what the encoder sees; absent means the stream's name"},
        "encoder": {"enum": list(encoders)},
    }
    return {"type": "object", "required": ["modality", "encoder"], "properties": chosen, "allOf": kinds}


def _stream_of(modality: str, encoder: str) -> Schema:
    base, sees, network = _base(), registry.declared("modalities", modality), registry.declared("encoders", encoder)
    own = {name: plain(setting) for name, setting in network["settings"].items()}
    parts = {"clip": sees["clip"], "augment": sees["augment"], "head": base["head"], "train": _train()}
    needed = [name for name, setting in network["settings"].items() if "default" not in setting]
    return _object(
        {"modality": {"const": modality}, "encoder": {"const": encoder}} | own | parts, ["modality", "encoder", *needed, "clip", "augment"]
    )


@cache
def _train() -> Schema:
    """How a stream is trained: settings for every method that has them, and of one method, or trained task, alone."""
    shared: dict[str, Schema] = {}
    own: dict[str, Schema] = {}
    for tag, method in tags().items():
        chosen = {name: plain(setting) for name, setting in settings(method).items() if not setting.get("recipe")}
        shared = chosen | shared
        own[tag] = _object(chosen) | {"description": f"settings of {tag} alone, before those for all"}
    return _object(shared | own)


def _experiment() -> Schema:
    methods = registry.names("methods")
    kinds = [{"if": {"required": ["method"], "properties": {"method": {"const": name}}}, "then": _recipe(name)} for name in methods]
    return {"type": "object", "required": ["method"], "properties": {"method": {"enum": list(methods)}}, "allOf": kinds}


def _recipe(method: str) -> Schema:
    base, declared = _base()["recipe"], registry.declared("methods", method)
    streams = base["streams"] | {f"{end}Items": count for end, count in declared["streams"].items()}
    keys = {"method": {"const": method, "description": declared["about"]}, "streams": streams}
    keys |= {"from": base["from"]} if declared["from"] != "none" else {}
    keys |= {"stages": base["stages"]} if declared["trains"] == "in turn" else {}
    keys |= {role: base["named"] for role, frozen in declared.get("frozen", {}).items() if frozen["stream"] == "named"}
    chosen = {name: plain(setting) for name, setting in settings(method).items()} | {"epochs": base["epochs"]}
    needed = [name for name, setting in settings(method).items() if setting.get("recipe") and "default" not in setting]
    needed += [key for key in keys if key != "from" or declared["from"] == "required"]
    return _object(keys | chosen | {"keep": base["keep"], "paper": base["paper"]}, needed)


def _tasks() -> Schema:
    base = _base()
    experiments = {"experiments": base["task_experiments"]}
    properties = {}
    for name in registry.names("tasks"):
        declared = registry.declared("tasks", name)
        chosen = {key: plain(setting) for key, setting in declared.get("settings", {}).items()}
        needed = [key for key, setting in declared.get("settings", {}).items() if "default" not in setting]
        properties[name] = _object(chosen | experiments, needed) | {"description": declared["about"]}
    return _object(properties) | {"description": base["tasks"]}


@cache
def _validator() -> jsonschema.Draft202012Validator:
    types = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_whole).redefine("number", _is_finite)
    checked: jsonschema.Draft202012Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=types)(schema())
    return checked


def _is_whole(_: Any, value: Any) -> bool:
    """JSON Schema takes 2.0 for a whole number; a script that counts with it would fail in the middle."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(_: Any, value: Any) -> bool:
    """YAML knows .nan and .inf, which pass every comparison with a bound."""
    return _is_whole(_, value) or (isinstance(value, float) and math.isfinite(value))


def _explain(error: jsonschema.ValidationError) -> str:
    """The mistake in words, with the key and a way out."""
    where = ".".join(str(part) for part in error.absolute_path)
    if "propertyNames" in error.schema_path:
        kinds = {"targets": ("a target", ", not 'all' or 'seeds'"), "streams": ("a stream", "")}
        kind, taken = kinds.get(where, ("an experiment", ", not 'untrained' or 'handmade'"))
        return f"{error.instance!r} is no name for {kind}; use a-z, 0-9 and '-'{taken}"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in known)
        return f"unknown key '{'.'.join(filter(None, (where, str(unknown))))}'; {registry.nearest(str(unknown), known)}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return f"'{'.'.join(filter(None, (where, missing)))}' is missing; add it (docs/params.md says what it means)"
    if error.validator == "enum" and isinstance(error.instance, str):
        known = [str(value) for value in error.validator_value]
        close = registry.nearest(error.instance, known)
        return f"{where} is '{error.instance}'; {close}" + ("" if "known" in close else f" known: {', '.join(known)}")
    if error.validator == "type":
        words = {"object": "a mapping", "array": "a list", "integer": "a whole number", "number": "a number", "string": "a text"}
        types: list[str] = error.validator_value if isinstance(error.validator_value, list) else [str(error.validator_value)]
        wanted = " or ".join(words.get(name, name) for name in types)
        return f"{where or 'the file'} must be {wanted}, not {json.dumps(error.instance, default=str)[:60]}"
    return f"{where}: {error.message}"
