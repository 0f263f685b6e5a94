"""What the numbers say, in words: the summary of the page, and the results as plain text."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from videossl.data.index import usable
from videossl.report import paper
from videossl.report.numbers import BASELINES, MARKS, Task, Verdict, order_experiments, tasks
from videossl.report.run import Run

HEADS = {
    "better": "better than untrained",
    "worse": "worse than untrained",
    "unclear": "no clear difference from untrained",
    "handmade": "hand-made not clearly beaten",
}
NAMES_IN_LEAD = 4
LINE = 120
ASCII = str.maketrans({"±": "+-", "−": "-", "✓": "+", "✗": "x", "≈": "~", "–": "-", "ρ": "rho", "†": "", "²": "2"})


@dataclass(frozen=True)
class Phrase:
    """A short statement on some streams; `items` are (stream, experiment or "", points or "")."""

    word: str
    head: str
    items: Sequence[tuple[str, str, str]] = ()

    @property
    def mark(self) -> str:
        """The sign of the verdict, as in the tables; empty where there is none."""
        return MARKS.get(self.word, "")

    def __str__(self) -> str:
        """Without the experiments: in a table of text a star marks the best."""
        listed = ", ".join(" ".join(filter(None, (stream, number))) for stream, _, number in self.items)
        return f"{self.head}: {listed}" if listed else self.head


def lead(run: Run) -> str:
    """What was run, on what."""
    rows = usable(list(run.index))
    splits = Counter(row.split for row in rows)
    classes = len({row.label for row in rows if row.label})
    dropped = len(run.index) - len(rows)
    seeds = sorted({int(item["seed"]) for item in (*run.results, *run.histories)})
    dataset = paper.dataset_name(run.dataset)
    return (
        f"This run trained {_trained(run)} on {dataset}: {count(splits['train'], 'training video')} and"
        f" {count(splits['test'], 'test video')} of {count(classes, 'labelled class', 'labelled classes')}"
        f"{f', {dropped:,} dropped' if dropped else ''}. {seeds_words(seeds)}."
    )


def _trained(run: Run) -> str:
    names = {item["experiment"] for item in (*run.results, *run.histories)} - BASELINES.keys()
    ordered = order_experiments(run, names)
    return f"{len(ordered)} experiments" if len(ordered) > NAMES_IN_LEAD else join_words(ordered) or "no experiment"


def seeds_words(seeds: Sequence[int]) -> str:
    """Which seeds there are, and what that makes of the numbers."""
    if len(seeds) > 1:
        return f"{len(seeds)} seeds ({', '.join(map(str, seeds))}), given as mean ± sample standard deviation"
    return f"One seed ({seeds[0]}), no spread" if seeds else "No seed recorded"


def phrases(task: Task) -> list[Phrase]:
    """Trained against untrained by verdict, at most three phrases, and one on the hand-made feature."""
    verdicts = {stream: {name: verdict for name in task.trained if (verdict := task.verdict(name, stream))} for stream in task.streams}
    if not task.trained:
        return [Phrase("missing", "no trained encoder to compare")]
    if not any(verdicts.values()):
        return [Phrase("missing", "no untrained encoder to compare with"), *_handmade(task)]
    better = [item for stream, found in verdicts.items() for item in _extreme(stream, found, "better")]
    worse = [item for stream, found in verdicts.items() for item in _extreme(stream, found, "worse")]
    won = {stream for stream, _, _ in better}
    unclear = [(stream, "", "") for stream, found in verdicts.items() if stream not in won and _has(found, "unclear")]
    listed = {"better": better, "worse": worse, "unclear": unclear}
    return [*(Phrase(word, HEADS[word], items) for word, items in listed.items() if items), *_handmade(task)]


def _extreme(stream: str, verdicts: Mapping[str, Verdict], word: str) -> list[tuple[str, str, str]]:
    """The experiment with the largest difference of that verdict, none or one."""
    found = {name: verdict for name, verdict in verdicts.items() if verdict.word == word}
    if not found:
        return []
    name = max(found, key=lambda name: abs(found[name].difference))
    return [(stream, name, found[name].points)]


def _has(verdicts: Mapping[str, Verdict], word: str) -> bool:
    return any(verdict.word == word for verdict in verdicts.values())


def _handmade(task: Task) -> list[Phrase]:
    """Where the best trained encoder is not clearly better than the hand-made feature; nothing where there is none."""
    found = {stream: verdict for stream in task.streams if (verdict := task.against_handmade(stream))}
    lost = [(stream, "", verdict.points) for stream, verdict in found.items() if verdict.word != "better"]
    if lost:
        return [Phrase("handmade", HEADS["handmade"], lost)]
    return [Phrase("handmade", "hand-made feature beaten wherever it was measured")] if found else []


def rule(run: Run) -> str:
    """How a difference is judged, and what the number of seeds allows to say."""
    return f"Better, worse, beaten: by more than two standard errors, a rule of thumb. {errors(len({r['seed'] for r in run.results}) > 1)}"


def errors(several: bool) -> str:
    """Where the standard errors of downstream numbers come from, with several seeds or one."""
    source = "the number of test videos and the spread over seeds" if several else "the number of test videos alone: one seed, no spread"
    return f"The errors come from {source}."


def scale(run: Run) -> str:
    """The clips and the width of each stream's encoder, as far as the params say."""
    return "; ".join(filter(None, (_clip(*stream) for stream in run.params.get("streams", {}).items())))


def _clip(name: str, stream: Mapping[str, Any]) -> str:
    clip = stream.get("clip", {})
    if "frames" not in clip:
        return ""
    size = f" of {clip['size']} pixels" if "size" in clip else ""
    width = f", width {stream['width']:g}" if "width" in stream else ""
    return f"{name} in {clip['frames']} frames{size}{width}"


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


def count(number: int, one: str, many: str = "") -> str:
    """'1 video', '1,200 videos'."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def join_words(words: Sequence[str]) -> str:
    """'a, b and c'."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


# The results as plain text.


def terminal_table(run: Run) -> str:
    """The results as ASCII text: a table a task, and in at most three lines what beat the untrained encoder."""
    found = tasks(run)
    if not found:
        return f"No supervised task was run: {no_task_reason(run)}."
    end = fill(f"* best trained. {rule(run)}")
    return ascii_only("\n\n".join([*map(_text_table, found), end]))


def _text_table(task: Task) -> str:
    rows = [["", *task.streams]]
    if task.metric in task.chance:
        rows.append(["chance", *[f"{task.measure.text(task.chance[task.metric])}  "] * len(task.streams)])
    for name in task.experiments:
        rows.append([BASELINES.get(name, name), *[_text_cell(task, name, stream) for stream in task.streams]])
    head = ", ".join(filter(None, (f"{task.title} on {task.dataset}", task.metric, task.measure.words)))
    return "\n".join([head, *aligned(rows), *_text_phrases(task)])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines: the first column flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))] for row in rows)
    return ["  ".join(cells).rstrip() for cells in padded]


def _text_cell(task: Task, experiment: str, stream: str) -> str:
    value = task.value(experiment, stream)
    return ascii_only(f"{value}{' *' if task.is_best(experiment, stream) else '  '}") if value else "-  "


def _text_phrases(task: Task) -> list[str]:
    """Three lines: what is better; what is worse or unclear; the hand-made feature. Cut where one is too long."""
    groups: list[list[str]] = [[], [], []]
    for phrase in phrases(task):
        groups[{"better": 0, "missing": 0, "handmade": 2}.get(phrase.word, 1)].append(str(phrase))
    return [textwrap.shorten("; ".join(group), LINE, placeholder=" ...") for group in groups if group]


def fill(text: str) -> str:
    """`text` in lines of at most LINE characters."""
    return textwrap.fill(text, LINE, break_on_hyphens=False)


def ascii_only(text: str) -> str:
    """`text` for a terminal that knows no other signs."""
    return text.translate(ASCII).encode("ascii", "replace").decode()
