"""The code that a job depends on: its script, the files of the things that it uses, and the project's modules that they import.

It is read from the source, which is never run, so imports inside functions count as well. Things (`registry`) are imported by name.
So they are in a closure only where they are given to it. Snakemake's rules, dvc.yaml and the provenance of every result use the closure.
"""

from __future__ import annotations

import hashlib
import re
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


@cache
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


IMPORTS = re.compile(
    r"""
    (?P<quotes>\"{3}|'{3}) (?:\\.|.)*? (?P=quotes)  # texts and comments are passed over, whatever they say
    | " (?:\\.|[^"\\\n])* " | ' (?:\\.|[^'\\\n])* ' | \#[^\n]*
    | ^[ \t]* from \s+ (?P<module>[\w.]+) \s+ import \s* (?P<names>\( (?:\#[^\n]*|[^)\#])* \) | (?:\\\n|[^\n\#;])*)
    | ^[ \t]* import \s+ (?P<modules>(?:\\\n|[^\n\#;])*)
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
"""The import statements of a source, each at the head of its line, as `ruff format` has them. Every job and every plan waits for this, and
`ast.parse` takes several times as long."""


def _names(path: Path) -> Iterator[str]:
    """Every dotted name that may be a module of the project: `from a import b` may name the module a.b."""
    for found in IMPORTS.finditer(path.read_text(encoding="utf-8")):
        if module := found["module"]:
            yield module
            yield from (f"{module}.{name}" for name in _listed(found["names"]))
        elif found["modules"]:
            yield from _listed(found["modules"])


def _listed(names: str) -> list[str]:
    """The names of a list of an import, without what they are called here (`as`)."""
    bare = re.sub(r"#[^\n]*|[()\\]", " ", names)
    return [name.split()[0] for name in bare.split(",") if name.strip()]


def _files(name: str) -> tuple[Path, ...]:
    """The files that importing `name` runs: its package's __init__ files and the module itself."""
    package = name.partition(".")[0]
    return _below(LIBRARY if package == "videossl" else ROOT, name) if package in ("videossl", "stages") else ()


@cache
def _below(folder: Path, name: str) -> tuple[Path, ...]:
    """As `_files`, of a package in `folder`."""
    first, _, rest = name.partition(".")
    files = tuple(file for file in (folder / first / "__init__.py", folder / f"{first}.py") if file.is_file())
    return files + _below(folder / first, rest) if rest else files
