"""The slice that each job gets, and the keys that both engines take it to rest on."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from tests.conftest import REPOSITORY
from tests.params.made import put, separate

from videossl import registry
from videossl.errors import InputError
from videossl.params import load, recipes, run_plan, slices
from videossl.params.recipes import Params


def test_a_slice_holds_what_its_job_needs_and_no_more(good: Params) -> None:
    job = recipes.training(good, "mixup", "rgb")
    before = copy.deepcopy(slices.training(good, job))
    put(good, "streams.flow.train.moco.lr", 1.0)
    put(good, "streams.rgb.train.cmmc.lr", 1.0)
    put(good, "evaluate.clips", 9)
    assert slices.training(good, job) == before
    put(good, "streams.rgb.train.moco.lr", 1.0)
    assert slices.training(good, job) != before


def test_how_many_trainings_there_are_is_in_a_slice_only_where_they_share_epochs(good: Params) -> None:
    job = recipes.training(good, "stc-mix", "rgb-1")
    before = slices.training(good, job)
    put(good, "experiments.stc-mix.stages", 6)
    assert slices.training(good, job) == before
    put(good, "experiments.stc-mix.epochs", 30)
    assert slices.training(good, job)["training"]["epochs"] == 10
    put(good, "experiments.stc-mix.stages", 4)
    assert slices.training(good, job)["training"]["epochs"] == 15


def test_a_training_gets_its_own_part_of_a_setting_by_stream(good: Params) -> None:
    part = slices.training(good, recipes.training(good, "stc-mix-pose", "rgb-1"))["settings"]["rgb"]
    assert part["patch"] == {"rgb": [4, 4]} and part["layers"] == {"rgb": 4, "joint": 8}


def test_what_extraction_gets(good: Params) -> None:
    where, how = {"dataset": {"name": "toy", "root": "data/raw/toy"}}, {"cache": good["cache"], "index": {"fps": 30}}
    assert slices.extraction(good, "rgb", "toy") == where | how
    assert slices.extraction(good, "flow", "toy") == where | how | {"flow": good["flow"]}
    assert slices.extraction(good, "joint", "toy") == where | {"cache": {"shards": good["cache"]["shards"]}}


def test_the_slice_of_mining_is_of_both_streams_and_of_nothing_else(chained: Params) -> None:
    job = recipes.training(chained, "mined-half", "motion+joint")
    before = copy.deepcopy(slices.training(chained, job))
    assert list(before["streams"]) == list(before["settings"]) == ["motion", "joint"]
    assert before["training"] == {
        "name": "motion+joint",
        "streams": ["motion", "joint"],
        "frozen": {},
        "draws": ["mining"],
        "epochs": 2,
        "videos": 1,
        "keep": 0,
    }
    for other in ("moco", "cmmc", "finetune"):
        put(chained, f"streams.joint.train.{other}", {"lr": 1.0})
    assert slices.training(chained, job) == before
    put(chained, "streams.joint.train.crossclr", {"lr": 1.0})
    assert slices.training(chained, job) != before


def test_trainings_know_of_their_arithmetic_and_nothing_else_does(good: Params) -> None:
    first = recipes.training(good, "mixup", "rgb")

    def parts(params: Params) -> list[Params]:
        return [slices.training(params, first), slices.finetune(params, "finetune", "rgb")]

    def others(params: Params) -> list[Params]:
        return [slices.features(params, "rgb"), slices.score(params, "linear"), slices.progress(params, first)]

    plain, changed = parts(good), good | {"precision": "bf16", "deterministic": False}
    assert parts(changed) == [part | {"precision": "bf16", "deterministic": False} for part in plain]
    assert not any("precision" in part for part in plain), "what was trained before stays as it is"
    assert others(changed) == others(good)


# ----------------------------------------------------------------------------------------------------------------
# Both engines rerun the same


Job = tuple[str, set[str]]


def jobs(params: Params) -> dict[str, dict[str, Job]]:
    """The jobs of a run, by what DVC calls one stage, or a part of one.

    Of each, what Snakemake sees of it, which is its slice and whose weights it takes; and the keys of params that it is said to rest on.
    """
    single = {f"features {stream}": slices.features(params, stream) for stream in params["streams"]}
    single |= {f"score {task}": slices.score(params, task) for task in params["evaluate"]["tasks"]}
    single |= {"report": slices.report(params)}
    single |= {f"compare {target}": slices.compare(params, target) for target in params["targets"]}
    result = {name: {"": (json.dumps(part), slices.keys(part))} for name, part in single.items()}
    for dataset in run_plan.datasets(params):
        result |= jobs_of_dataset(params, dataset)
        part = json.dumps(slices.measurable(params, dataset))
        result |= {f"measurable {dataset}": {"": (part, slices.measurable_keys(params, dataset))}}
    for experiment in params["experiments"]:
        result |= jobs_of_experiment(params, experiment)
    for task in params["evaluate"]["tasks"]:
        if registry.declared("tasks", task)["given"] == "encoder":
            for stream in params["streams"]:
                keys = slices.finetune_keys(params, task, stream)
                result[f"{task} {stream}"] = {"": (json.dumps(slices.finetune(params, task, stream)), keys)}
    return result


def jobs_of_dataset(params: Params, dataset: str) -> dict[str, dict[str, Job]]:
    parts = {"download": slices.dataset(params, dataset), "index": slices.index(params, dataset)}
    parts |= {f"extract {source}": slices.extraction(params, source, dataset) for source in run_plan.cached_modalities(params, dataset)}
    result = {}
    for name, part in parts.items():
        keys = slices.keys(part)
        if dataset != params["dataset"]["name"]:  # DVC looks at `transfer`, then
            keys = {"transfer" if key.startswith("dataset") else key for key in keys}
        result[f"{name} {dataset}"] = {"": (json.dumps(part), keys)}
    return result


def jobs_of_experiment(params: Params, experiment: str) -> dict[str, dict[str, Job]]:
    result: dict[str, dict[str, Job]] = {f"train {experiment}": {}}
    for job in recipes.trainings(params, experiment):
        weights = [*recipes.starts(params, job).values(), *(made for _, made in recipes.frozen(params, job).values())]
        seen = json.dumps([slices.training(params, job), [made.experiment for made in weights]])
        result[f"train {experiment}"][job.name] = (seen, slices.training_keys(params, job))
        part = slices.progress(params, job)
        result[f"progress {experiment} {job.name}"] = {"": (json.dumps(part), slices.keys(part))}
    if "feasible" in recipes.method(params, experiment):
        part, keys = slices.feasible(params, experiment), slices.feasible_keys(params, experiment)
        result[f"feasible {experiment}"] = {"": (json.dumps(part), keys)}
    return result


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key whose value is no mapping with keys of its own."""
    if not isinstance(node, dict) or not node:
        yield prefix, node
        return
    for key, value in node.items():
        yield from leaves(value, f"{prefix}.{key}" if prefix else key)


def fits(params: Params, experiment: str, method: str = "", streams: Sequence[str] = (), framework: str = "") -> bool:
    """Whether an experiment has all settings of another method or framework, for its streams or others."""
    recipe = params["experiments"][experiment]
    recipe = recipe | ({"method": method} if method else {}) | ({"framework": framework} if framework else {})
    changed = params | {"experiments": {**params["experiments"], experiment: recipe}}
    if registry.method(recipe)["trains"] == "in turn" and "stages" not in recipe:
        return False
    try:
        return all(recipes.settings(changed, stream, recipe["method"], experiment) for stream in streams or recipe["streams"])
    except InputError:
        return False


def other(params: Params, key: str, value: Any) -> Any:
    """Another value for `key`, of which everything can be sliced; it need not be one that makes sense."""
    last = key.rpartition(".")[2]
    if key.startswith("experiments.") and last == "method":
        return next((name for name in registry.names("methods") if name != value and fits(params, key.split(".")[1], name)), None)
    if key.startswith("experiments.") and last == "from":
        experiment = key.split(".")[1]
        streams = set(params["experiments"][experiment]["streams"])
        fit = [name for name, recipe in params["experiments"].items() if streams <= set(recipe["streams"]) and name != value]
        return next((name for name in fit if experiment not in recipes.with_starts(params, [name])), None)
    if key.startswith("experiments.") and last == "streams":
        experiment = key.split(".")[1]
        if recipes.method(params, experiment)["trains"] != "alone":
            return value[::-1]
        method = params["experiments"][experiment]["method"]
        unused = [name for name in params["streams"] if name not in value and fits(params, experiment, method, [name])]
        return [*value, *unused] if unused else None
    if key.startswith("experiments.") and last == "framework":
        return next((name for name in registry.frameworks() if name != value and fits(params, key.split(".")[1], framework=name)), None)
    choices = {
        "modality": {"rgb": "flow", "flow": "rgb", "joint": "motion", "motion": "joint"},
        "encoder": {"s3d": "st-gcn", "st-gcn": "s3d"},
        "backend": {"tvl1": "dis", "dis": "tvl1"},
    }
    if last in choices:
        return choices[last].get(value)
    if key == "all":
        return value[:1]
    if key == "transfer":
        return [{**entry, "split": entry["split"] + 1, "root": "elsewhere"} for entry in value] or None
    if isinstance(value, list):
        return value[:-1] if last in ("experiments", "streams", "datasets", "tasks") and len(value) > 1 else [*value, *value[:1]]
    if isinstance(value, dict | None):
        return {"sed": 1} if last == "options" else None
    if isinstance(value, str):
        return f"{value}x"
    return not value if isinstance(value, bool) else value * 2 or 1


def covered(leaf: str, keys: set[str]) -> bool:
    return any(leaf == key or leaf.startswith(f"{key}.") for key in keys)


def changed(before: dict[str, Job], after: dict[str, Job]) -> bool:
    """Whether a stage has anything to do: a job of it has another slice or other weights, or is new."""
    return {name: part for name, (part, _) in before.items()} != {name: part for name, (part, _) in after.items()}


def looked_at_for_nothing(params: Params, stage: str, leaf: str) -> bool:
    """Whether DVC may look at a leaf that no job of the stage gets."""
    kind, _, name = stage.partition(" ")
    if kind == "measurable":  # which tasks there are: DVC can't look at the keys of a mapping alone
        return leaf.startswith("evaluate.tasks.") or leaf.endswith((".method", ".streams"))
    if kind == "index":  # whether people are detected in the videos: the section as a whole
        return leaf.startswith("skeleton.")
    if leaf == f"experiments.{name}.streams":  # in which order, which is nothing to manifold mixup
        return kind == "train"
    together = kind == "train" and recipes.method(params, name)["trains"] == "together"
    return together and leaf.startswith("streams.") and leaf.endswith(".epochs")  # of the second stream, which must be the first's


@pytest.mark.parametrize("file", ["params.yaml", "tests/pipeline/tiny.yaml", "presets/ucf101.yaml", "presets/folder-pose.yaml"])
def test_a_change_of_any_one_key_reruns_the_same_in_both_engines(file: str) -> None:
    """Snakemake reruns the jobs whose slices, or inputs, change, and DVC the stages that name the key."""
    params = separate(REPOSITORY / file)
    before = jobs(params)
    tried = 0
    for leaf, value in leaves(params):
        if (new := other(params, leaf, value)) is None:
            continue
        tried += 1
        put(params, leaf, new)
        after = jobs(params)
        put(params, leaf, value)
        for stage in before.keys() & after.keys():
            assert leaf != "seed" or changed(before[stage], after[stage]) == (stage == "report")
            looked_at = covered(leaf, set().union(*(keys for _, keys in before[stage].values())))
            if leaf == "all":  # which says what there is: the stages themselves
                continue
            if changed(before[stage], after[stage]):
                assert looked_at, f"{stage} changes with {leaf}, and DVC would not notice"
            else:
                assert not looked_at or looked_at_for_nothing(params, stage, leaf), (
                    f"{stage} does not change with {leaf}, and DVC would rerun it"
                )
    assert tried > 60


@pytest.mark.parametrize(
    ("leaf", "stages"),
    [
        ("flow.bound", {"extract flow toy", "report"}),
        ("index.max_dropped", {"index toy", "report"}),
        ("evaluate.tasks.linear.iterations", {"score linear"}),
        ("evaluate.fused", {f"score {task}" for task in ("retrieval", "linear", "linear-few", "finetune", "finetune-few")}),
        ("streams.rgb.train.finetune.lr", {"finetune rgb"}),
        ("streams.motion.train.crossclr.lr", {"train crossclr", "train crossclr-cmmc"}),
        ("experiments.videomix.mixing", {"train videomix"}),
        ("experiments.mixup.keep", {"train mixup"}),
        ("experiments.stc-mix-pose.paper", set()),
        ("targets.figure2.tasks", set()),
    ],
)
def test_what_reruns_after_a_change_by_hand(good: Params, leaf: str, stages: set[str]) -> None:
    """Beside pages, and what only measures along trainings."""
    before = jobs(good)
    put(good, leaf, other(good, leaf, dict(leaves(good))[leaf]))
    after = jobs(good)
    changes = {stage for stage in before if changed(before[stage], after[stage])}
    assert {stage for stage in changes if not stage.startswith(("compare", "progress")) and stage != "report"} == stages - {"report"}
    assert "report" in changes or "report" not in stages


def test_a_share_of_the_videos_concerns_what_reads_it_alone(good: Params) -> None:
    """In both engines: the trainings, what refuses too small a share, and pages; of one that learns from labels also the seeds."""
    good["experiments"] |= {"quarter": good["experiments"]["videomix"] | {"videos": 0.5}}
    good["experiments"] |= {"taught": {"method": "supervised", "streams": ["rgb"], "epochs": 5, "lr": 0.001, "videos": 0.5}}
    good["all"] = ["quarter", "taught"]
    load.check(good)
    before = jobs(good)
    for experiment in ("quarter", "taught"):
        leaf = f"experiments.{experiment}.videos"
        put(good, leaf, 0.25)
        after = jobs(good)
        put(good, leaf, 0.5)
        rerun = {stage for stage in before if changed(before[stage], after[stage])}
        looked_at = {stage for stage in before if covered(leaf, set().union(*(keys for _, keys in before[stage].values())))}
        assert rerun == looked_at == {f"train {experiment}", "measurable toy", "report"}
    for leaf, value in (("seed", 3), ("seeds", [0, 9])):
        kept = good[leaf]
        put(good, leaf, value)
        assert changed(before["measurable toy"], jobs(good)["measurable toy"]) and leaf in before["measurable toy"][""][1]
        put(good, leaf, kept)
    del good["experiments"]["taught"]
    assert not {"seed", "seeds"} & jobs(good)["measurable toy"][""][1]
