"""The page of a target, and its text for the terminal: its data (target_data.py) as tables and charts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from videossl.report import curves, paper
from videossl.report.finished_run import Run, numbers
from videossl.report.html_tables import SEEDS, Cell, Row, Table, ascii_only, fill, render_page, results_table
from videossl.report.target_data import setting, tally_said
from videossl.report.verdicts import NOTHING, TRAINING, Record, measure

MARKS = {"seen": ("✓", "better"), "not clear": ("≈", ""), "reversed": ("✗", "worse"), "not measured": ("–", "")}


def render(run: Run, target: Record) -> str:
    """The page as HTML. target: as `target_data.record` gives it."""
    printed = paper.printed(target["target"])
    return render_page(
        "target_page.html",
        run,
        target=target,
        heading=heading(target),
        printed=printed,
        scale=scale_said(run, target, printed),
        parts=[part | {"chart": curves.draw(*part["drawn"])} if "drawn" in part else part for part in parts(target, run)],
        as_printed=printed_table(printed) if printed and printed.rows else None,
    )


def terminal(target: Record) -> str:
    """The comparison as ASCII text: a table a stream or chart, and how many pairs are seen in it."""
    blocks = ["\n".join([part["title"], part["table"].text(), *(fill(said) for said, _ in part["pairs"])]) for part in parts(target)]
    return ascii_only(
        "\n\n".join(
            [
                f"{heading(target)}\n{fill(' '.join(filter(None, (target['lead'], target['design']))))}",
                *blocks,
                *map(fill, target["remarks"]),
                fill(target["rule"]),
            ]
        )
    )


def heading(target: Record) -> str:
    """The name of the target, and what it stands beside."""
    return f"{target['target']}: ours beside the {target['document']}'s {target['beside']}" if target["beside"] else str(target["target"])


def scale_said(run: Run, target: Record, printed: paper.Printed | None) -> str:
    """The warning that our numbers reproduce nothing, as long as anything differs; nothing where nothing of the paper stands beside."""
    differs = [number["differs"] for number in target["numbers"] if number["paper_method"]]
    if printed and target["charts"]:
        trained = [(course["experiment"], target["charts"][0]["stream"]) for course in target["charts"][0]["courses"]]
        differs = [paper.differences(printed.setting, setting(run, *encoder)) for encoder in trained]
    if any(differs):
        return f"Not a reproduction: the scale differs, theirs / ours: {'; '.join(dict.fromkeys(itertools.chain(*differs)))}."
    return f"In all that is recorded the setting is the {target['document']}'s." if differs else ""


def parts(target: Record, run: Run | None = None) -> Iterator[dict[str, Any]]:
    """The page, stream by stream or chart by chart: a table and the pairs that are judged in it; of a chart what is drawn.

    run: says which test videos were right, for the differences from the untrained encoder.
    """
    hits = {_place(number): number["hits"] for number in (numbers(run) if run else ())}
    ours = [{**number, "note": number["paper_method"] or "", "hits": hits.get(_place(number), [])} for number in target["numbers"]]
    columns = len({(number["dataset"], number["task"], number["metric"]) for number in target["paper_alone"]})
    beside = target["document"] if any(number["paper_dataset"] for number in ours) else ""
    note = f"the {target['document']}’s alone"
    theirs = [
        {**number, **NOTHING, "experiment": number["method"], "note": note, "alone": place // columns, "test_videos": 0}
        for place, number in enumerate(target["paper_alone"])
    ]
    for stream in dict.fromkeys(number["stream"] for number in ours):
        shown = [number for number in (*ours, *theirs) if number["stream"] == stream]
        table = results_table(f"results, {stream}", shown, SEEDS, beside=beside)
        pairs = [judged(order, target["document"]) for order in target["orders"] if order["stream"] == stream]
        yield {"title": stream, "table": table, "pairs": pairs}
    for chart in target["charts"]:
        title = f"{chart['stream']}, {measure(chart['task'], chart['metric']).name}"
        stops = [span["stop"] for course in chart["courses"] for span in course["trainings"]]
        levels = [(0, max(stops, default=1), chart["chance"])] if chart["chance"] is not None else []
        pairs = [judged(chart, target["document"])] if chart["pairs"] else []
        yield {"title": title, "table": chart_table(title, chart), "pairs": pairs, "drawn": (chart, levels)}


def _place(number: Record) -> tuple[str, ...]:
    return tuple(number[key] for key in ("dataset", "task", "metric", "stream", "experiment"))


def judged(order: Record, document: str) -> tuple[str, Table]:
    """The tally of the document's pairs in a column or chart; and its difference, ours and the verdict, neighbours there first."""
    unit, rows = measure(order["task"], order["metric"]), []
    name = f"{order['stream']}, {unit.name} on {paper.dataset_name(order['dataset'])}"
    for pair in sorted(order["pairs"], key=lambda pair: not pair["neighbours"]):
        theirs = "–" if pair["paper_difference"] is None else unit.difference(pair["paper_difference"])
        ours = "–" if pair["difference"] is None else unit.difference(pair["difference"], pair["threshold"])
        mark, style = MARKS[pair["verdict"]]
        cells = [Cell(pair["above"], [(f"over {pair['below']}", "")]), theirs, ours, Cell("", [(f"{mark} {pair['verdict']}", style)])]
        rows.append(Row(cells, "" if pair["neighbours"] else "further"))
    said = f"{name}, {tally_said(order['pairs'], document)}"
    return said, Table(f"pairs, {name}", ["pair", document, "here", "order"], rows, style="pairs")


def printed_table(table: paper.Printed) -> Table:
    """The paper's table as it is printed, with the rows that none of ours stands for."""
    about, rows = list(dict.fromkeys(key for row in table.rows for key in row.about)), []
    heads = [Cell(measure(task, metric).name, [(paper.dataset_name(dataset), "")]) for dataset, task, metric in table.columns]
    for row in table.rows:
        values = (_printed_value(table, column, value) for column, value in row.values.items())
        rows.append(Row([row.method, row.modality or "–", *(row.about.get(key, "–") for key in about), *values]))
    return Table(table.number, ["method", "modality", *about, *heads], rows, f"{table.title} {table.note}", left=2 + len(about))


def _printed_value(table: paper.Printed, column: tuple[str, str, str], value: float | None) -> str:
    _, task, metric = column
    return measure(task, metric).text(value) if value is None or column not in table.digits else f"{value:.{table.digits[column]}f}"


def chart_table(title: str, chart: Record) -> Table:
    """Every epoch of progress; of a training the first epoch and the last of each part."""
    unit, courses = measure(chart["task"], chart["metric"]), [course for course in chart["courses"] if course["points"]]
    marks = {epoch for course in courses for epoch in (1, *(span["stop"] for span in course["trainings"]))}
    cells = [{point["epoch"]: unit.show(point) for point in course["points"]} for course in courses]
    epochs = sorted({epoch for course in cells for epoch in course if chart["task"] != TRAINING or epoch in marks})
    rows = [Row([epoch, *(course.get(epoch, "–") for course in cells)]) for epoch in epochs]
    return Table(f"{title} in numbers", ["epoch", *(course["experiment"] for course in courses)], rows, style="duo")
