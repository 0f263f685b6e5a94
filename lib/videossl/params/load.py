"""params.yaml, read and checked: the one way in which a run's params come to be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from videossl import registry
from videossl.errors import InputError
from videossl.params import cross_checks, schema
from videossl.params.recipes import Params


class _Loader(yaml.SafeLoader):
    """YAML in which a key given twice is an error, and 1e-5 is a number, not a text."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    for key in keys:
        if keys.count(key) > 1:
            raise InputError(f"params.yaml, line {node.start_mark.line + 1}: '{key}' is given twice; keep one")
    loader.flatten_mapping(node)
    result: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    return result


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load(path: str | Path) -> Params:
    """The checked params of `path`, with all that may be left out.

    Anything wrong raises InputError of one line that names key, file and way out.
    """
    return parse(_text(path), str(path))


def written(path: str | Path) -> Any:
    """The params of `path` as a person wrote them: unchecked, and without what may be left out.

    Errors of files and YAML are as in `load`.
    """
    return _yaml(_text(path), str(path))


def parse(text: str, name: str) -> Params:
    """The checked params in `text`; errors are as in `load`, and name the file `name`."""
    return check(_yaml(text, name), name)


def check(params: Any, name: str = "params.yaml") -> Params:
    """Check `params` against the schema and across sections; returns them filled in. name: of the file, for errors."""
    if isinstance(params, dict) and "modalities" in params and "streams" not in params:
        raise InputError(
            f"{name} is of the form before `streams`; CHANGELOG.md says what each key has become, or start from one of presets/"
        )
    params = filled(params)
    try:
        schema.check(params)
        cross_checks.check(params)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    checked: Params = params
    return checked


def filled(params: Any) -> Any:
    """`params` with every key of its datasets, streams and tasks. What is no mapping is left as it is, for the schema."""
    if not isinstance(params, dict):
        return params
    result = {**params}
    if "dataset" in params:
        result["dataset"] = _dataset(params["dataset"])
    if isinstance(params.get("transfer"), list):
        result["transfer"] = [_dataset(entry) for entry in params["transfer"]]
    if isinstance(params.get("streams"), dict):
        result["streams"] = {name: _stream(name, stream) for name, stream in params["streams"].items()}
    if isinstance(params.get("evaluate"), dict) and "tasks" in params["evaluate"]:
        result["evaluate"] = params["evaluate"] | {"tasks": _tasks(params["evaluate"]["tasks"])}
    for section in schema.sections().values():
        given = params.get(section["name"])
        if isinstance(given, dict) and (defaults := section.get("defaults", {}).get(given.get("backend", ""))):
            result[section["name"]] = defaults | given
    return result


def _dataset(given: Any) -> Any:
    """A dataset by its name alone, or by a mapping that has at least a name, as a mapping with all keys."""
    if isinstance(given, str):
        given = {"name": given}
    if not isinstance(given, dict) or "name" not in given:
        return given
    return {"name": given["name"], "root": f"data/raw/{given['name']}", "split": 1, "options": {}} | given


def _stream(name: Any, given: Any) -> Any:
    """A stream with its modality and the defaults of its encoder. Without `modality`, the name of the stream is its modality."""
    if not isinstance(given, dict):
        return given
    modality = {"modality": name} if name in registry.names("modalities") else {}
    is_encoder = isinstance(given.get("encoder"), str) and given["encoder"] in registry.names("encoders")
    settings = registry.declared("encoders", given["encoder"])["settings"] if is_encoder else {}
    return modality | {key: setting["default"] for key, setting in settings.items() if "default" in setting} | given


def _tasks(given: Any) -> Any:
    """Tasks with their settings and defaults; a list of names is short for tasks without settings."""
    if isinstance(given, list) and all(isinstance(task, str) for task in given):
        given = {task: {} for task in given}
    if not isinstance(given, dict):
        return given
    return {task: _task(task, settings) for task, settings in given.items()}


def _task(name: Any, given: Any) -> Any:
    if name not in registry.names("tasks") or not isinstance(given, dict):
        return given
    settings = registry.declared("tasks", name).get("settings", {})
    return {key: setting["default"] for key, setting in settings.items() if "default" in setting} | given


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; copy params.yaml or one of presets/ there") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error}") from error


def _yaml(text: str, name: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise InputError(f"{name} is not YAML: {' '.join(str(error).split())}") from error
