"""The JSON Schema of params.yaml, put together of what all runs have (schema.yaml) and each thing declares (registry)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from videossl import registry
from videossl.errors import InputError

BASE = Path(__file__).with_name("schema.yaml")
Schema = dict[str, Any]
LARGEST = 2**32
"""No count of params is larger; beyond it arithmetic overflows, in libraries that say so in many lines."""
OWN = ("recipe", "default", "by stream", "own", "sizes", "weights")
"""Keys of a declared setting that are no JSON Schema."""


def check(params: Any) -> None:
    """Raise InputError where `params` are not as the schema says; it names the mistake that lies nearest to the top."""
    errors = sorted(_validator().iter_errors(params), key=lambda error: (len(error.path), str(error.path)))
    if errors:
        raise InputError(_explain(jsonschema.exceptions.best_match(errors), ""))


def check_setting(method: str, framework: str | None, key: str, value: Any, place: str) -> None:
    """Raise InputError where the setting at `place` is nothing for `method`: another method that has it may take more."""
    for error in _validator_of(method, framework, key).iter_errors(value):
        raise InputError(f"{_explain(error, place)} (by {method})")


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


def written() -> Schema:
    """The schema of params.yaml as a person writes it, for editors: what `load.filled` fills in may be left out."""
    result: Schema = json.loads(json.dumps(schema()))
    properties = result["properties"]
    names = {"enum": list(registry.names("datasets"))}
    properties["dataset"] = {"anyOf": [names, properties["dataset"]], "description": properties["dataset"]["description"]}
    tasks = properties["evaluate"]["properties"]["tasks"]
    short = {"type": "array", "items": {"enum": ordered("tasks")}}
    properties["evaluate"]["properties"]["tasks"] = {"anyOf": [short, tasks], "description": tasks["description"]}
    stream = properties["streams"]["additionalProperties"]
    for kind in stream["allOf"]:
        name = "-".join(thing["const"] for thing in kind["if"]["properties"].values())
        result["$defs"] |= {name: kind["then"], "train": kind["then"]["properties"]["train"]}
        kind["then"]["required"].remove("modality")
        kind["then"]["properties"]["train"] = {"$ref": "#/$defs/train"}
        kind["then"] = {"$ref": f"#/$defs/{name}"}
    properties["streams"]["properties"] = {modality: _stream_called(modality, stream) for modality in ordered("modalities")}
    return result


def _stream_called(modality: str, stream: Schema) -> Schema:
    """The schema of a stream whose name is a modality, which it then need not name."""
    own = []
    for kind in stream["allOf"]:
        named = kind["if"]["properties"]
        if named["modality"]["const"] == modality:
            unnamed = {"required": ["encoder"], "properties": {"encoder": named["encoder"]}, "not": {"required": ["modality"]}}
            own.append({"if": unnamed, "then": kind["then"]})
    return stream | {"required": ["encoder"], "allOf": [*stream["allOf"], *own]}


@cache
def sections() -> dict[str, Schema]:
    """The sections of params.yaml that modalities have for themselves, by modality."""
    declared = {name: registry.declared("modalities", name) for name in ordered("modalities")}
    return {name: modality["section"] for name, modality in declared.items() if "section" in modality}


def ordered(kind: str) -> list[str]:
    """All things of a kind, in the order of tables where they have one."""
    return sorted(registry.names(kind), key=lambda name: registry.declared(kind, name).get("order", 0))


@cache
def loop() -> dict[str, Schema]:
    """The length and speed of a training: settings that every method has beside its own."""
    result: dict[str, Schema] = _base()["loop"]
    return result


def settings(method: str, framework: str | None = None) -> dict[str, Schema]:
    """All settings of a training by `method`, those of the loop first; framework: that it trains by, where not its default. Where nothing is
    trained there is no loop."""
    declared = registry.method(_part(method, framework))
    own: dict[str, Schema] = declared.get("settings", {})
    return ({} if declared["trains"] == "nothing" else loop()) | _choice(method) | own


def _choice(method: str) -> dict[str, Schema]:
    """The setting that names the framework of a method that trains by one; {} for others. It does not look which there are: a page that
    shows settings would rest on all methods."""
    default = registry.framework({"method": method})
    return {"framework": {"recipe": True, "default": default, "description": "the method that it trains by"}} if default else {}


def _part(method: str, framework: str | None) -> dict[str, str]:
    return {"method": method} | ({"framework": framework} if framework else {})


def method_of(tag: str) -> str:
    """The method that a training is by, from its tag in `streams.*.train`: a method's own name, or a task that trains by one."""
    return tag if tag in registry.names("methods") else str(registry.declared("tasks", tag)["method"])


def tags() -> dict[str, str]:
    """Name in `streams.*.train` -> method: each method's own that trains, and each task's that does."""
    trained = {name: registry.declared("tasks", name) for name in registry.names("tasks")}
    tasks = {name: task["method"] for name, task in trained.items() if task["given"] == "encoder"}
    return {name: name for name in registry.names("methods") if registry.declared("methods", name).get("trains") != "nothing"} | tasks


def plain(setting: Schema) -> Schema:
    """A declared setting as JSON Schema; the description says what an absent setting means."""
    result = {key: value for key, value in setting.items() if key not in OWN}
    if "by stream" in setting:
        words = {key: result.pop(key) for key in list(result) if key != "description"}
        result |= {"if": {"type": "string"}, "then": words, "else": {"type": "object", "additionalProperties": setting["by stream"]}}
    if "default" in setting:
        absent = json.dumps(setting["default"]).strip('"')
        result["description"] = "; ".join(filter(None, (str(result.get("description", "")), f"absent means {absent}")))
    return result


@cache
def _base() -> Schema:
    result: Schema = yaml.safe_load(BASE.read_text(encoding="utf-8"))
    return result


def _object(properties: dict[str, Schema], required: list[str] | None = None) -> Schema:
    return {"type": "object", "additionalProperties": False, "required": required or [], "properties": properties}


def _options(dataset: str) -> Schema:
    """The schema of the options of a dataset."""
    options = {name: plain(option) for name, option in registry.declared("datasets", dataset).get("options", {}).items()}
    return {"if": {"properties": {"name": {"const": dataset}}}, "then": {"properties": {"options": _object(options)}}}


def _stream() -> Schema:
    modalities, encoders = ordered("modalities"), registry.names("encoders")
    kinds = [
        {
            "if": {"required": ["modality", "encoder"], "properties": {"modality": {"const": modality}, "encoder": {"const": encoder}}},
            "then": _stream_of(modality, encoder),
        }
        for modality in modalities
        for encoder in encoders
        if registry.declared("modalities", modality)["axes"] == registry.declared("encoders", encoder)["takes"]
    ]
    properties = {
        "modality": {"enum": modalities, "description": "what the encoder sees; absent means the stream's name"},
        "encoder": {"enum": list(encoders), "description": "by what it is encoded"},
    }
    return {"type": "object", "required": ["modality", "encoder"], "properties": properties, "allOf": kinds}


def _stream_of(modality: str, encoder: str) -> Schema:
    base, sees, network = _base(), registry.declared("modalities", modality), registry.declared("encoders", encoder)
    properties = {
        "modality": {"const": modality, "description": sees["about"]},
        "encoder": {"const": encoder, "description": network["about"], "of": [modality]},
    }
    own = {name: plain(setting) | {"of": [encoder]} for name, setting in network["settings"].items()}
    parts = {part: sees[part] | {"of": [modality]} for part in ("clip", "augment")} | {"head": base["head"], "train": _train()}
    needed = [name for name, setting in network["settings"].items() if "default" not in setting]
    return _object(properties | own | parts, [*properties, *needed, "clip", "augment"])


@cache
def _train() -> Schema:
    """The schema of a stream's training: settings for every method that has them, and of one method, or trained task, alone."""
    own = [(method, _plain_of(method, framework)) for method in registry.names("methods") for framework in _frameworks(method)]
    parts = {
        tag: _object(_shared([(name, declared) for name, declared in own if name == method]))
        | {"description": f"settings of {tag} alone, which come before those for all", "elsewhere": True}
        for tag, method in tags().items()
    }
    return _object(_shared(own) | parts)


def _frameworks(method: str) -> list[str | None]:
    """The frameworks that a method may train by; [None] where it trains by itself."""
    return list(registry.frameworks()) if registry.framework({"method": method}) else [None]


def _plain_of(method: str, framework: str | None) -> dict[str, Schema]:
    """The settings of a method that a stream may have."""
    return {name: plain(setting) for name, setting in settings(method, framework).items() if not setting.get("recipe")}


def _shared(own: list[tuple[str, dict[str, Schema]]]) -> dict[str, Schema]:
    """The schema of each setting, for any of the methods that have it; own: methods, once for each framework, with their settings."""
    return {key: _any(key, own) for _, declared in own for key in declared}


def _any(key: str, own: list[tuple[str, dict[str, Schema]]]) -> Schema:
    kinds: list[Schema] = []
    for method, declared in own:
        if key not in declared:
            continue
        same = [kind for kind in kinds if {**kind, "of": []} == {**declared[key], "of": []}]
        kinds += [] if same else [{**declared[key], "of": []}]
        of = (same or kinds[-1:])[0]["of"]
        of += [] if method in of else [method]
    return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


def _experiment() -> Schema:
    methods = registry.names("methods")
    kinds = [_kind(method, framework) for method in methods for framework in _frameworks(method)]
    return {
        "type": "object",
        "required": ["method"],
        "properties": {"method": {"enum": list(methods), "description": "how its streams are trained"}},
        "allOf": kinds,
    }


def _kind(method: str, framework: str | None) -> Schema:
    """The schema of recipes of a method, by one framework; one of no known framework is taken for one of the default's, which names the known."""
    names = {"method": {"const": method}}
    if framework is None:
        return {"if": {"required": ["method"], "properties": names}, "then": _recipe(method, None)}
    others = [name for name in registry.frameworks() if name != framework]
    default = framework == registry.framework({"method": method})
    own = {"not": {"enum": others}} if default else {"const": framework}
    needed = ["method"] if default else ["method", "framework"]
    return {"if": {"required": needed, "properties": names | {"framework": own}}, "then": _recipe(method, framework)}


def _recipe(method: str, framework: str | None) -> Schema:
    base, declared = _base()["recipe"], registry.method(_part(method, framework))
    streams = base["streams"] | {f"{end}Items": count for end, count in declared["streams"].items()}
    keys = {"method": {"const": method, "description": declared["about"]}, "streams": streams}
    keys |= {"from": base["from"]} if declared["from"] != "none" else {}
    keys |= {"stages": base["stages"]} if declared["trains"] == "in turn" else {}
    keys |= {role: base["named"] for role, frozen in declared.get("frozen", {}).items() if frozen["stream"] == "named"}
    length = {} if declared["trains"] == "nothing" else {key: base[key] for key in ("epochs", "videos", "keep")}
    own = {name: plain(setting) for name, setting in settings(method, framework).items()} | length
    own |= {"framework": own["framework"] | {"enum": list(registry.frameworks())}} if framework else {}
    needed = [key for key in keys if key != "from" or declared["from"] == "required"]
    needed += [name for name, setting in settings(method, framework).items() if setting.get("recipe") and "default" not in setting]
    return _object(keys | own | {"paper": base["paper"]}, needed)


def _tasks() -> Schema:
    base = _base()
    experiments = {"experiments": base["task_experiments"]}
    properties = {}
    for name in ordered("tasks"):
        declared = registry.declared("tasks", name)
        own = {key: plain(setting) for key, setting in declared.get("settings", {}).items()}
        needed = [key for key, setting in declared.get("settings", {}).items() if "default" not in setting]
        properties[name] = _object(own | experiments, needed) | {"description": declared["about"]}
    return _object(properties) | {"description": base["tasks"]}


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return _validating(schema())


@cache
def _validator_of(method: str, framework: str | None, key: str) -> jsonschema.Draft202012Validator:
    return _validating(plain(settings(method, framework)[key]))


def _validating(wanted: Schema) -> jsonschema.Draft202012Validator:
    types = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_whole).redefine("number", _is_finite)
    own = {"ordered": _ordered}
    checked: jsonschema.Draft202012Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, own, type_checker=types)(
        wanted
    )
    return checked


def _ordered(validator: Any, wanted: bool, value: Any, schema: Schema) -> Iterator[jsonschema.ValidationError]:
    """The keyword `ordered`: an interval has its lower end first."""
    numbers = isinstance(value, list) and all(_is_finite(None, item) for item in value)
    if wanted and numbers and value != sorted(value):
        yield jsonschema.ValidationError(f"{json.dumps(value)} has its upper end first; write {json.dumps(sorted(value))}")


def _is_whole(_: Any, value: Any) -> bool:
    """JSON Schema takes 2.0 for a whole number; a script that counts with it would fail in the middle."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_finite(_: Any, value: Any) -> bool:
    """YAML knows .nan and .inf, which pass every comparison with a bound."""
    return _is_whole(_, value) or (isinstance(value, float) and math.isfinite(value))


def _explain(error: jsonschema.ValidationError, place: str) -> str:
    """The mistake in words, with the key and a way out. place: of what was checked; "" for all params."""
    while error.validator == "anyOf" and error.context:  # of a setting that methods take in more than one way
        error = error.context[0]
    where = ".".join([*filter(None, [place]), *(str(part) for part in error.absolute_path)])
    if "propertyNames" in error.schema_path:
        kinds = {"targets": ("a target", ", behind the first also A-Z and '.', not 'all' or 'seeds'"), "streams": ("a stream", "")}
        kind, taken = kinds.get(where, ("an experiment", ", not 'untrained' or 'handmade'"))
        return f"{error.instance!r} is no name for {kind}; use a-z, 0-9 and '-'{taken}"
    if error.validator == "additionalProperties":
        keys = list(error.schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in keys)
        return f"unknown key '{'.'.join(filter(None, (where, str(unknown))))}'; {registry.nearest(str(unknown), keys)}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        if missing == "modality":  # which is absent where the stream's name says it
            name = str(error.absolute_path[-1])
            return f"'{where}.modality' is missing, and no modality is called {name}; add it; {_choices(name, ordered('modalities'))}"
        return f"'{'.'.join(filter(None, (where, missing)))}' is missing; add it (docs/params.md says what it means)"
    if error.validator == "enum" and isinstance(error.instance, str):
        return f"{where} is '{error.instance}'; {_choices(error.instance, error.validator_value)}"
    if error.validator == "enum":
        return f"{where} must be one of {', '.join(map(str, error.validator_value))}, not {json.dumps(error.instance, default=str)[:60]}"
    if error.validator == "type":
        if isinstance(error.instance, int) and abs(error.instance) > LARGEST:
            return f"{where} is {str(error.instance)[:30]}; whole numbers go up to {LARGEST}"
        words = {"object": "a mapping", "array": "a list", "integer": "a whole number", "number": "a number", "string": "a text"}
        types: list[str] = error.validator_value if isinstance(error.validator_value, list) else [str(error.validator_value)]
        wanted = " or ".join(words.get(name, name) for name in types)
        return f"{where or 'the file'} must be {wanted}, not {json.dumps(error.instance, default=str)[:60]}"
    return f"{where}: {error.message}"


def _choices(word: str, values: Iterable[Any]) -> str:
    """The known value that is meant, if one is near, and all known values."""
    texts = [str(value) for value in values]
    close = registry.nearest(word, texts)
    return close if close.startswith("known") else f"{close} known: {', '.join(texts)}"
