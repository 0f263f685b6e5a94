"""What the pages share: the templates' environment, where numbers come from, and how a page is written.

A page loads nothing: styles are inline, pictures are data URIs, there is no script. base.html is the frame of all
pages, macros.html what several of them show (named here, they are part of this module's code: videossl.code).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from videossl.files import atomic
from videossl.report import measures, paper
from videossl.report.numbers import BASELINES, order_experiments, points
from videossl.report.run import Run


def render(template: str, **values: Any) -> str:
    """`template`, a file beside this module, as HTML; names in `values` are escaped, and one that it does not know is an error."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    shown = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    shown.filters["points"] = points
    shown.globals |= {"baselines": BASELINES, "dataset_name": paper.dataset_name, "label": measures.label, "measure": measures.measure}
    return shown.get_template(template).render(**values)


def write(path: str | Path, html: str) -> None:
    """Write the page whole or not at all; InputError when it cannot be written."""
    with atomic(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def result_sources(run: Run) -> list[dict[str, Any]]:
    """One row a results file: what it measures, the hashes behind it, and the rest as JSON."""
    files = [*run.results, *run.progress]
    order = order_experiments(run, {result["experiment"] for result in files})
    ranked = sorted(files, key=lambda r: (r["dataset"], _task(r), order.index(r["experiment"]), int(r["seed"])))
    return [_result_source(result) for result in ranked]


def _task(result: Mapping[str, Any]) -> str:
    """The task; of numbers along a training, which training."""
    return " ".join(filter(None, (str(result["task"]), result.get("training"))))


def _result_source(result: Mapping[str, Any]) -> dict[str, Any]:
    source = result.get("provenance", {})
    weights = source.get("weights") or {}
    return {
        **{key: result[key] for key in ("experiment", "seed", "dataset")},
        "task": _task(result),
        "data": source.get("data", ""),
        "code": source.get("code", ""),
        "weights": sorted(weights.items()) if isinstance(weights, Mapping) else [("", str(weights))],
        "json": as_json({**{key: result[key] for key in ("values", "streams") if key in result}, "provenance": source}),
    }


def artefacts(run: Run) -> tuple[list[str], list[list[tuple[str, str]]]]:
    """The provenance rows as a table: column names in the order they come up, and cells (kind, text)."""
    names = list(dict.fromkeys(key for row in run.provenance for key in row))
    return names, [[_cell(key, row.get(key, "")) for key in names] for row in run.provenance]


def _cell(key: str, value: Any) -> tuple[str, str]:
    if isinstance(value, Mapping | list | tuple):
        return ("json", as_json(value)) if value else ("text", "")
    return ("hash" if "sha256" in key and value else "text"), str(value)


def as_json(value: Any) -> str:
    """`value` as JSON for a person to read."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str)
