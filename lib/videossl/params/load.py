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

MOST = 100_000
"""Values that a params.yaml may have, each alias (`*name`) counted as all that it stands for."""


class _Loader(yaml.SafeLoader):
    """YAML in which a key given twice is an error, aliases stay few, and 1e-5 is a number, not a text."""

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None and _count(node, {}) >= MOST:
            raise InputError(
                f"{self.name} has {MOST:,} values or more with its aliases (`*name`) written out, or one that holds itself; leave them out"
            )
        return node


def _count(node: yaml.Node, counted: dict[int, int]) -> int:
    """The number of values in a node, MOST or more where it holds itself. counted: by node.

    Raises InputError for a key given twice, and for a number that versions of YAML read in two ways.
    """
    if id(node) not in counted:
        counted[id(node)] = MOST  # until it is known: a node within itself
        _check_number(node)
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        _check_once([key for key, _ in pairs if key.tag != "tag:yaml.org,2002:merge"])
        parts = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in pairs for part in pair]
        counted[id(node)] = 1 + sum(_count(part, counted) for part in parts)
    return counted[id(node)]


def _check_number(node: yaml.Node) -> None:
    """Raise InputError for a number that YAML 1.1 takes for octal (012 is 10), for minutes (1:30) or with a mark of thousands.

    YAML 1.2, which DVC reads, takes it for something else.
    """
    is_plain = node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float") and getattr(node, "style", None) is None
    if is_plain and (re.match(r"[-+]?0[0-7_]", node.value) or set(node.value) & set(":_")):
        where = f"{node.start_mark.name}, line {node.start_mark.line + 1}"
        raise InputError(f"{where}: {node.value} is read in two ways; write a plain number, or a text in quotes")


def _check_once(keys: list[yaml.Node]) -> None:
    """Raise InputError where a key is given twice, with the line of the second."""
    seen: set[str] = set()
    for key in keys:
        if str(key.value) in seen:
            raise InputError(f"{key.start_mark.name}, line {key.start_mark.line + 1}: '{key.value}' is given twice; keep one")
        seen.add(str(key.value))


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789"))


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
        loader = _Loader(text)
        loader.name = name  # for errors
        return loader.get_single_data()
    except InputError:
        raise
    except RecursionError as error:
        raise InputError(f"{name} is nested too deep; params have no more than a few levels") from error
    except Exception as error:  # beside its own, PyYAML has those of a month 13, of a number of 5,000 digits, of a tag that does not fit
        raise InputError(f"{name} is not YAML: {' '.join(str(error).split())}") from error
