"""The trainings behind an encoder, one after the other, and their curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from videossl.params import recipes
from videossl.params.recipes import Training
from videossl.report.run import Run

Rows = Sequence[Mapping[str, Any]]


class Span(NamedTuple):
    """A training behind an encoder, and the epochs before and after it, counted from the first."""

    experiment: str
    training: str
    start: int
    stop: int


def trainings(params: Mapping[str, Any], experiment: str, stream: str) -> list[Training]:
    """All trainings in order; [] where the params have no such encoder."""
    return recipes.chain(dict(params), experiment, stream) if experiment in params.get("experiments", {}) else []


def spans(params: Mapping[str, Any], experiment: str, stream: str) -> list[Span]:
    """The trainings with their epochs."""
    result: list[Span] = []
    for job in trainings(params, experiment, stream):
        start = result[-1].stop if result else 0
        result.append(Span(job.experiment, job.name, start, start + recipes.epochs(dict(params), job)))
    return result


def epochs(params: Mapping[str, Any], experiment: str, stream: str) -> int | None:
    """Epochs of one encoder over all its trainings; None where the params have no such encoder."""
    return next((span.stop for span in reversed(spans(params, experiment, stream))), None)


def named(params: Mapping[str, Any], experiment: str, training: str) -> str:
    """A training with its method: 'rgb-1 (cmmc)'."""
    method = params.get("experiments", {}).get(experiment, {}).get("method")
    return f"{training} ({method})" if method else training


def settings(params: Mapping[str, Any], experiment: str, stream: str) -> dict[str, Any]:
    """How an experiment trains a stream; {} where the params have no such encoder."""
    if not trainings(params, experiment, stream):
        return {}
    method = params["experiments"][experiment]["method"]
    return {key: setting.value for key, setting in recipes.settings(dict(params), stream, method, experiment).items()}


def candidates(params: Mapping[str, Any], experiment: str, stream: str) -> int | None:
    """How many keys a view is told apart among, where the method says which settings make them up."""
    chosen = settings(params, experiment, stream)
    keys = recipes.method(dict(params), experiment).get("candidates", []) if chosen else []
    return sum(chosen[key] for key in keys) or None


def streams(params: Mapping[str, Any], experiment: str, training: str) -> tuple[str, ...]:
    """What a training trains; its own name where the params do not have it."""
    jobs = recipes.trainings(dict(params), experiment) if experiment in params.get("experiments", {}) else []
    return next((job.streams for job in jobs if job.name == training), (training,))


def histories(run: Run, experiment: str, stream: str, seed: int) -> list[Mapping[str, Any]]:
    """The training curves of one encoder in order, those that are there, each with its `name` and its `candidates`."""
    curves = {(one["experiment"], one["training"]): one for one in run.histories if one["seed"] == seed and one["epochs"]}
    wanted = [(job.experiment, job.name) for job in trainings(run.params, experiment, stream)] or [(experiment, stream)]
    about = {key: {"name": named(run.params, *key), "candidates": candidates(run.params, key[0], stream)} for key in wanted}
    return [{**curves[key], **about[key], "epochs": of_stream(curves[key]["epochs"], stream)} for key in wanted if key in curves]


def of_stream(epochs: Rows, stream: str) -> Rows:
    """The curve of one stream: of what a training of several measures of each, as "loss/joint", its own, as "loss"."""
    own = f"/{stream}"
    return [
        {key: value for key, value in row.items() if "/" not in key}
        | {key.removesuffix(own): value for key, value in row.items() if key.endswith(own)}
        for row in epochs
    ]
