"""dvc-yaml: write dvc.yaml for the params of the active run.

DVC's stages are the rules at the grain a person thinks in. What a stage depends on is not written twice: its params are
the slices its rules get, its code is what their scripts import and the things that they use. Run after params.yaml gains or
loses an experiment, a stream or a setting, or a module an import; a test and `record` refuse a dvc.yaml that is out of date.
"""

from __future__ import annotations

import hashlib
import tokenize
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import click
import yaml

from videossl import job_code, paths, registry, script
from videossl.params import load, recipes, run_plan, slices
from videossl.params.recipes import Params

HEADER = """\
# What is tracked and when it is stale, at the grain a person thinks in. Written by `make dvc.yaml` from params.yaml, the
# rules' slices of it and the scripts' imports: edit those. A stage's command calls Snakemake for that stage's target and
# for no other rule's; the digest behind it stands for the rules. `persist` leaves what is still good to Snakemake.
"""


NUMBERS, LOSSES = "data/report/index.json", "data/report/index-losses.csv"
"""The headlines of a run, for `dvc metrics`, and the losses of its trainings, for `dvc plots`."""


class Stage:
    """A stage of dvc.yaml, gathered job by job: Snakemake's `target`, a rule or files, and stages/`smk`.smk, which its rules stand in."""

    def __init__(self, target: str, smk: str, deps: Iterable[str], outs: Iterable[str]) -> None:
        self.target, self.smk, self.deps, self.outs = target, smk, list(dict.fromkeys(deps)), list(outs)
        self.rules: dict[str, None] = {}
        self.keys: set[str] = set()
        self.files: set[str] = set()

    def job(self, rule: str, script: str, keys: Iterable[str], things: Iterable[str] = ()) -> Stage:
        """Add a job by `rule`: its script, the keys of params that its slice rests on, and the files of the things that it uses."""
        self.rules[rule] = None
        self.keys |= set(keys)
        self.files |= set(job_code.closure(f"stages/{script}.py", *things))
        return self

    def written(self) -> dict[str, Any]:
        """The stage as it stands in dvc.yaml."""
        allowed = [*self.rules] if self.target in self.rules or "/" in self.target else [*self.rules, self.target]
        deps = [*self.deps, *sorted(self.files)]
        return {
            "cmd": f"snakemake {self.target} --allowed-rules {' '.join(allowed)} # rules {rules_digest(self.smk)}",
            "params": sorted(self.keys),
            "deps": [path.replace("${", r"\${") for path in deps],  # a folder of the user's may have a name that DVC would fill in
            "outs": [{out: {"persist": True}} for out in self.outs],
        }


@cache
def rules_digest(smk: str) -> str:
    """Eight hex digits for the rules in stages/`smk`.smk, without comments and line breaks: those make no stage stale, as with Snakemake."""
    with (job_code.ROOT / f"stages/{smk}.smk").open(encoding="utf-8") as file:
        tokens = [token for token in tokenize.generate_tokens(file.readline) if token.type not in (tokenize.COMMENT, tokenize.NL)]
    return hashlib.sha256("\0".join(token.string for token in tokens).encode()).hexdigest()[:8]


def stages(params: Params) -> dict[str, Stage]:
    """The stages of dvc.yaml: what the target `all` makes."""
    result: dict[str, Stage] = {}
    for dataset in run_plan.datasets(params):
        result |= _data(params, dataset)
    for experiment in recipes.with_starts(params, params["all"]):
        if "feasible" in recipes.method(params, experiment):
            result[f"feasible-{experiment}"] = _feasible(params, experiment)
        result[f"train-{experiment}"] = _train(params, experiment)
    measured = [*run_plan.BASELINES, *params["all"]] if params["evaluate"]["tasks"] else _drawn(params)
    result |= {f"evaluate-{experiment}": _evaluate(params, experiment) for experiment in measured}
    result["report"] = _report(params, measured)
    return result


def _data(params: Params, dataset: str) -> dict[str, Stage]:
    """The stages of one dataset up to its cache; those of `transfer` bear its name."""
    first = dataset == params["dataset"]["name"]
    rule, suffix = ("", "") if first else (f"_{dataset}", f"-{dataset}")
    index, about, measurable = paths.index(dataset), paths.index_about(dataset), paths.measurable(dataset)
    raw, things = paths.raw(dataset, run_plan.is_rendered(dataset)), registry.files("datasets", dataset)
    made = {
        "download": Stage(f"download{rule}", "data", [], [raw]).job(
            f"download{rule}", "download", slices.keys(slices.dataset(params, dataset)), things
        ),
        "index": Stage(f"{index} {about}", "data", [raw, *run_plan.brought(params, dataset)], [index, about]).job(
            "index", "index", slices.keys(slices.index(params, dataset)), things
        ),
        "measurable": Stage(measurable, "measure", [index], [measurable]).job(
            "measurable", "measurable", slices.measurable_keys(params, dataset), registry.used(slices.measurable(params, dataset))
        ),
    }
    if dataset not in run_plan.checked_datasets(params):
        del made["measurable"]
    for cached in run_plan.cached_modalities(params, dataset):
        extractor = run_plan.extractor(params, cached)
        module = extractor["module"]
        section = registry.declared("modalities", cached).get("section", {}).get("name")
        weights = [path for name, path in run_plan.brought_weights(params).items() if name == section]
        keys = slices.keys(slices.extraction(params, cached, dataset))
        made[module] = Stage(f"all_{module}{rule}", "extract", [index, *weights], [paths.cache(dataset, cached)]).job(
            module, "extract", keys, run_plan.extraction_files(params, cached, dataset)
        )
    if not first:
        for stage in made.values():
            stage.keys = {"transfer" if key.startswith("dataset") else key for key in stage.keys}
    return {f"{name}{suffix}": stage for name, stage in made.items()}


def _feasible(params: Params, experiment: str) -> Stage:
    out = paths.feasible(experiment)
    things = registry.used(slices.feasible(params, experiment))
    return Stage(out, "train", run_plan.recipe_files(params, experiment), [out]).job(
        "feasible", "feasible", slices.feasible_keys(params, experiment), things
    )


def _train(params: Params, experiment: str) -> Stage:
    """All trainings of an experiment."""
    seed, jobs = params["seed"], recipes.trainings(params, experiment)
    frozen = {job: recipes.frozen(params, job) for job in jobs}
    behind = [start for job in jobs for start in recipes.starts(params, job).values()]
    behind += [training for job in jobs for _, training in frozen[job].values()]
    streams = [name for job in jobs for name in (*job.streams, *(stream for stream, _ in frozen[job].values()))]
    deps = [paths.index(params["dataset"]["name"]), *_caches(params, streams)]
    deps += [paths.weights(job.experiment, job.name, seed) for job in behind if job.experiment != experiment]
    deps += [paths.feasible(experiment)] if "feasible" in recipes.method(params, experiment) else []
    stage = Stage(f"train_{experiment}", "train", deps, [paths.models(experiment, seed)])
    for job in jobs:
        stage.job("train", "train", slices.training_keys(params, job), registry.used(slices.training(params, job)))
    return stage


def _drawn(params: Params) -> list[str]:
    """The experiments whose features the report draws."""
    return [name for name in params["all"] if run_plan.measured(params, name, params["dataset"]["name"])]


def _evaluate(params: Params, experiment: str) -> Stage:
    """The stage that measures an experiment on all datasets."""
    seed, tasks = params["seed"], run_plan.tasks_of(params, experiment)
    measured = {name: names for name in run_plan.datasets(params) if (names := run_plan.measured(params, experiment, name))}
    streams = list(dict.fromkeys(stream for names in measured.values() for stream in names))
    deps = [path for name, names in measured.items() for path in (paths.index(name), *_caches(params, names, name))]
    if experiment in params["experiments"]:
        newest = [recipes.chain(params, experiment, stream)[-1] for stream in streams]
        deps += [paths.weights(job.experiment, job.name, seed) for job in newest]
    kinds = ("features", "results") if tasks else ("features",)
    stage = Stage(f"evaluate_{experiment}", "measure", deps, [f"data/{kind}/{experiment}/{seed}" for kind in kinds])
    for stream in measured.get(params["dataset"]["name"], []) if experiment in params["experiments"] else []:
        part = slices.features(params, stream)
        stage.job("features", "features", slices.keys(part), registry.used(part))
    for task in tasks:
        for stream in streams:
            if registry.declared("tasks", task)["given"] == "encoder":
                things = registry.used(slices.finetune(params, task, stream))
                stage.job("finetune", "finetune", slices.finetune_keys(params, task, stream), things)
            else:
                part = slices.features(params, stream)
                stage.job("features", "features", slices.keys(part), registry.used(part))
        stage.job("score", "score", slices.keys(slices.score(params, task)), registry.files("tasks", task))
    return stage


def _report(params: Params, measured: Sequence[str]) -> Stage:
    seed = params["seed"]
    deps = [
        paths.index(params["dataset"]["name"]),
        paths.index_about(params["dataset"]["name"]),
        *map(paths.measurable, run_plan.checked_datasets(params)),
        *_caches(params, params["streams"]),
    ]
    deps += [f"data/results/{experiment}/{seed}" for experiment in measured if run_plan.tasks_of(params, experiment)]
    deps += [paths.models(name, seed) for name in recipes.with_starts(params, params["all"])]
    deps += [f"data/features/{experiment}/{seed}" for experiment in _drawn(params)]
    part = slices.report(params)
    return Stage("report", "report", deps, ["data/report/index.html", NUMBERS, LOSSES]).job(
        "report", "report", slices.keys(part), registry.drawn(part)
    )


def _caches(params: Params, streams: Iterable[str], dataset: str = "") -> list[str]:
    """The folders of the cache that `streams` are read from."""
    name = dataset or params["dataset"]["name"]
    return sorted({paths.cache(name, run_plan.cached_modality(params["streams"][stream]["modality"])) for stream in streams})


def as_written(keys: Iterable[str], written: Any) -> list[str]:
    """The dotted `keys` as DVC finds them in the params that a person wrote.

    A key that is left out stands for the mapping above it, so that DVC notices when it is put in. Within a stream it stands for nothing:
    a whole stream has settings of trainings that the stage does not rest on. There `--check` notices the new key.
    """
    present = {_above(key, written) for key in keys}
    tracked = {key for key in present if not (key.startswith("streams.") and key.count(".") == 1)}
    return sorted(key for key in tracked if not any(key.startswith(f"{other}.") for other in tracked))


def _above(key: str, written: Any) -> str:
    """`key`, or the nearest above it that is there: `dataset` for `dataset.root` in `dataset: ucf101`."""
    parts, node = key.split("."), written
    for depth, part in enumerate(parts):
        if not isinstance(node, dict) or part not in node:
            return ".".join(parts[:depth])
        node = node[part]
    return key


def text(params: Params, written: Any) -> str:
    """dvc.yaml, whole. written: the params as a person wrote them."""
    made = {name: stage.written() for name, stage in stages(params).items()}
    for stage in made.values():
        stage["params"] = as_written(stage["params"], written)
    whole = {"stages": made, "metrics": [NUMBERS], "plots": _plots(params)}
    return HEADER + "\n" + yaml.safe_dump(whole, sort_keys=False, width=140, allow_unicode=True)


def _plots(params: Params) -> list[dict[str, Any]]:
    """The curves that `dvc plots` draws: the loss of all trainings, a picture an experiment."""
    shown = {
        name: [f"{job.experiment}/{params['seed']}/{job.name}" for job in recipes.trainings(params, name) if recipes.epochs(params, job)]
        for name in recipes.with_starts(params, params["all"])
    }
    return [{f"loss of {name}": {"x": "epoch", "y": {LOSSES: columns}, "y_label": "loss"}} for name, columns in shown.items() if columns]


@click.command(epilog="Example: videossl dvc-yaml")
@click.option("--check", is_flag=True, help="Write nothing, and fail if dvc.yaml is out of date.")
def command(check: bool) -> None:
    """Write dvc.yaml for this params.yaml."""
    write(check)


def write(check: bool = False) -> None:
    """Write dvc.yaml, or raise InputError where `check` finds it out of date."""
    script.generate(Path("dvc.yaml"), text(load.load("params.yaml"), load.written("params.yaml")), check, "run `make dvc.yaml`")
