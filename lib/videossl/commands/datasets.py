"""datasets: which datasets there are, and what one of them must look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from tabulate import tabulate

from videossl import registry


@click.command(epilog="Example: videossl datasets ucf101")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """Say which datasets there are.

    Of the dataset NAME it says what it must look like, its licence, and what of it is downloaded.
    """
    if name:
        print("\n".join(_about(name)))
    else:
        rows = [_row(known) for known in registry.names("datasets")]
        print(tabulate(rows, ["dataset", "has", "where from", "what it is"], tablefmt="plain"))


def _row(name: str) -> Sequence[str]:
    declared = registry.declared("datasets", name)
    return name, ", ".join(declared["has"]), _origin(declared), declared["about"]


def _origin(declared: dict[str, Any]) -> str:
    """Say how a dataset comes to be on this machine."""
    return "rendered" if declared.get("rendered") else "downloaded" if declared.get("downloaded") else "your copy"


def _about(name: str) -> list[str]:
    declared, module = registry.declared("datasets", name), registry.module("datasets", name)
    lines = [f"{name}: {declared['about']}", f"Licence: {module.LICENCE}"]
    lines += [f"Cite: {module.CITATION}"] if module.CITATION else []
    lines += ["", *module.LAYOUT.rstrip().splitlines(), ""]
    lines += [f"Downloaded: {archive.name}, {archive.size / 1e6:,.0f} MB" for archive in module.ARCHIVES]
    lines += [f"Option {key}: {option.get('description', '')}" for key, option in declared.get("options", {}).items()]
    return [*lines, f"Whether a copy is whole: videossl verify {name} path/to/{name}"]
