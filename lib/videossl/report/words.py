"""Sentences on a run: what was run, what is better than untrained, how differences are judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from videossl.data.index import usable
from videossl.report import paper
from videossl.report.numbers import BASELINES, MARKS, Task, in_order
from videossl.report.run import Run

HEADS = {
    "better": "better than untrained",
    "worse": "worse than untrained",
    "unclear": "no clear difference from untrained",
    "handmade": "hand-made not clearly beaten",
}
NAMES_IN_LEAD = 4


class Phrase(NamedTuple):
    """A short statement on some streams; `listed` are (stream, experiment or "", points or "")."""

    word: str
    head: str
    listed: Sequence[tuple[str, str, str]] = ()

    @property
    def mark(self) -> str:
        """The sign of the verdict, as in the tables; empty where there is none."""
        return MARKS.get(self.word, "")

    def __str__(self) -> str:
        """Without the experiments: in a table of text a star marks the best."""
        streams = ", ".join(" ".join(filter(None, (stream, number))) for stream, _, number in self.listed)
        return f"{self.head}: {streams}" if streams else self.head


def phrases(task: Task) -> list[Phrase]:
    """Trained against untrained by verdict, at most three phrases, and one on the hand-made feature."""
    by_stream = {stream: {name: verdict for name in task.trained if (verdict := task.verdict(name, stream))} for stream in task.streams}
    if not task.trained:
        return [Phrase("missing", "no trained encoder to compare")]
    said = [] if any(by_stream.values()) else [Phrase("missing", "no untrained encoder to compare with")]
    better: set[str] = set()
    for word in ("better", "worse", "unclear"):
        listed = []
        for stream, verdicts in by_stream.items():
            differences = {name: verdict.difference for name, verdict in verdicts.items() if verdict.word == word}
            if differences and word != "unclear":
                largest = max(differences, key=lambda name: abs(differences[name]))
                listed.append((stream, largest, verdicts[largest].points))
            elif differences and stream not in better:
                listed.append((stream, "", ""))
        better |= {stream for stream, _, _ in listed if word == "better"}
        said += [Phrase(word, HEADS[word], listed)] if listed else []
    handmade = {stream: verdict for stream in task.streams if (verdict := task.against_handmade(stream))}
    lost = [(stream, "", verdict.points) for stream, verdict in handmade.items() if verdict.word != "better"]
    beaten = Phrase("handmade", "hand-made feature beaten wherever it was measured")
    return [*said, *([Phrase("handmade", HEADS["handmade"], lost)] if lost else [beaten] if handmade else [])]


def lead(run: Run) -> str:
    """The experiments and the videos of the run."""
    rows = usable(list(run.index))
    splits = Counter(row.split for row in rows)
    classes = len({row.label for row in rows if row.label})
    dropped = len(run.index) - len(rows)
    names = in_order(run, {item["experiment"] for item in (*run.results, *run.histories)} - BASELINES.keys())
    trained = f"{len(names)} experiments" if len(names) > NAMES_IN_LEAD else join_words(names) or "no experiment"
    return (
        f"This run trained {trained} on {paper.dataset_name(run.dataset)}: {count(splits['train'], 'training video')} and"
        f" {count(splits['test'], 'test video')} of {count(classes, 'labelled class', 'labelled classes')}"
        f"{f', {dropped:,} dropped' if dropped else ''}. {seeds_words(run.seeds)}."
    )


def seeds_words(seeds: Sequence[int]) -> str:
    """The seeds, and what their number makes of a value."""
    if len(seeds) > 1:
        return f"{len(seeds)} seeds ({', '.join(map(str, seeds))}), given as mean ± sample standard deviation"
    return f"One seed ({seeds[0]}), no spread" if seeds else "No seed recorded"


def errors(several: bool) -> str:
    """The source of the standard errors of downstream numbers, with several seeds or one."""
    source = "the number of test videos and the spread over seeds" if several else "the number of test videos alone: one seed, no spread"
    return f"The errors come from {source}."


def rule(run: Run) -> str:
    """The way in which a difference is judged, and what the number of seeds allows to say."""
    return f"Better, worse, beaten: by more than two standard errors, a rule of thumb. {errors(len({r['seed'] for r in run.results}) > 1)}"


def no_task_reason(run: Run) -> str:
    """The reason why there are no results, from the index and the params."""
    rows = usable(list(run.index))
    labels, splits = sorted({row.label for row in rows if row.label}), {row.split for row in rows}
    reasons = {
        "the index has no usable video": not rows,
        "no video has a label": not labels,
        f"there is only one class ({''.join(labels[:1])})": len(labels) == 1,
        "there are no test videos": "test" not in splits,
        "there are no training videos": "train" not in splits,
        "evaluate.tasks is empty in the params": not run.params.get("evaluate", {}).get("tasks", True),
    }
    return next((reason for reason, holds in reasons.items() if holds), "no results file was given to the report")


def count(number: int, one: str, many: str = "") -> str:
    """'1 video', '1,200 videos'."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def join_words(words: Sequence[str]) -> str:
    """'a, b and c'."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""
