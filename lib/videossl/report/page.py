"""The report: one self-contained HTML page, and the results as plain text.

Both are functions of what a run left behind.
The same `Run` gives the same bytes: no clock, no random ids, no address is read.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from videossl.data.index import Row, usable
from videossl.errors import InputError
from videossl.files import atomic
from videossl.report import paper, plots, samples

BASELINES = {"handmade": "hand-made feature", "untrained": "untrained encoder"}
TASKS = {"retrieval": "Nearest-neighbour retrieval", "linear": "Linear probe", "finetune": "Finetuning"}
MODALITIES = ("rgb", "flow", "joint", "motion")
MARKS = {"better": "▲", "unclear": "≈", "worse": "▼"}
NAMES_SHOWN = 50
FRAMES_SHOWN = 6
STANDARD_ERRORS = 2


@dataclass(frozen=True)
class Run:
    """All that the page is made from.

    params: the active run's params.yaml; index: all rows of the dataset's index, dropped ones too.
    results: results files as read.
    histories: {"experiment", "seed", "modality", "phase", "epochs": [{"loss", "accuracy" in percent, ...}]}.
    samples: {"id", "label", "frames": uint8 (n, h, w, 3), "flow": float32 (n or n - 1, h, w, 2) in pixels a
    frame or None, "joints": (n, 25, 3) metres or None}.
    gallery: {"experiment", "modality", "query": {"id", "label", "thumb": uint8 (h, w, 3)}, "neighbours":
    [{"id", "label", "thumb", "similarity", "correct"}]}.
    provenance: rows {"artefact", "sha256", "made from", "params", ...}; versions: tool to version.
    commands: what makes the page again, one line each.
    """

    params: Mapping[str, Any]
    dataset: str
    index: Sequence[Row]
    results: Sequence[Mapping[str, Any]] = ()
    histories: Sequence[Mapping[str, Any]] = ()
    samples: Sequence[Mapping[str, Any]] = ()
    gallery: Sequence[Mapping[str, Any]] = ()
    provenance: Sequence[Mapping[str, Any]] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    commands: Sequence[str] = ()


# Numbers: seeds to a value, values to a table, a table to words.


@dataclass(frozen=True)
class Value:
    """The percentages of one cell, one a seed."""

    numbers: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return statistics.fmean(self.numbers)

    @property
    def sd(self) -> float | None:
        """The sample standard deviation (n - 1); None for one seed, which has no spread."""
        return statistics.stdev(self.numbers) if len(self.numbers) > 1 else None

    def __str__(self) -> str:
        return f"{self.mean:.1f}" if self.sd is None else f"{self.mean:.1f} ± {self.sd:.1f}"


@dataclass(frozen=True)
class Verdict:
    """Trained against untrained: the difference and the threshold in points, better, worse or unclear."""

    difference: float
    threshold: float
    word: str

    @property
    def mark(self) -> str:
        """The verdict as a sign, so that it does not rest on colour."""
        return MARKS[self.word]


@dataclass(frozen=True)
class Task:
    """The numbers of one task on one dataset: `cells[experiment, modality][metric]`."""

    dataset: str
    task: str
    metric: str
    metrics: Sequence[str]
    modalities: Sequence[str]
    experiments: Sequence[str]
    cells: Mapping[tuple[str, str], Mapping[str, Value]]
    chance: Mapping[str, float]
    counts: Mapping[str, int]

    def value(self, experiment: str, modality: str) -> Value | None:
        """The headline number of a cell, None when it was not measured."""
        return self.cells.get((experiment, modality), {}).get(self.metric)

    @property
    def trained(self) -> list[str]:
        """The experiments that are no baseline."""
        return [name for name in self.experiments if name not in BASELINES]

    @property
    def seeds(self) -> list[int]:
        """The numbers of seeds that come up in the cells."""
        return sorted({len(value.numbers) for cell in self.cells.values() for value in cell.values()})

    def best(self, modality: str) -> float | None:
        """The highest mean of the trained experiments on `modality`."""
        means = [value.mean for name in self.trained if (value := self.value(name, modality))]
        return max(means, default=None)

    def verdict(self, experiment: str, modality: str) -> Verdict | None:
        """`experiment` against the untrained encoder of the same modality; None when either is missing."""
        ours, base = self.value(experiment, modality), self.value("untrained", modality)
        return compare(ours, base, self.counts.get("test", 0)) if ours and base else None


def compare(ours: Value, base: Value, tests: int) -> Verdict:
    """Whether `ours` differs from `base` by more than two standard errors of the difference.

    Its variance has a part from the finite number of test videos (binomial, p (100 - p) / tests each) and,
    where there are several seeds, sd² / n each. A rule of thumb, on the wide side: both have the same test
    videos. Without a number of test videos nothing can be said.
    """
    variance = sum(v.mean * (100 - v.mean) / tests for v in (ours, base)) if tests else math.inf
    variance += sum(v.sd**2 / len(v.numbers) for v in (ours, base) if v.sd is not None)
    threshold = STANDARD_ERRORS * math.sqrt(max(variance, 0.0))
    difference = ours.mean - base.mean
    word = "unclear" if abs(difference) <= threshold else "better" if difference > 0 else "worse"
    return Verdict(difference, threshold, word)


def tasks(run: Run) -> list[Task]:
    """The results by dataset and task. Two results of the same experiment and seed are an InputError."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for result in run.results:
        groups[result["dataset"], result["task"]].append(result)
    order = list(TASKS)
    keys = sorted(groups, key=lambda key: (key[0] != run.dataset, key[0], *_rank(key[1], order)))
    return [_task(run, dataset, task, groups[dataset, task]) for dataset, task in keys]


def _task(run: Run, dataset: str, task: str, results: Sequence[Mapping[str, Any]]) -> Task:
    _check_seeds(results)
    numbers: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in sorted(results, key=lambda r: int(r["seed"])):
        for modality, metrics in result["values"].items():
            for metric, number in metrics.items():
                numbers[result["experiment"], modality][metric].append(float(number))
    cells = {key: {metric: Value(tuple(v)) for metric, v in metrics.items()} for key, metrics in numbers.items()}
    metrics = list(dict.fromkeys(metric for cell in cells.values() for metric in cell))
    first = results[0]
    return Task(
        dataset=dataset,
        task=task,
        metric="R@1" if task == "retrieval" else "accuracy",
        metrics=sorted(metrics, key=_natural),
        modalities=sorted({modality for _, modality in cells}, key=_modality_rank),
        experiments=_order_experiments(run, {experiment for experiment, _ in cells}),
        cells=cells,
        chance=first.get("chance", {}),
        counts=first.get("counts", {}),
    )


def _check_seeds(results: Iterable[Mapping[str, Any]]) -> None:
    seen: set[tuple[str, int]] = set()
    for result in results:
        key = (result["experiment"], result["seed"])
        if key in seen:
            where = f"{result['dataset']}, {result['task']}"
            raise InputError(f"two results of {key[0]}, seed {key[1]} ({where}); give the report each seed once")
        seen.add(key)


def _order_experiments(run: Run, names: Iterable[str]) -> list[str]:
    """The baselines, then as in params.yaml, then as the paper builds them up, then by name."""
    known = [*BASELINES, *run.params.get("experiments", {}), *paper.experiments(paper.load())]
    return sorted(names, key=lambda name: _rank(name, known))


def _rank(name: str, known: Sequence[str]) -> tuple[int, str]:
    return (known.index(name) if name in known else len(known)), name


def _modality_rank(modality: str) -> tuple[int, list[tuple[int, str]]]:
    parts = modality.split("+")
    return len(parts), [_rank(part, MODALITIES) for part in parts]


def _natural(text: str) -> list[tuple[int, int, str]]:
    """A key that sorts R@5 before R@10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def points(number: float) -> str:
    """A difference in percentage points with its sign."""
    return f"{number:+.1f}".replace("-", "−")


# Words: the summary, made from the numbers.


@dataclass(frozen=True)
class Sentence:
    """A sentence of the summary; `strong` for what did not work."""

    text: str
    strong: bool = False


def summary(run: Run) -> list[Sentence]:
    """What was run, on what, and what the numbers say."""
    found = tasks(run)
    if not found:
        return [
            _what_was_run(run),
            Sentence(f"No supervised task was run: {no_task_reason(run)}.", strong=True),
        ]
    sentences = [_what_was_run(run)]
    for task in found:
        sentences += [Sentence(_head(task)), *_against_untrained(task), *_against_handmade(task)]
    return [*sentences, Sentence(rule(run))]


def rule(run: Run) -> str:
    """How a difference is judged, and what the number of seeds allows to say."""
    several = len({result["seed"] for result in run.results}) > 1
    spread = "and, over several seeds, from their spread" if several else "only: one seed, no spread"
    return (
        "A difference counts where it exceeds two standard errors (a rule of thumb), which come from the"
        f" finite number of test videos {spread}."
    )


def _what_was_run(run: Run) -> Sentence:
    rows = usable(list(run.index))
    splits = Counter(row.split for row in rows)
    classes = len({row.label for row in rows if row.label})
    dropped = len(run.index) - len(rows)
    names = _trained_names(run)
    seeds = sorted({int(item["seed"]) for item in (*run.results, *run.histories)})
    dataset = paper.DATASETS.get(run.dataset, run.dataset)
    return Sentence(
        f"This run trained {_list(names) or 'no experiment'} on {dataset}:"
        f" {_count(splits['train'], 'training video')} and {_count(splits['test'], 'test video')}"
        f" of {_count(classes, 'labelled class', 'labelled classes')}, {dropped} dropped{_scale(run)};"
        f" {_seeds(seeds)}."
    )


def _trained_names(run: Run) -> list[str]:
    names = {item["experiment"] for item in (*run.results, *run.histories)}
    return _order_experiments(run, names - BASELINES.keys())


def _scale(run: Run) -> str:
    parts = [_clip_words(name, modality) for name, modality in run.params.get("modalities", {}).items()]
    return "".join(f"; {part}" for part in parts if part)


def _clip_words(name: str, modality: Mapping[str, Any]) -> str:
    clip, size = modality.get("clip", {}), ""
    if "frames" not in clip:
        return ""
    if "size" in clip:
        size = f" of {clip['size']} pixels"
    width = f", width {modality['width']:g}" if "width" in modality else ""
    return f"{name} in {clip['frames']} frames{size}{width}"


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) > 1:
        return f"{len(seeds)} seeds ({', '.join(map(str, seeds))}), given as mean ± sample standard deviation"
    return f"one seed ({seeds[0]}), no spread" if seeds else "no seed recorded"


def _head(task: Task) -> str:
    tests = task.counts.get("test", "?")
    return f"{TASKS.get(task.task, task.task)} on {task.dataset} ({task.metric}, {tests} test videos):"


def _against_untrained(task: Task) -> list[Sentence]:
    """One sentence on the modalities where training helped, a strong one on those where it did not."""
    won, lost = [], []
    for modality in task.modalities:
        verdicts = {name: verdict for name in task.trained if (verdict := task.verdict(name, modality))}
        good = {name: verdict for name, verdict in verdicts.items() if verdict.word == "better"}
        rest = {name: verdict for name, verdict in verdicts.items() if verdict.word != "better"}
        won += [f"{modality} ({_verdicts(good)})"] if good else []
        lost += [f"{modality} ({_verdicts(rest)})"] if rest else []
    if not won and not lost:
        return [Sentence("There is no untrained encoder to compare with.")]
    if not lost:
        return [Sentence(f"Trained encoders beat the untrained ones on {_list(won)}.")]
    if not won:
        return [Sentence(f"No trained encoder beats the untrained one: {_list(lost)}.", True)]
    return [
        Sentence(f"Trained encoders beat the untrained ones on {_list(won)}."),
        Sentence(f"They do not on {_list(lost)}.", True),
    ]


def _verdicts(verdicts: Mapping[str, Verdict]) -> str:
    """'mixup +20.1, worse: moco −9.0, within the threshold: ...'; many of them are given by their range."""
    if len(verdicts) > 3:
        differences = sorted(verdict.difference for verdict in verdicts.values())
        worse = sum(verdict.word == "worse" for verdict in verdicts.values())
        return f"{len(verdicts)} experiments, {points(differences[0])} to {points(differences[-1])}" + (
            f", {worse} of them worse" if worse else ""
        )
    return "; ".join(_verdict(name, verdict) for name, verdict in verdicts.items())


def _verdict(name: str, verdict: Verdict) -> str:
    text = f"{name} {points(verdict.difference)}"
    if verdict.word == "worse":
        return f"{text}, clearly worse"
    return text if verdict.word == "better" else f"{text}, within the threshold of {_threshold(verdict)}"


def _threshold(verdict: Verdict) -> str:
    return f"±{verdict.threshold:.1f}" if math.isfinite(verdict.threshold) else "unknown size"


def _against_handmade(task: Task) -> list[Sentence]:
    """Where the best trained encoder stays at or below the hand-made feature."""
    lost = []
    for modality in task.modalities:
        best, made = task.best(modality), task.value("handmade", modality)
        if best is not None and made and best <= made.mean:
            lost.append(f"{modality} ({best:.1f} against {made.mean:.1f})")
    return [Sentence(f"The best trained encoder does not beat the hand-made feature on {_list(lost)}.", True)] if lost else []


def no_task_reason(run: Run) -> str:
    """Why there are no results: what the index and the params say."""
    rows = usable(list(run.index))
    labels = sorted({row.label for row in rows if row.label})
    if not rows:
        return "the index has no usable video"
    if not labels:
        return "no video has a label"
    if len(labels) == 1:
        return f"there is only one class ({labels[0]})"
    for split, name in (("test", "test"), ("train", "training")):
        if not any(row.split == split for row in rows):
            return f"there are no {name} videos"
    if not run.params.get("evaluate", {}).get("tasks", True):
        return "evaluate.tasks is empty in the params"
    return "no results file was given to the report"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _list(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


# The paper beside the run.


def setting(run: Run, experiment: str, modality: str) -> dict[str, Any]:
    """The scale of pretraining of one of our numbers, by the keys of `paper.SCALE` that are known.

    For fused modalities that differ, the values of all, as text.
    """
    streams = [_stream_setting(run, experiment, part) for part in modality.split("+")]
    merged: dict[str, Any] = {}
    for key in dict.fromkeys(key for stream in streams for key in stream):
        values = list(dict.fromkeys(stream.get(key, "?") for stream in streams))
        merged[key] = values[0] if len(values) == 1 else " and ".join(map(str, values))
    return merged


def _stream_setting(run: Run, experiment: str, modality: str) -> dict[str, Any]:
    chosen = run.params.get("modalities", {}).get(modality, {})
    found = {
        "dataset": run.dataset,
        "videos": sum(row.split == "train" for row in usable(list(run.index))),
        "epochs": _epochs(run.params, experiment, modality),
        "frames": chosen.get("clip", {}).get("frames"),
        "resolution": chosen.get("clip", {}).get("size"),
        "width": chosen.get("width"),
        "batch": chosen.get("pretrain", {}).get("batch"),
        "queue": chosen.get("moco", {}).get("queue"),
    }
    return {key: value for key, value in found.items() if value is not None}


def _epochs(params: Mapping[str, Any], experiment: str, modality: str) -> int | None:
    """Epochs of one encoder over all phases: pretraining, and its share of the alternating stages."""
    recipe = params.get("experiments", {}).get(experiment)
    chosen = params.get("modalities", {}).get(modality, {})
    if recipe is None or modality not in recipe["modalities"] or "pretrain" not in chosen:
        return None
    epochs = int(chosen["pretrain"]["epochs"])
    if "from" in recipe:
        epochs += len(range(recipe["modalities"].index(modality), recipe["stages"], 2)) * int(chosen["cmmc"]["epochs"])
    return epochs


@dataclass(frozen=True)
class Beside:
    """A row of "the paper's numbers": ours, theirs on each test set, and what differs in scale."""

    experiment: str
    modality: str
    metric: str
    ours: Value
    theirs: Mapping[str, float]
    source: str
    differs: Sequence[str]

    @property
    def same(self) -> bool:
        """Whether nothing differs, the only case in which our number reproduces theirs."""
        return not self.differs


def beside(run: Run, task: Task) -> list[Beside]:
    """Our numbers with the paper's of the same recipe, modality, task and metric."""
    tables = paper.load()
    rows = []
    for experiment in task.trained:
        for modality in task.modalities:
            for metric, ours in task.cells.get((experiment, modality), {}).items():
                found = list(paper.beside(tables, experiment, modality, task.dataset, task.task, metric))
                scale = setting(run, experiment, modality)
                rows += [Beside(experiment, modality, metric, ours, *_theirs(entries, task.dataset, scale)) for entries in _alike(found)]
    return rows


def _alike(entries: Sequence[paper.Entry]) -> list[list[paper.Entry]]:
    """The entries by row of the paper, in order; rows with the same numbers at the same scale are one."""
    rows: dict[tuple[str, str], list[paper.Entry]] = defaultdict(list)
    for entry in entries:
        rows[entry.table, entry.method].append(entry)
    merged: dict[str, list[paper.Entry]] = defaultdict(list)
    for row in rows.values():
        merged[_json([[entry.dataset, entry.value, entry.setting] for entry in row])] += row
    return list(merged.values())


def _theirs(entries: Sequence[paper.Entry], dataset: str, scale: Mapping[str, Any]) -> tuple[dict[str, float], str, list[str]]:
    """Their number on each test set, where it is printed, and what differs from ours."""
    theirs = {entry.dataset: entry.value for entry in entries}
    names = [paper.DATASETS.get(name, name) for name in (*theirs, dataset)]
    source = list(dict.fromkeys(f"{entry.table}, {entry.method}" for entry in entries))
    differs = [] if dataset in theirs else [f"tested on {_list(names[:-1])} / {names[-1]}"]
    return theirs, "; ".join(source), differs + paper.differences(entries[0].setting, scale)


# Training curves.


@dataclass(frozen=True)
class Curves:
    """The charts of one encoder: all its phases in a row, one line a seed."""

    experiment: str
    modality: str
    loss: Markup
    accuracy: Markup
    stages: Sequence[Mapping[str, Any]]


def curves(run: Run) -> list[Curves]:
    """One entry an experiment and modality, in the order of the results."""
    pairs = {(history["experiment"], history["modality"]) for history in run.histories if history["epochs"]}
    order = _order_experiments(run, {experiment for experiment, _ in pairs})
    ranked = sorted(pairs, key=lambda pair: (order.index(pair[0]), _modality_rank(pair[1])))
    return [_curves(run, experiment, modality) for experiment, modality in ranked]


def _curves(run: Run, experiment: str, modality: str) -> Curves:
    key = (experiment, modality)
    seeds = sorted({h["seed"] for h in run.histories if (h["experiment"], h["modality"]) == key})
    chains = [_chain(run, experiment, modality, seed) for seed in seeds]
    candidates = {h["phase"]: _candidates(run.params, modality, h["phase"]) for chain in chains for h in chain}
    rows = [_stage_row(seed, history, candidates[history["phase"]]) for seed, chain in zip(seeds, chains, strict=True) for history in chain]
    loss, accuracy = plots.training(f"{experiment}, {modality}", chains, candidates)
    return Curves(experiment, modality, loss, accuracy, rows)


def _chain(run: Run, experiment: str, modality: str, seed: int) -> list[Mapping[str, Any]]:
    """The phases behind one encoder in order; a shared pretraining is that of the experiment before."""

    def own(name: str) -> list[Mapping[str, Any]]:
        key = (name, modality, seed)
        found = [h for h in run.histories if (h["experiment"], h["modality"], h["seed"]) == key and h["epochs"]]
        return sorted(found, key=lambda h: (h["phase"] != "pretrain", _natural(h["phase"])))

    chain = own(experiment)
    start = run.params.get("experiments", {}).get(experiment, {}).get("from", "")
    return chain if any(h["phase"] == "pretrain" for h in chain) else own(start) + chain


def _candidates(params: Mapping[str, Any], modality: str, phase: str) -> int | None:
    """How many keys a sample is told apart among: the batch's and the queue's; None when unknown."""
    chosen = params.get("modalities", {}).get(modality, {})
    training = chosen.get(re.sub(r"\d+$", "", phase), {})
    if "batch" not in training or "queue" not in chosen.get("moco", {}):
        return None
    return int(training["batch"]) + int(chosen["moco"]["queue"])


def _stage_row(seed: int, history: Mapping[str, Any], candidates: int | None) -> dict[str, Any]:
    first, last = history["epochs"][0], history["epochs"][-1]
    clips = [row["clips"] for row in history["epochs"] if "clips" in row]
    return {
        "seed": seed,
        "phase": history["phase"],
        "epochs": len(history["epochs"]),
        "clips": f"{sum(clips):,.0f}" if clips else "–",
        "loss": f"{first['loss']:.3f} → {last['loss']:.3f}",
        "accuracy": f"{first['accuracy']:.1f} → {last['accuracy']:.1f}",
        "guessing": f"{math.log(candidates):.3f}, {100 / candidates:.2g} %" if candidates else "–",
        "lr": f"{last['lr']:.2g}" if "lr" in last else "–",
    }


# Samples and gallery.


def sample_views(run: Run) -> list[dict[str, Any]]:
    """Each sample as strips of pictures: frames, flow, skeleton."""
    return [
        {
            "id": sample["id"],
            "label": sample["label"],
            **samples.strips(sample["frames"], sample.get("flow"), sample.get("joints"), FRAMES_SHOWN),
        }
        for sample in run.samples
    ]


def gallery_views(run: Run) -> list[dict[str, Any]]:
    """The gallery by experiment and modality, with the thumbnails as data URIs."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for item in run.gallery:
        groups[item["experiment"], item["modality"]].append(item)
    picture = partial(samples.png_uri, width=160)
    return [
        {
            "experiment": experiment,
            "modality": modality,
            "right": sum(bool(n["correct"]) for item in items for n in item["neighbours"]),
            "all": sum(len(item["neighbours"]) for item in items),
            "items": [
                {
                    "query": {**item["query"], "uri": picture(item["query"]["thumb"])},
                    "neighbours": [{**n, "uri": picture(n["thumb"])} for n in item["neighbours"]],
                }
                for item in items
            ],
        }
        for (experiment, modality), items in groups.items()
    ]


# The index and where every number comes from.


def index_view(run: Run) -> dict[str, Any]:
    """Counts by split and status, what the videos are like, and the dropped ones by reason."""
    rows = list(run.index)
    good = usable(rows)
    counts = Counter((row.split, row.status) for row in rows)
    labels = Counter((row.label or "(no label)", row.split) for row in good)
    splits = sorted({row.split for row in rows}, key=lambda name: _rank(name, ("train", "test")))
    return {
        "splits": [(split, counts[split, "ok"], counts[split, "dropped"]) for split in splits],
        "total": (len(good), len(rows) - len(good)),
        "facts": _facts(good),
        "dropped": _dropped(rows),
        "split_names": splits,
        "labels": [(label, [labels[label, s] for s in splits]) for label in sorted({label for label, _ in labels})],
    }


def _dropped(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The dropped videos by the kind of their reason ("KIND: DETAIL"), the most frequent kind first."""
    kinds: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.id):
        if row.status != "ok":
            kinds[row.reason.partition(":")[0].strip() or "no reason given"].append(row)
    ranked = sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        {
            "reason": kind,
            "count": len(found),
            "names": [(row.id, row.reason.partition(":")[2].strip()) for row in found[:NAMES_SHOWN]],
            "more": max(0, len(found) - NAMES_SHOWN),
        }
        for kind, found in ranked
    ]


def _facts(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Frames, rate and size of the usable videos: smallest, median, largest."""
    if not rows:
        return []
    numbers = {
        "frames of a video": [float(row.frames) for row in rows],
        "frames a second": [float(row.fps) for row in rows],
        "width, pixels": [float(row.width) for row in rows],
        "height, pixels": [float(row.height) for row in rows],
    }
    facts = [(name, _range(values)) for name, values in numbers.items()]
    return [*facts, ("with a skeleton", f"{sum(bool(row.skeleton) for row in rows):,} of {len(rows):,}")]


def _range(values: Sequence[float]) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}, median {middle:g}"


def result_sources(run: Run) -> list[dict[str, Any]]:
    """One row a results file: what it measures, the hashes behind it, and the rest as JSON."""
    order = _order_experiments(run, {result["experiment"] for result in run.results})
    ranked = sorted(run.results, key=lambda r: (r["dataset"], r["task"], order.index(r["experiment"]), int(r["seed"])))
    return [_result_source(result) for result in ranked]


def _result_source(result: Mapping[str, Any]) -> dict[str, Any]:
    source = result.get("provenance", {})
    weights = source.get("weights") or {}
    return {
        **{key: result[key] for key in ("experiment", "seed", "dataset", "task")},
        "data": source.get("data", ""),
        "code": source.get("code", ""),
        "weights": sorted(weights.items()) if isinstance(weights, Mapping) else [("", str(weights))],
        "json": _json({"values": result["values"], "provenance": source}),
    }


def artefacts(run: Run) -> tuple[list[str], list[list[tuple[str, str]]]]:
    """The provenance rows as a table: column names in the order they come up, and cells (kind, text)."""
    names = list(dict.fromkeys(key for row in run.provenance for key in row))
    return names, [[_cell(key, row.get(key, "")) for key in names] for row in run.provenance]


def _cell(key: str, value: Any) -> tuple[str, str]:
    if isinstance(value, Mapping | list | tuple):
        return ("json", _json(value)) if value else ("text", "")
    return ("hash" if "sha256" in key and value else "text"), str(value)


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str)


# The page.


def render(run: Run) -> str:
    """The page as HTML. It loads nothing: styles are inline, pictures are data URIs, there is no script."""
    names, rows = artefacts(run)
    found = tasks(run)
    return (
        _environment()
        .get_template("template.html")
        .render(
            run=run,
            baselines=BASELINES,
            task_names=TASKS,
            dataset=paper.DATASETS.get(run.dataset, run.dataset),
            summary=summary(run),
            rule=rule(run),
            tasks=[(task, beside(run, task)) for task in found],
            reason="" if found else no_task_reason(run),
            tables=paper.load(),
            paper_datasets=paper.DATASETS,
            curves=curves(run),
            samples=sample_views(run),
            wheel=samples.png_uri(samples.flow_wheel()),
            gallery=gallery_views(run),
            index=index_view(run),
            sources=result_sources(run),
            artefact_names=names,
            artefacts=rows,
            params=_json(run.params),
        )
    )


def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["points"] = points
    return environment


def write(path: str | Path, html: str) -> None:
    """Write the page whole or not at all; InputError when it cannot be written."""
    with atomic(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def terminal_table(run: Run) -> str:
    """The results as ASCII text: a table a task, and what beat the untrained encoder and what did not."""
    found = tasks(run)
    if not found:
        return f"No supervised task was run: {no_task_reason(run)}."
    parts = [_text_table(task) for task in found]
    return "\n\n".join([*parts, _ascii(f"* best trained. {rule(run)}")])


def _text_table(task: Task) -> str:
    rows = [["", *task.modalities]]
    if task.metric in task.chance:
        rows.append(["chance", *[f"{task.chance[task.metric]:.1f}  "] * len(task.modalities)])
    for name in task.experiments:
        rows.append([BASELINES.get(name, name), *[_text_cell(task, name, modality) for modality in task.modalities]])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]).rstrip() for row in rows
    ]
    words = [sentence.text for sentence in (*_against_untrained(task), *_against_handmade(task))]
    head = f"{TASKS.get(task.task, task.task)} on {task.dataset}, {task.metric}, percent"
    return _ascii("\n".join([head, *lines, *words]))


def _text_cell(task: Task, experiment: str, modality: str) -> str:
    value = task.value(experiment, modality)
    if value is None:
        return "-  "
    best = experiment in task.trained and value.mean == task.best(modality)
    return f"{value}{' *' if best else '  '}".replace(" ± ", " +- ")


def _ascii(text: str) -> str:
    return text.replace("±", "+-").replace("−", "-")
