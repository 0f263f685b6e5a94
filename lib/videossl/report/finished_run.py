"""A run as its pages see it: the numbers that it left behind, read from its files. Pictures are added by `pictured`, for the pages that have some."""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import io
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from videossl import paths
from videossl.data import index
from videossl.errors import InputError
from videossl.files import read_json, sha256
from videossl.report import paper
from videossl.report.verdicts import BASELINES, Hits, Record, declared, headline, summarise
from videossl.train import weights

AGAIN = " # in the repository; of another run: --directory with the folder of its params.yaml"
PACKAGES = ("torch", "torchvision", "numpy", "h5py", "av", "opencv-contrib-python-headless", "matplotlib", "snakemake", "dvc")


@dataclass(frozen=True)
class Run:
    """All that a page is made from; what `pictured` adds has types that the pages of targets need not know.

    params: the active run's params.yaml; index: all rows of the dataset's index, dropped rows included.
    unused: by the end of their names, {"count", "first"} of the files that lie in the dataset's folder and are not used.
    results: results files as read; progress: those of the encoders kept along a training.
    histories: {"experiment", "seed", "training", "epochs": [{"epoch", "loss", ...}]}.
    samples: {"id", "label", "shown": positions in the video, "strips": its pictures in each modality}; legends: how to read them.
    gallery: {"experiment", "stream", "query": {"id", "label"}, "neighbours": [{"id", "label", "similarity", "correct"}]}; correct: of
    the same class, None where one has none. pairs: {"experiment", "stream", "pairs": as `spaces.pairs`}.
    spreads: {"experiment", "stream", "videos", "spread", "rank"}, of features.
    films: frames of the videos that are shown, by their ids, uint8 (h, w, 3) or SVG; stills: one picture of those on maps.
    mixes, activations: pictures of mixed samples, and of where encoders are active.
    provenance: rows {"artefact", "sha256", "made from", "params", ...}; versions: tool to version.
    commands: what makes the page again, one line each.
    """

    params: Mapping[str, Any]
    dataset: str
    index: Sequence[index.Row]
    unused: Mapping[str, Record] = field(default_factory=dict)
    results: Sequence[Record] = ()
    progress: Sequence[Record] = ()
    histories: Sequence[Record] = ()
    samples: Sequence[Record] = ()
    legends: Sequence[Any] = ()
    gallery: Sequence[Record] = ()
    confusions: Sequence[Any] = ()
    maps: Sequence[Any] = ()
    pairs: Sequence[Record] = ()
    spreads: Sequence[Record] = ()
    films: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    stills: Mapping[str, Any] = field(default_factory=dict)
    mixes: Sequence[Any] = ()
    activations: Sequence[Any] = ()
    provenance: Sequence[Record] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    commands: Sequence[str] = ()

    @property
    def seeds(self) -> list[int]:
        """The seeds of all that was read."""
        return sorted({int(item["seed"]) for item in (*self.results, *self.progress, *self.histories)})

    @property
    def remarks(self) -> list[str]:
        """Remarks of tasks on their own numbers, each with its place."""
        return sorted(
            f"{file['experiment']}, seed {file['seed']}, {stream} on {file['dataset']}: {'; '.join(said)}"
            for file in self.results
            for stream, said in file.get("remarks", {}).items()
        )

    @cached_property
    def training_videos(self) -> int:
        """The number of usable videos on the train side."""
        return sum(row.split == "train" for row in index.usable(list(self.index)))

    def shares_said(self, experiments: Iterable[str]) -> str:
        """A sentence on the experiments that read a share of the training videos; "" where all read all."""
        shares = {
            name: self.params["experiments"][name].get("videos", 1) for name in experiments if name in self.params.get("experiments", {})
        }
        said = [f"{name} {100 * share:g} %" for name, share in shares.items() if share < 1]
        return f"Share of the training videos that was read: {', '.join(said)}." if said else ""

    def modalities(self, stream: str) -> list[str]:
        """The modality of a stream; of fused ones all of them, in one order."""
        streams = self.params.get("streams", {})
        return sorted(streams.get(part, {}).get("modality", part) for part in stream.split("+"))

    def place(self, stream: str) -> tuple[int, list[tuple[int, str]]]:
        """A key that sorts streams as in the params, then the fused ones."""
        parts = stream.split("+")
        return len(parts), [rank(part, list(self.params.get("streams", {}))) for part in parts]

    def in_order(self, experiments: Iterable[str]) -> list[str]:
        """The baselines, then as in params.yaml, then by name."""
        known = [*BASELINES, *self.params.get("experiments", {})]
        return sorted(experiments, key=lambda name: rank(name, known))

    def sources(self) -> list[dict[str, Any]]:
        """One record a results file: what it measures and the hashes behind it."""
        order = self.in_order({file["experiment"] for file in (*self.results, *self.progress)})
        files = [
            {key: file[key] for key in ("experiment", "seed", "dataset")}
            | {"task": " ".join(filter(None, (str(file["task"]), file.get("training"))))}
            | {key: file["provenance"].get(key, "") for key in ("data", "code")}
            | {"weights": sorted((file["provenance"].get("weights") or {}).items())}
            | ({"made by": file["made by"]} if "made by" in file else {})
            for file in (*self.results, *self.progress)
        ]
        return sorted(files, key=lambda file: (file["dataset"], file["task"], order.index(file["experiment"]), int(file["seed"])))


def rank(name: str, known: Sequence[str]) -> tuple[int, str]:
    """A key that sorts by the place in `known`, what is not there last and by name."""
    return (known.index(name) if name in known else len(known)), name


def numbers(run: Run) -> list[dict[str, Any]]:
    """One record a number: its names, the value over seeds (`summarise`), and what belongs to its column.

    By dataset, task, metric, stream and experiment; what a task measured of no seed has no values. "hits": the `Hits` of each seed, or
    none where they are not known of all. Two results of the same experiment and seed raise InputError.
    """
    by_place: dict[tuple[str, ...], dict[int, float]] = defaultdict(dict)
    columns: dict[tuple[str, ...], Record] = {}
    hits: dict[tuple[str, ...], dict[int, Hits]] = defaultdict(dict)
    for result in run.results:
        dataset, task, experiment, seed = (result[key] for key in ("dataset", "task", "experiment", "seed"))
        for stream, metrics in result["values"].items():
            for metric, number in metrics.items():
                seeds = by_place[dataset, task, metric, stream, experiment]
                if seed in seeds:
                    raise InputError(f"two results of {experiment}, seed {seed} ({dataset}, {task}); give the report each seed once")
                seeds[int(seed)] = float(number)
                if signs := result.get("hits", {}).get("streams", {}).get(stream, {}).get(metric):
                    hits[dataset, task, metric, stream, experiment][int(seed)] = Hits(result["hits"]["videos"], signs)
                counts = {f"{split}_videos": result.get("counts", {}).get(split, 0) for split in ("train", "test")}
                about = {"chance": result.get("chance", {}).get(metric), "classes": result.get("counts", {}).get("classes", 0)} | counts
                columns.setdefault((dataset, task, metric), about)
    order = {task: (declared(task).get("order", math.inf), task) for _, task, _ in columns}
    made = []
    for dataset, task in sorted({key[:2] for key in columns}, key=lambda key: (key[0] != run.dataset, key[0], order[key[1]])):
        here = [place for place in by_place if place[:2] == (dataset, task)]
        metrics = sorted({place[2] for place in here}, key=lambda metric: rank(metric, list(declared(task).get("metrics", {}))))
        streams, experiments = sorted({place[3] for place in here}, key=run.place), run.in_order({place[4] for place in here})
        for place in itertools.product([dataset], [task], metrics, streams, experiments):
            names = dict(zip(("dataset", "task", "metric", "stream", "experiment"), place, strict=True))
            value, known = summarise(by_place.get(place, {})), hits.get(place, {})
            counted = [known[seed] for seed in value["seeds"]] if len(known) == len(value["seeds"]) else []
            made.append({**names, **value, **columns[place[:3]], "hits": counted})
    return made


def headlines(run: Run) -> dict[str, Any]:
    """The mean over seeds of each task's headline, for tools that show and compare numbers, as `dvc metrics`:
    {experiment: {dataset: {task: {stream: number}}}}."""
    found: dict[str, Any] = {}
    for number in numbers(run):
        if number["metric"] == headline(number["task"]) and number["mean"] is not None:
            place = found.setdefault(number["experiment"], {}).setdefault(number["dataset"], {}).setdefault(number["task"], {})
            place[number["stream"]] = number["mean"]
    return found


def losses(run: Run) -> str:
    """The loss of each training along its epochs as CSV, a column a training, for tools that draw curves, as `dvc plots`."""
    curves = {
        f"{history['experiment']}/{history['seed']}/{history['training']}": {row["epoch"]: row["loss"] for row in history["epochs"]}
        for history in run.histories
    }
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["epoch", *curves])
    for epoch in sorted({epoch for curve in curves.values() for epoch in curve}):
        table.writerow([epoch, *(curve.get(epoch, "") for curve in curves.values())])
    return text.getvalue()


def result(path: Path) -> dict[str, Any]:
    """A results file, of a task or along a training; raises InputError where it is none."""
    results: dict[str, Any] = read_json(path)
    about, kinds = {"experiment", "seed", "dataset", "task", "provenance"}, ({"values", "chance", "counts"}, {"training", "streams"})
    if not isinstance(results, dict) or not any(about | kind <= results.keys() for kind in kinds):
        raise InputError(f"{path} holds no results; delete it and run again")
    return results


def history(path: Path) -> dict[str, Any]:
    """.../{experiment}/{seed}/{training}.json as `Run.histories` has it; raises InputError where it is no training curve."""
    experiment, seed = path.parts[-3:-1]
    written = read_json(path)
    epochs = written.get("epochs") if isinstance(written, dict) else None
    if not isinstance(epochs, list) or not all(isinstance(row, dict) and {"epoch", "loss"} <= row.keys() for row in epochs):
        raise InputError(f"{path} holds no training curve; delete the weights beside it and run again")
    return {"experiment": experiment, "seed": int(seed), "training": path.stem, "epochs": epochs}


def trained(path: Path) -> dict[str, Any]:
    """The sources of the weights beside the history `path`, as `Run.provenance` has them."""
    path = path.with_suffix(".safetensors")
    made_from = weights.provenance(path)
    return {
        "artefact": "/".join(path.parts[-3:]),
        "sha256": sha256(path),
        "made from": made_from["weights"] or {"data": made_from["data"]},
        "code sha256": made_from["code"],
        "params": made_from["params"],
    }


def gather(
    params: dict[str, Any],
    index_path: Path,
    results: Sequence[Path],
    histories: Sequence[Path],
    *,
    progress: Sequence[Path] = (),
    target: str = "",
) -> Run:
    """Read the numbers of a page, from files that lie as `paths` says. Datasets get the names of their test sets (`paper.test_set`).

    target: the rule that makes the page again, '' for all.
    """
    rows = index.read(index_path)
    labels = {row.id: row.label for row in rows if row.label}

    def measured(path: Path) -> dict[str, Any]:
        file = result(path)
        names = {"dataset": paper.test_set(params, file["dataset"]), "made by": _command(file)}
        return file | names | _named(file, labels if file["dataset"] == params["dataset"]["name"] else {})

    return Run(
        params=params,
        dataset=paper.test_set(params, params["dataset"]["name"]),
        index=rows,
        unused=_unused(index_path.with_suffix(".json")),
        results=list(map(measured, results)),
        progress=list(map(measured, progress)),
        histories=list(map(history, histories)),
        provenance=list(map(trained, histories)),
        versions={name: importlib.metadata.version(name) for name in PACKAGES},
        commands=[" ".join(filter(None, ("snakemake --cores all", target, AGAIN)))],
    )


def _command(file: Record) -> str:
    """The command that makes a results file again from what it rests on."""
    experiment, dataset, seed = file["experiment"], file["dataset"], int(file["seed"])
    along = "training" in file
    made = paths.progress(experiment, file["training"], dataset, seed) if along else paths.results(experiment, dataset, file["task"], seed)
    return f"snakemake --cores all --force {made}"


def _named(file: Record, labels: Mapping[str, str]) -> dict[str, Any]:
    """The hits of a results file with a digest of the names of its test videos, for the same names are many in many files; and "classes".

    classes: {stream: {class: (right, videos)}} of the headline, by the `labels` of the videos.
    """
    if "hits" not in file:
        return {}
    videos, metric = file["hits"]["videos"], headline(file["task"])
    counted: dict[str, dict[str, list[int]]] = {}
    for stream, metrics in file["hits"]["streams"].items():
        classes = counted[stream] = defaultdict[str, list[int]](lambda: [0, 0])
        for video, sign in zip(videos, metrics.get(metric, ""), strict=False):
            if sign != "-" and video in labels:
                classes[labels[video]][0] += sign == "1"
                classes[labels[video]][1] += 1
    return {"hits": file["hits"] | {"videos": hashlib.sha256("\n".join(videos).encode()).hexdigest()}, "classes": counted}


def _unused(about: Path) -> Mapping[str, Record]:
    """The files that are not used, as the origin of an index names them; none where it lies elsewhere than its index."""
    unused: Mapping[str, Record] = read_json(about).get("unused", {}) if about.exists() else {}
    return unused
