"""The comparisons of docs/toy.md between frameworks, of a run whose target `frameworks` is made: `python docs/frameworks.py RUN [PICTURE.png]`.

Prints the paired differences as a table, and draws the curves of RGB and flow where a picture is named.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from videossl import paths
from videossl.files import read_json
from videossl.params import load
from videossl.report import paired

PAIRS = (
    ("simclr", "moco-60"),
    ("simclr-mixup", "simclr"),
    ("byol", "untrained"),
    ("rho-byol", "untrained"),
    ("rho-byol", "byol"),
    ("rho-byol-stc-mix", "rho-byol"),
    ("simclr", "rho-byol"),
    ("coclr", "moco-60"),
    ("coclr-stc-mix", "coclr"),
    ("coclr-stc-mix", "stc-mix"),
    ("stc-mix", "moco-60"),
)
STREAMS, TASKS = ("rgb", "flow", "rgb+flow"), (("linear", "accuracy"), ("retrieval", "R@1"))
COURSES = {
    "moco-60, then coclr": (("moco-60", "{}"), ("coclr", "{}-1"), ("coclr", "{}-2")),
    "simclr": (("simclr", "{}"),),
    "byol": (("byol", "{}"),),
    "rho-byol, then rho-byol-stc-mix": (("rho-byol", "{}"), ("rho-byol-stc-mix", "{}-1"), ("rho-byol-stc-mix", "{}-2")),
}
COLOURS = ("#3b6fb6", "#2f8f5b", "#e08a2e", "#b3403a")
MEASURES = {"accuracy": "own clip found, %", "rank": "effective rank", "spread": "spread of embeddings"}


def differences(run: Path, dataset: str, seeds: list[int]) -> Iterator[tuple[str, str, float, paired.Test]]:
    """Each pair, each stream and task: first less second in percent, and the test over seeds and test videos."""

    def hits(experiment: str, stream: str, task: str, metric: str) -> np.ndarray:
        """(S, V) int, 1 where a seed's encoder is right about a test video."""
        files = (read_json(run / paths.results(experiment, dataset, task, seed)) for seed in seeds)
        return np.array([[int(digit) for digit in file["hits"]["streams"][stream][metric]] for file in files])

    for first, second in PAIRS:
        for stream in STREAMS:
            for task in TASKS:
                apart = hits(first, stream, *task) - hits(second, stream, *task)
                yield f"{first} - {second}", stream, 100 * float(apart.mean()), paired.of_seeds_and_videos(apart)


def table(run: Path, dataset: str, seeds: list[int]) -> list[str]:
    """The lines of a table in Markdown; a star is clear after Holm's correction over all."""
    found = list(differences(run, dataset, seeds))
    levels = paired.levels([test.p for *_, test in found])
    cells: dict[str, dict[str, list[str]]] = {}
    for (pair, stream, by, test), level in zip(found, levels, strict=True):
        star = "*" if test.p <= level else ""
        cells.setdefault(pair, {}).setdefault(stream, []).append(f"{by:+.1f} ({test.p:.2g}{star})")
    head = [f"| linear probe / R@1 | {' | '.join(STREAMS)} |", "| --- " * (1 + len(STREAMS)) + "|"]
    return head + [f"| {pair} | {' | '.join(' / '.join(row[stream]) for stream in STREAMS)} |" for pair, row in cells.items()]


def curves(run: Path, seeds: list[int]) -> Figure:
    """The mean over seeds of what trainings measured of themselves, epoch by epoch, one training after the other."""
    figure = Figure(figsize=(7.2, 5), dpi=100, layout="constrained")
    for stream, row in zip(("rgb", "flow"), figure.subplots(2, len(MEASURES)), strict=True):
        for place, (measure, name) in zip(row, MEASURES.items(), strict=True):
            for (label, parts), colour in zip(COURSES.items(), COLOURS, strict=True):
                means = []
                for experiment, training in parts:
                    files = [read_json(run / paths.history(experiment, training.format(stream), seed)) for seed in seeds]
                    means += np.mean([[epoch[measure] for epoch in file["epochs"]] for file in files], axis=0).tolist()
                place.plot(range(1, len(means) + 1), means, color=colour, label=label, linewidth=1.2)
            place.set(title=f"{stream}: {name}", xlabel="epoch", ylim=(0, None))
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


if __name__ == "__main__":
    params = load.load(Path(sys.argv[1], "params.yaml"))
    print("\n".join(table(Path(sys.argv[1]), params["dataset"]["name"], params["seeds"])))
    if sys.argv[2:]:
        with rc_context({"font.family": "DejaVu Sans", "font.size": 9, "axes.titlesize": 9}):
            curves(Path(sys.argv[1]), params["seeds"]).savefig(sys.argv[2], pil_kwargs={"optimize": True})
