"""The page of a run: self-contained HTML, and its results as text.

A function of what a run left behind: the same `Run` gives the same bytes. No clock, no random ids, no address is read.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from videossl.data import alike, index
from videossl.params import recipes
from videossl.report import paper
from videossl.report.by_class import by_class, confused, matrix
from videossl.report.curves import candidates, draw, settings, training_chart
from videossl.report.films import Reel, drawn
from videossl.report.finished_run import Run, numbers, rank
from videossl.report.html_tables import SEEDS, Row, Table, ascii_only, fill, labels_said, render_page, results_table
from videossl.report.maps import legend, map_svg
from videossl.report.verdicts import BASELINES, RULE, WAYS, Record, against, best, declared, headline, measure, seeds_said
from videossl.train import diagnosis

NAMES_SHOWN, MATRIX = 50, 40  # dropped videos by reason; classes of a confusion matrix at most
COMPARED = ("loss", "accuracy", "spread", "rank")
NO_TASK = "No task was measured: that needs videos of two labelled classes or more to train on and to test on, and evaluate.tasks."


def render(run: Run) -> str:
    """The page as HTML."""
    return render_page(
        "run_page.html",
        run,
        heading=f"Self-supervised encoders on {paper.dataset_name(run.dataset)}",
        lead=lead(run),
        rule=RULE,
        tasks=task_results(run),
        no_task=NO_TASK,
        curves=(curves := encoders(run)),
        wrong=len({text.partition(":")[0] for item in curves for text in item["wrong"]}),
        compared=compared(run),
        labelled=any(tile["correct"] is not None for item in run.gallery for tile in item["neighbours"]),
        drawn=drawn,
        reel=Reel(run.films, run.stills),
        confusions=[(one, matrix(one) if len(one.classes) <= MATRIX else None, confused(one)) for one in run.confusions],
        by_class=by_class(run),
        spreads=spreads(run),
        map_svg=map_svg,
        map_legend=legend,
        index_tables=index_tables(run.index),
        dropped=dropped(run.index),
        alike=[(kind, list(group)) for kind, group in itertools.groupby(alike.find(run.index), lambda found: found.kind)],
        shown=NAMES_SHOWN,
    )


def terminal(run: Run) -> str:
    """The results as ASCII text: a table a task, and below it what is best."""
    tasks = task_results(run)
    blocks = [f"{task['title']}\n{task['table'].text()}\n{fill(task['best'])}" for task in tasks]
    return ascii_only("\n\n".join([*blocks, *map(fill, run.remarks), fill(f"* best trained. {RULE}" if tasks else NO_TASK)]))


def task_results(run: Run) -> list[dict[str, Any]]:
    """The results by dataset and task: the headline by experiment and stream, what is best in it, and all metrics."""
    tasks = []
    for (dataset, task), group in itertools.groupby(numbers(run), lambda number: (number["dataset"], number["task"])):
        everything = list(group)
        shown = [number for number in everything if number["metric"] == headline(task)]
        title = f"{declared(task).get('title', task)} on {paper.dataset_name(dataset)}"
        fitted = labels_said(everything[0])
        caption = f"{f'{fitted} to train with, ' if fitted else ''}{everything[0]['test_videos']:,} test videos. {SEEDS}"
        table = results_table(f"results of {title}", shown, caption, by_stream=True)
        metrics = results_table(f"all metrics of {title}", [number | {"note": number["stream"]} for number in everything])
        tasks.append({"title": title, "best": best_said(shown), "table": table, "metrics": metrics})
    return tasks


def best_said(shown: Sequence[Record]) -> str:
    """The best trained encoder, and its verdict against the baselines."""
    winner = best(shown)
    if not winner["values"]:
        return "no trained encoder to compare"
    verdicts = [(verdict, BASELINES[name]) for name in BASELINES if (verdict := against(name, winner, shown))]
    words = {"better": "better than the", "unclear": "not clearly other than the", "worse": "worse than the"}
    said = [f"{words[verdict.word]} {name}, {verdict.said}, {WAYS[verdict.test.paired]}" for verdict, name in verdicts]
    number = measure(winner["task"], winner["metric"]).show(winner)
    return f"best trained: {winner['experiment']} on {winner['stream']}, {number}; {'; '.join(said) or 'no baseline to compare with'}"


def lead(run: Run) -> str:
    """The experiments and the videos of the run."""
    rows = index.usable(list(run.index))
    splits, classes = Counter(row.split for row in rows), len({row.label for row in rows if row.label})
    trained = {item["experiment"] for item in (*run.results, *run.histories)} - BASELINES.keys()
    said = (
        f"Trained on {paper.dataset_name(run.dataset)}: {', '.join(run.in_order(trained)) or 'no experiment'}."
        f" Videos: {splits['train']:,} to train on, {splits['test']:,} to test on, {len(run.index) - len(rows):,} dropped;"
        f" labelled classes: {classes:,}. {seeds_said(run.seeds)}"
    )
    return " ".join(filter(None, (said, run.shares_said(run.in_order(trained)))))


# Training curves.


def encoders(run: Run) -> list[dict[str, Any]]:
    """One entry an experiment and stream, in the order of the results: the charts of one encoder, and its trainings in numbers."""
    jobs = {(history["experiment"], history["training"]) for history in run.histories if history["epochs"]}
    shown = []
    for experiment in run.in_order({name for name, _ in jobs} & run.params.get("experiments", {}).keys()):
        trainings = [job for job in recipes.trainings(dict(run.params), experiment) if (experiment, job.name) in jobs]
        streams = sorted({stream for job in trainings for stream in job.streams}, key=run.place)
        shown += [{"experiment": experiment, "stream": stream, **_curves(run, experiment, stream)} for stream in streams]
    return shown


def compared(run: Run) -> list[tuple[str, list[Markup]]]:
    """The curves of several experiments in one picture, for each stream that two or more trained."""
    trained = {history["experiment"] for history in run.histories if history["epochs"]}
    shown = []
    for stream in sorted(run.params.get("streams", {}), key=run.place):
        experiments = [name for name in run.in_order(trained) if stream in run.params["experiments"].get(name, {}).get("streams", [])]
        charts = [training_chart(run, experiments, stream, metric) for metric in COMPARED] if len(experiments) > 1 else []
        drawn = [draw(chart) for chart in charts if sum(bool(course["points"]) for course in chart["courses"]) > 1]
        shown += [(stream, drawn)] if drawn else []
    return shown


def spreads(run: Run) -> Table | None:
    """A table of how far features are spread, by experiment and stream; None where there are none."""
    rows = [
        Row(
            [
                BASELINES.get(one["experiment"], one["experiment"]),
                one["stream"],
                f"{one['videos']:,}",
                f"{one['spread']:.3f}",
                f"{one['rank']:.1f}",
            ]
        )
        for one in run.spreads
    ]
    return Table("spread and rank of features", ["experiment", "stream", "videos", "spread", "rank"], rows, left=2) if rows else None


def _curves(run: Run, experiment: str, stream: str) -> dict[str, Any]:
    """Guessing among N candidates costs ln N and is right in 100 / N percent."""
    every = dict.fromkeys(
        key for history in run.histories for row in diagnosis.of_stream(history["epochs"], stream) for key in row if key != "epoch"
    )
    keys = [key for key in every if not key.endswith(diagnosis.START)]
    along = {key: chart for key in keys if (chart := training_chart(run, [experiment], stream, key))["courses"][0]["points"]}
    spans = along["loss"]["courses"][0]["trainings"]
    names = [f"{span['training']} ({run.params['experiments'][span['experiment']]['method']})" for span in spans]
    guessed = [candidates(run.params, span["experiment"], stream) for span in spans]
    drawn = []
    for key, guess in (("loss", math.log), ("accuracy", lambda number: 100 / number)):
        levels = [(span["start"], span["stop"], guess(number)) for span, number in zip(spans, guessed, strict=True) if number]
        drawn += [draw(along[key], levels, names)] if key in along else []
    drawn += [draw(along[key], [], names) for key in ("spread", "rank") if key in along]
    pairs = [{**along[key]["courses"][0], "experiment": key} for key in ("positive", "negative") if key in along]
    drawn += [draw({**along["loss"], "metric": "cosine", "courses": pairs})] if pairs else []

    begun = {key: training_chart(run, [experiment], stream, diagnosis.at_start(key)) for key in keys}

    def first_to_last(key: str, span: Record) -> str:
        begins, points = (
            [point for point in chart["courses"][0]["points"] if span["start"] < point["epoch"] <= span["stop"]]
            for chart in (begun[key], along[key])
        )
        said = [f"{point['mean']:.4g}" + (f" ± {point['sd']:.2g}" if point["sd"] else "") for point in (*begins, *points)]
        return f"{said[0]} → {said[-1]}" if said else "–"

    rows = []
    for span, name, number in zip(spans, names, guessed, strict=True):
        guessing = f"{math.log(number):.3f}, {100 / number:.2g} %" if number else "–"
        rows.append(Row([name, span["stop"] - span["start"], guessing, *(first_to_last(key, span) for key in along)]))
    return {
        "charts": drawn,
        "wrong": _wrong(run, experiment, stream),
        "table": Table(f"trainings of {experiment}, {stream}", ["training", "epochs", "guessing", *along], rows),
    }


def _wrong(run: Run, experiment: str, stream: str) -> list[str]:
    """Say what is wrong with the trainings of an encoder, by their curves; the same of several seeds once."""
    found: dict[str, list[int]] = defaultdict(list)
    for job in recipes.chain(dict(run.params), experiment, stream):
        declared, chosen = recipes.method(dict(run.params), job.experiment), settings(run.params, job.experiment, stream)
        for history in run.histories:
            if (history["experiment"], history["training"]) == (job.experiment, job.name):
                for text in diagnosis.said(diagnosis.of_stream(history["epochs"], stream), declared, chosen):
                    found[f"{job.name} of {job.experiment}: {text}"].append(history["seed"])
    return [f"{text} (seed {', '.join(map(str, sorted(seeds)))})" for text, seeds in found.items()]


# The index.


def index_tables(rows: Sequence[index.Row]) -> list[Table]:
    """Counts by split and status, and of the usable videos by class."""
    good = index.usable(list(rows))
    splits = sorted({row.split for row in rows}, key=lambda name: rank(name, ("train", "test")))
    counts, labels = Counter((row.split, row.status) for row in rows), Counter((row.label or "(no label)", row.split) for row in good)
    by_split = [Row([split or "(none)", counts[split, "ok"], counts[split, "dropped"]]) for split in splits]
    by_class = [Row([label, *(labels[label, split] for split in splits)]) for label in sorted({label for label, _ in labels})]
    return [
        Table("videos by split", ["split", "ok", "dropped"], [*by_split, Row(["all", len(good), len(rows) - len(good)])]),
        Table("videos of each class", ["class", *(split or "(none)" for split in splits)], by_class),
    ]


def dropped(rows: Sequence[index.Row]) -> list[tuple[str, list[index.Row]]]:
    """The dropped videos by the kind of their reason, the most frequent kind first."""
    kinds: dict[str, list[index.Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.id):
        if row.status != "ok":
            kinds[index.kind(row) or "no reason given"].append(row)
    return sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0]))
