"""One target of params.yaml as data: ours beside a paper's numbers, and where the paper's order is seen. Its page is made of that.

The claims of papers are comparisons: one row above another. So each pair of rows that both have is judged by itself: ours in the
paper's order, in the other, or no clear difference (verdicts.compare, corrected for the number of pairs). Nothing is called a reproduction.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from videossl.data import fewer
from videossl.errors import InputError
from videossl.params.recipes import paper_name, videos
from videossl.params.run_plan import measured_datasets
from videossl.report import curves, paper
from videossl.report.finished_run import Run, numbers
from videossl.report.paired import POWER
from videossl.report.verdicts import (
    BASELINES,
    NOTHING,
    RULE,
    WAYS,
    Measure,
    Record,
    Verdict,
    compare,
    corrected,
    declared,
    headline,
    measure,
    seeds_said,
)

ORDERS = {"better": "seen", "unclear": "not clear", "worse": "reversed", "": "not measured"}  # by our verdict
OF_TEST = ("difference", "standard_error", "p", "level", "threshold", "detectable", "paired")


def record(run: Run, name: str) -> dict[str, Any]:
    """All numbers and verdicts of the target `name` of `run.params`, as JSON can hold them. Raises InputError for an unknown one."""
    targets = run.params.get("targets", {})
    if name not in targets:
        raise InputError(f"there is no target '{name}' in the params; known: {', '.join(targets) or 'none'}")
    target, show = targets[name], targets[name]["show"]
    printed = paper.printed(name)
    made = {
        "target": name,
        "show": show,
        "beside": printed.number if printed else None,
        "document": printed.document if printed else None,
        "dataset": run.dataset,
        "seeds": run.seeds,
        "rule": RULE,
        "remarks": run.remarks,
        "sources": run.sources(),
        "artefacts": run.provenance,
        **(results(run, target, printed) if show == "results" else {"numbers": [], "orders": [], "paper_alone": []}),
        "charts": [] if show == "results" else charts(run, target, printed),
    }
    as_json = json.dumps(made | {"lead": _lead(made, run.shares_said(target["experiments"])), "design": design(made)})
    return dict(json.loads(as_json, parse_constant=lambda _: None))  # JSON has null for what is no finite number


# Results.


def results(run: Run, target: Record, table: paper.Printed | None) -> dict[str, Any]:
    """The results of the experiments, streams and tasks that `target` names, beside `table`."""
    columns, streams, experiments = _columns(run, target["tasks"], table), target["streams"], target["experiments"]
    rows = {place: _row(run, *place, columns, table) for place in itertools.product(streams, (*BASELINES, *experiments))}
    shown = [row for (_, name), row in rows.items() if name not in BASELINES or any(number["values"] for number in row)]
    places = list(itertools.product(streams, range(len(columns))))
    pairs = _judged([list(_pairs([rows[stream, name][place] for name in experiments])) for stream, place in places])
    orders = [
        {"stream": stream, **columns[place][0], "counts": tally(found), "pairs": found}
        for (stream, place), found in zip(places, pairs, strict=True)
        if found
    ]
    placed = _alone(run, streams, experiments, table)
    alone = [{"method": row.method, "stream": stream, **names, "paper": row.value(names)} for stream, row in placed for names, _ in columns]
    numbers_shown = [{key: part for key, part in number.items() if key != "hits"} for row in shown for number in row]
    return {"numbers": numbers_shown, "orders": orders, "paper_alone": alone}


def _alone(run: Run, streams: Sequence[str], experiments: Sequence[str], table: paper.Printed | None) -> list[tuple[str | None, paper.Row]]:
    """The rows of `table` that none of ours is beside, each with a stream that it is like; at the end those that are like none.

    A row is like the streams of its modality; where some of them have its encoder, like these alone.
    """
    rows, alike = (table.rows if table else ()), {}
    for number, row in enumerate(rows):
        here = [stream for stream in streams if row.modalities == run.modalities(stream)]
        own = [stream for stream in here if table and _encoder(run, stream) == table.scale(row).get("encoder")]
        alike[number] = own or here
    beside = [_beside(run, stream, name, table) for stream, name in itertools.product(streams, experiments)]
    recipes = {paper_name(dict(run.params), name) for name in experiments}
    left = [number for number, row in enumerate(rows) if row not in beside and (row.experiment not in recipes or alike[number])]
    placed: list[tuple[str | None, paper.Row]] = [
        (stream, rows[number]) for stream in streams for number in left if stream in alike[number]
    ]
    return placed + [(rows[number].modality or None, rows[number]) for number in left if not alike[number]]


def _encoder(run: Run, stream: str) -> str | None:
    encoder: str | None = run.params.get("streams", {}).get(stream, {}).get("encoder")
    return encoder


def _beside(run: Run, stream: str, name: str, table: paper.Printed | None) -> paper.Row | None:
    """The row of `table` that an experiment of ours stands beside: of several of its recipe and modality the one whose setting is nearest."""
    recipe = paper_name({"experiments": {}, **run.params}, name)
    rows = [row for row in (table.rows if table else ()) if (row.experiment, row.modalities) == (recipe, run.modalities(stream))]
    if table is None or len(rows) < 2:
        return next(iter(rows), None)
    return min(rows, key=lambda row: len(paper.differences(table.scale(row), setting(run, name, stream))))


def _columns(run: Run, tasks: Sequence[str], table: paper.Printed | None) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """The names of each column, and what we measured in it: by dataset, ours first, then by task and metric.

    The metrics are those of the task that the table has, else the headline.
    """
    printed, measured = table.columns if table else (), defaultdict[tuple[str, ...], list[dict[str, Any]]](list)
    for number in numbers(run):
        measured[number["dataset"], number["task"], number["metric"]].append(number)
    columns = []
    for name, task in itertools.product(measured_datasets(dict(run.params)), tasks):
        ours = declared(task).get("metrics", {})
        for metric in dict.fromkeys(metric for _, other, metric in printed if other == task and metric in ours) or [headline(task)]:
            names = {"dataset": paper.test_set(run.params, name), "task": task, "metric": metric}
            columns.append(({**names, "paper_dataset": _printed(run, name, task, metric, table)}, measured[tuple(names.values())]))
    return columns


def _printed(run: Run, name: str, task: str, metric: str, table: paper.Printed | None) -> str | None:
    """The paper's test set that stands beside ours of the dataset `name`: the same, and no other where one of our datasets has the same.

    Else the dataset that encoders are trained on stands beside the protocol that its split is like, or beside the paper's own such
    dataset, and one that they are only measured on beside the first of the others.
    """
    ours, alike = paper.test_set(run.params, name), paper.protocols(paper.split(run.params, name))
    own = ours == run.dataset

    def likeness(test: str) -> tuple[bool, ...]:
        return test == ours, own and test in alike, table is not None and (test == table.setting["dataset"]) == own, own

    there = [column[0] for column in (table.columns if table else ()) if column[1:] == (task, metric)]
    if {paper.test_set(run.params, other) for other in measured_datasets(dict(run.params))} & set(there):
        return ours if ours in there else None
    nearest = max(there, key=likeness, default="")
    return nearest if nearest and any(likeness(nearest)) else None


def _row(
    run: Run, stream: str, name: str, columns: Sequence[tuple[Record, Sequence[Record]]], table: paper.Printed | None
) -> list[dict[str, Any]]:
    """Our number and the paper's for each column, and what differs in scale."""
    theirs = _beside(run, stream, name, table)
    differs, row = [], []
    if table and theirs:
        tests = {names["dataset"]: names["paper_dataset"] for names, _ in columns if names["paper_dataset"]}
        differs = [f"tested on {paper.dataset_name(test)} / {paper.dataset_name(ours)}" for ours, test in tests.items() if test != ours]
        tasks = list(dict.fromkeys(names["task"] for names, _ in columns))
        differs += paper.differences(table.scale(theirs), setting(run, name, stream, tasks), tasks)
    for names, measured in columns:
        ours = next((number for number in measured if (number["experiment"], number["stream"]) == (name, stream)), NOTHING)
        about = {"chance": None, "classes": 0, "train_videos": 0, "test_videos": 0}
        about |= {key: measured[0][key] for key in about} if measured else {}
        beside = {"paper": theirs and theirs.value(names), "paper_method": theirs and theirs.method, "differs": differs}
        row.append({"experiment": name, "stream": stream, **ours, **names, **about, **beside})
    return row


def setting(run: Run, experiment: str, stream: str, tasks: Iterable[str] = ()) -> dict[str, Any]:
    """The scale of pretraining, and of the test in `tasks`, of one of our numbers, by the keys of `paper.SCALE` that are known.

    For fused streams that differ, the values of all, as text.
    """
    scale = defaultdict[str, list[Any]](list)
    for part in stream.split("+"):
        own, trainings = run.params.get("streams", {}).get(part, {}), curves.spans(run.params, experiment, part)
        first = curves.settings(run.params, trainings[0]["experiment"], part) if trainings else {}
        clip, epochs = own.get("clip", {}), trainings[-1]["stop"] if trainings else None
        shares = [videos(dict(run.params), training["experiment"]) for training in trainings]
        read = fewer.size(run.training_videos, max(shares, default=1))  # a smaller share is a part of a larger one
        known = {"dataset": paper.dataset_of(run.dataset), "videos": read, "epochs": epochs, "encoder": own.get("encoder")}
        known |= {
            "frames": clip.get("frames"),
            "resolution": clip.get("size"),
            "width": own.get("width"),
            "batch": first.get("batch"),
            "queue": first.get("queue"),
        }
        for key, value in known.items():
            scale[key].append(value)
    evaluated = run.params.get("evaluate", {}).get("tasks", {})
    tested = {key: [evaluated[task][key]] for task in tasks for key in paper.TESTED if key in evaluated.get(task, {})}
    each = {key: list(dict.fromkeys(values)) for key, values in (scale | tested).items() if set(values) != {None}}
    return {key: values[0] if len(values) == 1 else " and ".join(map(str, values)).replace("None", "?") for key, values in each.items()}


# Pairs: two experiments, the one that is better in the paper first.


def _pairs(numbers: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """Every two numbers of a column that differ in the paper, from its best to its worst.

    neighbours: no third experiment that we have lies between them in the paper.
    """
    worth = {number["experiment"]: measure(number["task"], number["metric"]).worth(number["paper"] or 0.0) for number in numbers}
    printed = sorted((number for number in numbers if number["paper"] is not None), key=lambda number: -worth[number["experiment"]])
    for above, below in itertools.combinations(printed, 2):
        if above["paper"] != below["paper"]:
            between = (worth[below["experiment"]] < worth[other["experiment"]] < worth[above["experiment"]] for other in printed)
            theirs = {"paper": [above["paper"], below["paper"]], "paper_difference": above["paper"] - below["paper"]}
            yield _pair(above, above["experiment"], below["experiment"], above, below) | theirs | {"neighbours": not any(between)}


def _pair(column: Record, above: str, below: str, high: Record, low: Record) -> dict[str, Any]:
    """A pair with our verdict, not yet corrected: the value of `above` against that of `below`, in the metric of `column`."""
    verdict = compare(measure(column["task"], column["metric"]), high, low, column["test_videos"])
    names = {"above": above, "below": below, "paper": None, "paper_difference": None, "neighbours": True}
    return names | {"verdict": verdict}


def _judged(groups: Sequence[Sequence[Record]]) -> list[list[dict[str, Any]]]:
    """The pairs of a target with their words, corrected for the number of all that are measured.

    p: as it is, uncorrected. level: it is clear where p is at most that. threshold: the difference above which that is so.
    detectable: the difference that this design sees with a probability of 0.8. paired: over what.
    """
    verdicts = corrected([pair["verdict"] for pairs in groups for pair in pairs if pair["verdict"]])
    return [[_with_word(pair, next(verdicts) if pair["verdict"] else None) for pair in pairs] for pairs in groups]


def _with_word(pair: Record, verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {**pair, **dict.fromkeys(OF_TEST), "verdict": ORDERS[""]}
    test, level = verdict.test, verdict.level
    numbers = verdict.difference, test.error, test.p, level, test.threshold(level), test.detectable(level), test.paired
    return {**pair, **dict(zip(OF_TEST, numbers, strict=True)), "verdict": ORDERS[verdict.word]}


def design(target: Record) -> str:
    """Two sentences on what the pairs of the target can show: how they are paired, and how small a difference would have been seen."""
    items = [(item, pair) for item in (*target["orders"], *target["charts"]) for pair in item["pairs"] if pair["paired"]]
    ways = Counter(WAYS[pair["paired"]] for _, pair in items)
    by_unit = defaultdict[Measure, list[Record]](list)
    for item, pair in items:
        if math.isfinite(pair["detectable"]):
            by_unit[measure(item["task"], item["metric"])._replace(name="", higher=True)].append(pair)
    how = f"Compared {', '.join(f'{way}: {count}' for way, count in ways.items())}."
    return " ".join([how, *(_smallest(unit, pairs) for unit, pairs in by_unit.items())]) if items else ""


def _smallest(unit: Measure, pairs: Sequence[Record]) -> str:
    """A sentence on the thresholds of pairs in one unit, corrected for their number: the median, and the range in brackets."""
    points = " points" if unit.unit == "%" else f" {unit.unit}".rstrip()

    def said(key: str) -> str:
        sizes = [pair[key] for pair in pairs]
        return f"{unit.text(statistics.median(sizes))}{points} (median; {unit.text(min(sizes))} to {unit.text(max(sizes))})"

    if unit.unit == "%" and min(pair["threshold"] for pair in pairs) >= 100:
        return "No difference could have been clear: there are too few test videos or seeds for so many pairs."
    return f"A difference is clear above {said('threshold')}; with a probability of {POWER:.0%} one of {said('detectable')} is found."


def tally(pairs: Sequence[Record]) -> dict[str, int]:
    """The number of pairs of each word: seen, not clear, reversed and not measured."""
    return {word: sum(pair["verdict"] == word for pair in pairs) for word in ORDERS.values()}


def tally_said(pairs: Sequence[Record], document: str | None = "paper") -> str:
    """'the paper's 10 pairs: 4 seen, 5 not clear, 1 reversed, 0 not measured'."""
    return f"the {document}'s {len(pairs)} pairs: {', '.join(f'{count} {word}' for word, count in tally(pairs).items())}"


# Figures.


def charts(run: Run, target: Record, figure: paper.Printed | None) -> list[dict[str, Any]]:
    """Numbers along the trainings by stream: downstream numbers by task, or loss and accuracy as far as a training has them."""
    progress = target["show"] == "progress"
    make, drawn = curves.progress_chart if progress else curves.training_chart, []
    for stream, name in itertools.product(target["streams"], target["tasks"] if progress else ("loss", "accuracy")):
        chart = make(run, target["experiments"], stream, name)
        if progress or not run.histories or any(course["points"] for course in chart["courses"]):
            drawn.append(chart)
    pairs = _judged([list(_claims(run, figure, chart)) for chart in drawn])
    return [chart | {"pairs": found} for chart, found in zip(drawn, pairs, strict=True)]


def _claims(run: Run, figure: paper.Printed | None, chart: Record) -> Iterator[dict[str, Any]]:
    """The claims of the paper's text on the ends, in this number."""
    ends = {paper_name(dict(run.params), course["experiment"]): course for course in chart["courses"]}
    for claim in figure.order if figure else ():
        if (claim["task"], claim["metric"]) == (chart["task"], chart["metric"]) and {claim["above"], claim["below"]} <= ends.keys():
            pair = [ends[claim["above"]], ends[claim["below"]]]
            yield _pair(chart, *(course["experiment"] for course in pair), *((course["points"] or [NOTHING])[-1] for course in pair))


def _lead(target: Record, shares: str) -> str:
    """The first sentence: how much of the paper's order is seen; over which seeds; and, in words, who read a share of the videos."""
    tests = {number["dataset"]: number["test_videos"] for number in target["numbers"]} or {target["dataset"]: 0}
    datasets = " and ".join(paper.dataset_name(name) + (f" ({count} test videos)" if count else "") for name, count in tests.items())
    pairs = [pair for item in (*target["orders"], *target["charts"]) for pair in item["pairs"]]
    order = f", {tally_said(pairs, target['document'])}" if pairs else ""
    return " ".join(filter(None, (f"On {datasets}{order}.", seeds_said(target["seeds"]), shares)))
