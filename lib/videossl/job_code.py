"""The code that a job depends on: its script, the files of the things that it uses, and the project's modules that they import.

It is read from the source, which is never run, so imports inside functions count as well. Things (`registry`) are imported by name.
So they are in a closure only where they are given to it. Snakemake's rules, dvc.yaml and the provenance of every result use the closure.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[1]
"""The folder that holds the package."""
ROOT = LIBRARY.parent if (LIBRARY.parent / "Snakefile").is_file() else LIBRARY / "videossl" / "workflow"
"""The folder of Snakefile, stages/, presets/ and profiles/: the repository, or the part of an installed package that holds them."""


def place(name: str) -> Path:
    """The file of a `name` relative to the repository, wherever the library is installed; a whole path is itself."""
    return LIBRARY / name.removeprefix("lib/") if name.startswith("lib/") else ROOT / name


def name_of(file: Path) -> str:
    """The name of a file relative to the repository: `place`, the other way."""
    inside = file.is_relative_to(LIBRARY / "videossl") and not file.is_relative_to(LIBRARY / "videossl" / "workflow")
    return f"lib/{file.relative_to(LIBRARY)}" if inside else str(file.relative_to(ROOT))


@cache
def closure(*files: str) -> tuple[str, ...]:
    """Paths, relative to the repository and sorted, of `files` and of all that they import, directly or not.

    A data file that lies beside a module and is named in it (a schema, a template) belongs to it.
    """
    seen: set[Path] = set()
    waiting = [place(file) for file in files]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting.extend(_imported(path))
    return tuple(sorted(name_of(path) for path in seen.union(*map(_named, seen))))


def digest(*files: str) -> str:
    """The hex SHA-256 over names and bytes of the closure of `files`."""
    result = hashlib.sha256()
    for name in closure(*files):
        result.update(name.encode() + b"\0" + place(name).read_bytes() + b"\0")
    return result.hexdigest()


@cache
def _imported(path: Path) -> tuple[Path, ...]:
    return tuple(file for name in _names(path) for file in _files(name)) if path.suffix == ".py" else ()


@cache
def _named(path: Path) -> frozenset[Path]:
    """The data files beside `path` whose names stand in it."""
    if path.suffix != ".py":
        return frozenset()
    text = path.read_text(encoding="utf-8")
    return frozenset(data for data in path.parent.iterdir() if data.suffix in (".yaml", ".html", ".js") and data.name in text)


def _names(path: Path) -> Iterator[str]:
    """Every dotted name that may be a module of the project: `from a import b` may name the module a.b."""
    for node in _statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _statements(module: ast.Module) -> Iterator[ast.AST]:
    """All statements of a module, in whatever block. Expressions are left out: they hold no import, and most of the tree."""
    waiting: list[ast.AST] = [module]
    while waiting:
        node = waiting.pop()
        yield node
        for blocks in (getattr(node, name, []) for name in ("body", "orelse", "finalbody", "handlers", "cases")):
            waiting.extend(blocks if isinstance(blocks, list) else [])  # a lambda and `a if b else c` have an expression there


def _files(name: str) -> Iterator[Path]:
    """The files that importing `name` runs: its package's __init__ files and the module itself."""
    parts = name.split(".")
    if parts[0] not in ("videossl", "stages"):
        return
    folder = LIBRARY if parts[0] == "videossl" else ROOT
    for part in parts:
        for file in (folder / part / "__init__.py", folder / f"{part}.py"):
            if file.is_file():
                yield file
        folder = folder / part
