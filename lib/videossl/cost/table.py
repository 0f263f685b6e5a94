"""The costs by rule and in total: as data, and as the text that a person reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from videossl.cost.pending_jobs import Job
from videossl.cost.work import Kind, Work

COLUMNS = ("rule", "jobs", "epochs", "clips", "bytes", "hours", "longest job")
Costs = dict[str, dict[str, float]]  # rule -> column -> number

ORDER = ["download", "index", "measurable", "feasible", "extract", "train", "features", "finetune", "score", "progress"]
"""The rules in the order of the work, "extract" for all cached modalities; others come last."""

UNITS = {"start": "job", "score": "piece", **dict.fromkeys(("render", "index", "extract", "handmade"), "frame")}
"""The unit of the seconds of a kind of work; of the others a clip."""


def costs(works: Iterable[tuple[Job, Work]], rates: Mapping[Kind, float]) -> Costs:
    """By rule and under "total": jobs, epochs, clips, bytes, hours one job after another, hours of the longest job."""
    result: Costs = defaultdict(lambda: dict.fromkeys(("jobs", "epochs", "clips", "bytes", "hours", "longest"), 0))
    places = {}
    for job, work in works:
        hours = sum(amount * rates[kind] for kind, amount in work.needs.items()) / 3600
        places[job.family] = _place(job)
        for name in (job.family, "total"):
            row = result[name]
            for key, value in (("jobs", 1), ("epochs", work.epochs), ("clips", work.clips), ("bytes", work.bytes), ("hours", hours)):
                row[key] += value
            row["longest"] = max(row["longest"], hours)
    total = result["total"]
    return {name: result[name] for name in sorted(places, key=lambda name: (places[name], name))} | {"total": total}


def _place(job: Job) -> int:
    rule = "extract" if "cached" in job.wildcards else job.family
    return ORDER.index(rule) if rule in ORDER else len(ORDER)


def text(by_rule: Costs) -> str:
    """An aligned table, the total last."""
    rows = [COLUMNS, *(_row(name, row) for name, row in by_rule.items() if name != "total"), _row("total", by_rule["total"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]) for row in rows
    ]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _row(name: str, row: Mapping[str, float]) -> tuple[str, ...]:
    counts = [f"{row[key]:,.0f}" if row[key] else "-" for key in ("jobs", "epochs", "clips")]
    return (name, *counts, size(row["bytes"]) if row["bytes"] else "-", hours(row["hours"]), hours(row["longest"]))


def size(count: float) -> str:
    """Bytes as a person reads them: 163 GB."""
    for unit, power in (("TB", 4), ("GB", 3), ("MB", 2), ("kB", 1)):
        if count >= 1000**power:
            return f"{count / 1000**power:.3g} {unit}"
    return f"{count:.0f} B"


def hours(value: float) -> str:
    """Hours with three digits that mean something, never as 1e+05."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.001 else "0"


def span(value: float) -> str:
    """Hours in the unit in which they are grasped."""
    for unit, length in (("years", 8766.0), ("days", 24.0), ("hours", 1.0)):
        if value >= 2 * length:
            return f"{value / length:,.3g} {unit}" if value / length < 1000 else f"{value / length:,.0f} {unit}"
    return f"{60 * value:.2g} minutes" if value >= 1 / 30 else f"{3600 * value:.2g} seconds"


def disk(needed: float, free: float, codec: str) -> list[str]:
    """Give the disk space that is needed and free, with a warning where it does not fit; codec: of the cache."""
    way_out = "the cache is raw: set cache.codec: jpeg, with quality: 90," if codec == "raw" else "lower cache.quality,"
    lines = [f"Disk: {size(needed)} to write, {size(free)} free."]
    if needed > free:
        lines.append(f"warning: it does not fit: {size(needed - free)} are missing; {way_out} lower cache.short_side or find a larger disk")
    return lines


def rate_lines(rates: Mapping[Kind, float]) -> Sequence[str]:
    """List the measurements, so that a person sees the ground of the estimate."""
    width = max((len(" ".join(kind)) for kind in rates), default=0)
    return [f"  {' '.join(kind):<{width}}{_short(seconds):>10} a {UNITS.get(kind[0], 'clip')}" for kind, seconds in sorted(rates.items())]


def _short(seconds: float) -> str:
    for unit, length in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds / 1e-12:.3g} ps"


def record(by_rule: Costs, rates: Mapping[Kind, float], **about: Any) -> dict[str, Any]:
    """Costs and rates as data, for --json."""
    rules = {name: row for name, row in by_rule.items() if name != "total"}
    return {**about, "rules": rules, "total": by_rule["total"], "seconds": {" ".join(kind): value for kind, value in rates.items()}}
