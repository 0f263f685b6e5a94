"""sync: write dvc.yaml for the params of the active run.

DVC's stages are the rules at the grain a person thinks in. What a stage depends on is not written twice: its params are
the slices its rules get, its code is what their scripts import. Run after params.yaml gains or loses an experiment or
a modality, or a module an import; a test and `record` refuse a dvc.yaml that is out of date.

in:  params.yaml, the sources
out: dvc.yaml (--check writes nothing and fails if it would change)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from videossl import code, params, script

HEADER = """\
# What is tracked and when it is stale, at the grain a person thinks in. Written by `make dvc.yaml` from params.yaml, the
# rules' slices of it and the scripts' imports: edit those. A stage's command calls Snakemake for that stage's target and
# for no other rule's. `persist` leaves what is still good to Snakemake.
"""

EVALUATE = ["features", "retrieval", "linear", "finetune", "finetune_scores"]


def stages(run: params.Params) -> dict[str, Any]:
    """The stages of dvc.yaml for the params `run`: what the target `all` makes."""
    seed, tasks = run["seed"], run["evaluate"]["tasks"]
    result: dict[str, Any] = {}
    for dataset in params.datasets(run):
        result |= _data(run, dataset)
    trained = params.with_starts(run, run["all"])
    for experiment in trained:
        kind = params.kind(run["experiments"][experiment])
        if kind == "cmmc":
            result[f"mixable-{experiment}"] = _mixable(run, experiment)
            result[f"train-{experiment}"] = _cmmc(run, experiment)
        elif kind == "mining":
            result[f"train-{experiment}"] = _mining(run, experiment)
        else:
            result |= {f"train-{experiment}-{one}": _pretrain(run, experiment, one) for one in run["experiments"][experiment]["modalities"]}
    measured = ["untrained", "handmade", *run["all"]] if tasks else []
    result |= {f"evaluate-{experiment}": _evaluate(run, experiment) for experiment in measured}
    deps = [
        _index(run),
        *(f"data/index/{name}.measurable.json" for name in params.measured_datasets(run)),
        *_caches(run, run["modalities"]),
    ]
    deps += [f"data/results/{experiment}/{seed}" for experiment in measured]
    deps += [path for name in trained for path in _models(run, name, run["experiments"][name]["modalities"])]
    deps += [f"data/features/{experiment}/{seed}" for experiment in run["all"] if "retrieval" in tasks]
    result["report"] = _stage("report", "report", ["report"], [params.report_slice(run)], deps, ["data/report/index.html"])
    return result


def _data(run: params.Params, dataset: str) -> dict[str, Any]:
    """The stages of one dataset up to its cache; those of `transfer` bear its name."""
    first = dataset == run["dataset"]["name"]
    rule, stage = ("", "") if first else (f"_{dataset}", f"-{dataset}")
    index, measurable = f"data/index/{dataset}.csv", f"data/index/{dataset}.measurable.json"
    raw = "data/raw/toy" if dataset == "toy" else f"data/raw/{dataset}.json"
    made = {
        "download": _stage(f"download{rule}", "data", ["download"], [params.dataset_slice(run, dataset)], [], [raw]),
        "index": _stage(index, "data", ["index"], [params.index_slice(run, dataset)], [raw, *params.brought(run, dataset)], [index]),
        "measurable": _stage(measurable, "evaluate", ["measurable"], [params.measurable_slice(run)], [index], [measurable]),
    }
    if dataset not in params.measured_datasets(run):
        del made["measurable"]
    made["download"]["cmd"] = f"snakemake download{rule} --allowed-rules download{rule}"
    for source in params.sources(run, dataset):
        kind, slices, out = params.extractors(run)[source], [params.cache_slice(run, source, dataset)], f"data/cache/{dataset}/{source}"
        deps = [index, *(params.pose_weights(run) if kind == "pose" else [])]
        made[kind] = _stage(f"all_{kind}{rule}", "extract", [kind], slices, deps, [out])
    if not first:
        for one in made.values():
            one["params"] = sorted({"transfer" if key.startswith("dataset") else key for key in one["params"]})
    return {f"{name}{stage}": one for name, one in made.items()}


def _index(run: params.Params) -> str:
    return f"data/index/{run['dataset']['name']}.csv"


def _pretrain(run: params.Params, experiment: str, modality: str) -> dict[str, Any]:
    folder = f"data/models/{experiment}/{run['seed']}/{modality}"
    deps = [_index(run), *_caches(run, [modality])]
    return _stage(
        f"{folder}/pretrain.safetensors", "train", ["pretrain"], [params.pretrain_slice(run, experiment, modality)], deps, [folder]
    )


def _cmmc(run: params.Params, experiment: str) -> dict[str, Any]:
    recipe = run["experiments"][experiment]
    deps = [*_behind(run, experiment), f"data/models/{experiment}/mixable.json"]
    slices = [params.cmmc_slice(run, experiment, modality) for modality in recipe["modalities"]]
    slices.append({"experiments": {experiment: {key: recipe[key] for key in ("from", "modalities", "stages")}}})  # which jobs there are
    return _stage(f"train_{experiment}", "train", ["cmmc"], slices, deps, [f"data/models/{experiment}/{run['seed']}"])


def _mining(run: params.Params, experiment: str) -> dict[str, Any]:
    recipe = run["experiments"][experiment]
    slices = [params.mining_slice(run, experiment), {"experiments": {experiment: {key: recipe[key] for key in ("from", "modalities")}}}]
    outs = [f"data/models/{experiment}/{run['seed']}"]
    return _stage(f"train_{experiment}", "train", ["mining"], slices, _behind(run, experiment), outs)


def _behind(run: params.Params, experiment: str) -> list[str]:
    """What an experiment trains on and from: the index, the caches and the newest weights of its modalities."""
    modalities = run["experiments"][experiment]["modalities"]
    owners = {one: params.before(run, experiment, one)[0] for one in modalities}
    weights = [path for one, owner in owners.items() for path in _models(run, owner, [one])]
    return [_index(run), *_caches(run, modalities), *dict.fromkeys(weights)]


def _mixable(run: params.Params, experiment: str) -> dict[str, Any]:
    out = f"data/models/{experiment}/mixable.json"
    return _stage(out, "train", ["mixable"], [params.mixable_slice(run, experiment)], [], [out])


def _models(run: params.Params, experiment: str, modalities: Iterable[str]) -> list[str]:
    """The folders of weights of an experiment: one a modality for a pretraining, which its users share, else one."""
    folder = f"data/models/{experiment}/{run['seed']}"
    return [folder] if "from" in run["experiments"][experiment] else [f"{folder}/{modality}" for modality in modalities]


def _evaluate(run: params.Params, experiment: str) -> dict[str, Any]:
    seed, tasks = run["seed"], run["evaluate"]["tasks"]
    finetuned = "finetune" in tasks and experiment in [*run["evaluate"]["finetune"], "untrained"]
    datasets = {name: params.measured(run, experiment, name) for name in params.datasets(run)}
    modalities = list(dict.fromkeys(modality for there in datasets.values() for modality in there))
    rules = [task for task in ("retrieval", "linear") if task in tasks]
    slices = [params.task_slice(run, task) for task in rules]
    if rules:
        rules.append("features")
        slices += [params.features_slice(run, modality) for modality in modalities]
    if finetuned:
        rules += ["finetune", "finetune_scores"]
        slices += [params.finetune_slice(run, modality) for modality in modalities] + [params.task_slice(run, "finetune")]
    deps = [path for name, there in datasets.items() if there for path in (f"data/index/{name}.csv", *_caches(run, there, name))]
    if experiment in run["experiments"]:
        deps += [path for modality in modalities for path in _models(run, params.chain(run, experiment, modality)[-1][0], [modality])]
    outs = [f"data/{kind}/{experiment}/{seed}" for kind in ("features", "results")]
    return _stage(f"evaluate_{experiment}", "evaluate", rules, slices, list(dict.fromkeys(deps)), outs)


def _caches(run: params.Params, modalities: Iterable[str], dataset: str = "") -> list[str]:
    name = dataset or run["dataset"]["name"]
    return sorted({f"data/cache/{name}/{params.SOURCES[modality]}" for modality in modalities})


def _stage(target: str, phase: str, rules: list[str], slices: list[params.Params], deps: list[str], outs: list[str]) -> dict[str, Any]:
    """One stage: Snakemake's `target`, a rule or a file, by `rules` of stages/{phase}.smk, whose scripts have the rules' names."""
    allowed = rules if target in rules or "/" in target else [*rules, target]
    files = sorted({file for rule in rules for file in code.closure(f"stages/{rule}.py")} | {f"stages/{phase}.smk"})
    return {
        "cmd": f"snakemake {target} --allowed-rules {' '.join(allowed)}",
        "params": sorted({key for part in slices for key in _leaves(part)}),
        "deps": [path.replace("${", r"\${") for path in [*deps, *files]],  # a folder of the user's may have a name that DVC would fill in
        "outs": [{out: {"persist": True}} for out in outs],
    }


def _leaves(part: Any, prefix: str = "") -> Iterator[str]:
    """The dotted keys of a slice. A mapping whose keys come and go is named as a whole."""
    if isinstance(part, dict) and part and prefix not in ("dataset.options", "flow", "modalities", "experiments"):
        for key, value in part.items():
            yield from _leaves(value, f"{prefix}.{key}" if prefix else key)
    elif isinstance(part, dict) and prefix in ("modalities", "experiments"):
        for key, value in part.items():
            for inner in value:
                yield f"{prefix}.{key}.{inner}"
    else:
        yield prefix


def as_written(keys: Iterable[str], written: Any) -> list[str]:
    """The dotted `keys` as DVC finds them in what a person wrote.

    Where one may be left out, and is, it is all that it would be in: so it is noticed when it is put in.
    """
    found = {_above(key, written) for key in keys}
    return sorted(key for key in found if not any(key.startswith(f"{other}.") for other in found))


def _above(key: str, written: Any) -> str:
    """`key`, or the nearest above it that is there: `dataset` for `dataset.root` in `dataset: ucf101`."""
    parts, node = key.split("."), written
    for depth, part in enumerate(parts):
        if not isinstance(node, dict) or part not in node:
            return ".".join(parts[:depth])
        node = node[part]
    return key


def text(run: params.Params, written: Any) -> str:
    """dvc.yaml, whole. written: the params as a person wrote them."""
    made = stages(run)
    for stage in made.values():
        stage["params"] = as_written(stage["params"], written)
    return HEADER + "\n" + yaml.safe_dump({"stages": made}, sort_keys=False, width=140, allow_unicode=True)


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--check", action="store_true", help="fail if dvc.yaml is out of date; write nothing")
    args = script.read(parser)
    script.generate(Path("dvc.yaml"), text(params.load("params.yaml"), params.written("params.yaml")), args.check, "run `make dvc.yaml`")


if __name__ == "__main__":
    script.run(main)
