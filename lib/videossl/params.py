"""params.yaml: read, checked against its schema, and cut into the slice each rule gets."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from videossl.errors import InputError
from videossl.recipes import Params as Params
from videossl.recipes import before as before
from videossl.recipes import chain as chain
from videossl.recipes import epochs as epochs
from videossl.recipes import kind as kind
from videossl.recipes import origins as origins
from videossl.recipes import paper_name as paper_name
from videossl.recipes import partner as partner
from videossl.recipes import phases as phases
from videossl.recipes import stages_of as stages_of
from videossl.recipes import start_of as start_of
from videossl.recipes import with_starts as with_starts

SOURCES = {"rgb": "rgb", "flow": "flow", "joint": "joint", "motion": "joint", "bone": "joint"}
"""The cached modality that each modality is read from; motion and bone are differences of joints, in time and along the body."""

FILLED = ("toy", "ucf101", "hmdb51")
"""The datasets that `download` puts where the pipeline keeps them; all others are brought by a person."""

READ = (".avi", ".mp4", ".mkv", ".webm", ".mov", ".mpg", ".m4v", ".skeleton", ".txt", ".csv")
"""How the names of files end that datasets read."""

WITHOUT_SKELETONS = ("ucf101", "hmdb51", "kinetics400")
"""The datasets that have no skeleton files: joints must be found in their videos."""

KEYPOINTS = {"weights": "coco", "score": 0.7, "short_side": 800, "batch": 8}
"""What may be left out of `skeleton` with the backend keypoint-rcnn."""

SCHEMA = Path(__file__).with_name("params.schema.yaml")


class _Loader(yaml.SafeLoader):
    """YAML in which a key given twice is an error, and 1e-5 is a number, not a text."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    for key in keys:
        if keys.count(key) > 1:
            raise InputError(f"params.yaml, line {node.start_mark.line + 1}: '{key}' is given twice; keep one")
    loader.flatten_mapping(node)
    result: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    return result


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load(path: str | Path) -> Params:
    """The checked params of `path`, with all that may be left out. Anything wrong is an InputError of one line that names key, file and way out."""
    return parse(_text(path), str(path))


def written(path: str | Path) -> Any:
    """The params of `path` as a person wrote them: unchecked, and without what may be left out. Errors of files and YAML as in `load`."""
    return _yaml(_text(path), str(path))


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; copy params.yaml or one of presets/ there") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error}") from error


def parse(text: str, name: str) -> Params:
    """The checked params in `text`; `name` is the file to name in errors, which are as in `load`."""
    return check(_yaml(text, name), name)


def _yaml(text: str, name: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise InputError(f"{name} is not YAML: {' '.join(str(error).split())}") from error


def check(params: Any, name: str = "params.yaml") -> Params:
    """Check `params` against the schema and across sections; returns them filled in. `name` is the file to name in errors."""
    params = _filled(params)
    errors = sorted(_validator().iter_errors(params), key=lambda e: (len(e.path), str(e.path)))
    if errors:
        raise InputError(f"{name}: {_explain(jsonschema.exceptions.best_match(errors))}")
    try:
        for rule in (_check_skeleton, _check_datasets, _check_cache, _check_experiments, _check_evaluate, _check_targets, _check_frames):
            rule(params)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    checked: Params = params
    return checked


def _filled(params: Any) -> Any:
    """`params` with every key of its datasets. What is no mapping is left for the schema to complain of."""
    if not isinstance(params, dict):
        return params
    result = {**params}
    if "dataset" in params:
        result["dataset"] = _dataset(params["dataset"])
    if isinstance(params.get("transfer"), list):
        result["transfer"] = [_dataset(one) for one in params["transfer"]]
    if isinstance(params.get("skeleton"), dict) and params["skeleton"].get("backend") == "keypoint-rcnn":
        result["skeleton"] = KEYPOINTS | params["skeleton"]
    return result


def _dataset(given: Any) -> Any:
    """A dataset by its name alone, or by a mapping that has at least a name, as a mapping with all keys."""
    if isinstance(given, str):
        given = {"name": given}
    if not isinstance(given, dict) or "name" not in given:
        return given
    return {"name": given["name"], "root": own_root(given["name"]), "split": 1, "options": {}} | given


def own_root(name: str) -> str:
    """Where the pipeline keeps dataset `name`; any other root is a person's own, which is only read."""
    return f"data/raw/{name}"


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of params.yaml."""
    result: dict[str, Any] = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    return result


@cache
def _validator() -> jsonschema.Draft202012Validator:
    types = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_whole).redefine("number", _is_finite)
    checked: jsonschema.Draft202012Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=types)(schema())
    return checked


def _is_whole(_: Any, value: Any) -> bool:
    """JSON Schema takes 2.0 for a whole number; a script that counts with it would fail in the middle."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(_: Any, value: Any) -> bool:
    """YAML knows .nan and .inf, which pass every comparison with a bound."""
    return _is_whole(_, value) or (isinstance(value, float) and math.isfinite(value))


def _explain(error: jsonschema.ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    if "propertyNames" in error.schema_path:
        kind, taken = ("a target", "'all' or 'seeds'") if where == "targets" else ("an experiment", "'untrained' or 'handmade'")
        return f"{error.instance!r} is no name for {kind}; use a-z, 0-9 and '-', not {taken}"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in known)
        return f"unknown key '{'.'.join(filter(None, (where, str(unknown))))}'; {_nearest(str(unknown), known)}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return f"'{'.'.join(filter(None, (where, missing)))}' is missing; add it (docs/params.md says what it means)"
    if error.validator == "enum" and isinstance(error.instance, str):
        known = [str(value) for value in error.validator_value]
        close = _nearest(error.instance, known)
        return f"{where} is '{error.instance}'; {close}" + ("" if "known" in close else f" known: {', '.join(known)}")
    if error.validator == "type":
        kinds = {"object": "a mapping", "array": "a list", "integer": "a whole number", "number": "a number", "string": "a text"}
        types: list[str] = error.validator_value if isinstance(error.validator_value, list) else [str(error.validator_value)]
        wanted = " or ".join(kinds.get(one, one) for one in types)
        return f"{where or 'the file'} must be {wanted}, not {json.dumps(error.instance, default=str)[:60]}"
    return f"{where}: {error.message}"


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, 1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"


def _check_datasets(params: Params) -> None:
    names = list(datasets(params))
    if len(names) != 1 + len(params["transfer"]):
        raise InputError(f"transfer names a dataset twice, or {names[0]} again; results are kept by the dataset's name, so give each once")
    for dataset in datasets(params).values():
        if dataset["name"] == "toy" and dataset["root"] != own_root("toy"):
            raise InputError("the root of the toy dataset must be data/raw/toy, where it is rendered; or choose name: folder")
        if dataset["name"] in WITHOUT_SKELETONS and "joint" in sources(params, dataset["name"]) and not finds_people(params):
            raise InputError(
                f"{dataset['name']} has no skeletons, which joint, motion and bone are made of; take them out of modalities, and of what names them,"
                " start from presets/ucf101.yaml, or find people in the videos (skeleton: {backend: keypoint-rcnn} and graph: coco)"
            )
    if params["transfer"] and not params["evaluate"]["tasks"]:
        raise InputError("transfer names datasets to measure on, but evaluate.tasks is empty; set transfer: [] or name tasks")
    for entry in params["transfer"]:
        if entry["name"] not in measured_datasets(params):
            raise InputError(f"transfer names '{entry['name']}', which evaluate.datasets leaves out; add it there or take it out")
        _check_known(entry["modalities"], list(params["modalities"]), f"transfer names for {entry['name']}", "modalities lacks it")


def _check_skeleton(params: Params) -> None:
    for name, modality in params["modalities"].items():
        if SOURCES[name] != "joint":
            continue
        graph = modality.get("graph", "ntu-rgb+d")
        if finds_people(params) and graph != "coco":
            raise InputError(
                f"skeleton.backend is keypoint-rcnn, which finds the joints of the graph coco, but modalities.{name}.graph is {graph}; set it to coco"
            )
        if graph == "coco" and not finds_people(params):
            raise InputError(
                f"modalities.{name}.graph is coco, but skeleton files have the joints of ntu-rgb+d; take it out, or find people in the videos"
                " (skeleton: {backend: keypoint-rcnn})"
            )


def _check_cache(params: Params) -> None:
    codec, quality = params["cache"]["codec"], params["cache"].get("quality")
    if codec == "jpeg" and quality is None:
        raise InputError("cache.codec is jpeg, which needs cache.quality; add it, 1 to 100 (90 is hardly seen)")
    if codec != "jpeg" and quality is not None:
        raise InputError(f"cache.quality is of jpeg, and cache.codec is {codec}; take quality out, or set codec: jpeg")


def _check_known(names: list[str], known: list[str], who: str, why: str) -> None:
    for name in names:
        if name not in known:
            raise InputError(f"{who} '{name}', but {why}; {_nearest(name, known)}")


def _check_experiments(params: Params) -> None:
    for name, experiment in params["experiments"].items():
        for modality in experiment["modalities"]:
            if modality not in params["modalities"]:
                raise InputError(f"experiments.{name} trains '{modality}', which modalities lacks; add it or leave it out")
        if "from" in experiment:
            _check_start(params, name)
            (_check_mining if kind(experiment) == "mining" else _check_cmmc)(params, name)
    _check_known(params["all"], list(params["experiments"]), "all names", "there is no such experiment")


def _check_start(params: Params, name: str) -> None:
    """What an experiment starts from is there, and no circle; it has the same modalities."""
    experiments, experiment = params["experiments"], params["experiments"][name]
    start = experiment["from"]
    if start not in experiments:
        raise InputError(f"experiments.{name}.from is '{start}'; {_nearest(start, [other for other in experiments if other != name])}")
    walked = [name, *origins(params, name)]
    if walked[-1] in walked[:-1]:
        raise InputError(
            f"experiments.{name}.from leads round in a circle ({', '.join(walked)}); let one of them start from another, or from none"
        )
    for modality in experiment["modalities"]:
        if modality not in experiments[start]["modalities"]:
            raise InputError(f"experiments.{name} needs '{modality}', which '{start}' does not train")


def _check_mining(params: Params, name: str) -> None:
    """Both encoders learn in one training, so all that is of the training is the same for both."""
    chosen = params["experiments"][name]["modalities"]
    settings = [params["modalities"][modality] for modality in chosen]
    for modality, one in zip(chosen, settings, strict=True):
        if "mining" not in one:
            raise InputError(f"experiments.{name} needs modalities.{modality}.mining; add how both its encoders are trained")
    first, second = ({**one["mining"], **{f"moco.{key}": one["moco"][key] for key in ("queue", "negatives")}} for one in settings)
    for key, value in first.items():
        if second[key] != value:
            place = key if key.startswith("moco.") else f"mining.{key}"
            raise InputError(
                f"experiments.{name} trains {chosen[0]} and {chosen[1]} in one, but modalities.{chosen[0]}.{place} is {value}"
                f" and modalities.{chosen[1]}.{place} is {second[key]}; make them equal"
            )
    for other, recipe in params["experiments"].items():
        if kind(recipe) == "mining" and set(recipe["modalities"]) != set(chosen):
            raise InputError(
                f"experiments.{name} mines {' and '.join(chosen)}, experiments.{other} {' and '.join(recipe['modalities'])};"
                " one run mines between one pair, put the other in another run"
            )


def _check_cmmc(params: Params, name: str) -> None:
    experiment = params["experiments"][name]
    for modality in experiment["modalities"]:
        if "cmmc" not in params["modalities"][modality]:
            raise InputError(f"experiments.{name} needs modalities.{modality}.cmmc; add how a stage is trained")
    if experiment["mixing"] != "cm-cutmix" and (experiment["layers"] != "same" or len(experiment["axes"]) < 3):
        raise InputError(
            f"experiments.{name} blends whole maps of one size; with mixing {experiment['mixing']} give layers: same and axes: [space, time, channel]"
        )
    for key in ("layers", "patch"):
        if isinstance(experiment.get(key), dict) and set(experiment[key]) != set(experiment["modalities"]):
            raise InputError(
                f"experiments.{name}.{key} is of {', '.join(experiment[key])}; give one for each of {', '.join(experiment['modalities'])}"
            )
    if "patch" in experiment and experiment["mixing"] != "cm-cutmix":
        raise InputError(f"experiments.{name}.patch: {experiment['mixing']} cuts nothing; take patch out, or set mixing: cm-cutmix")
    for modality, count in Counter(modality for modality, _ in stages_of(params, name)).items():
        if experiment.get("epochs", count) % count:
            raise InputError(
                f"experiments.{name}.epochs is {experiment['epochs']}, which {count} stages of {modality} cannot share; give a multiple"
            )


def _check_targets(params: Params) -> None:
    for name, target in params["targets"].items():
        _check_known(target["experiments"], list(params["experiments"]), f"targets.{name} names", "there is no such experiment")
        for stream in target["modalities"]:
            _check_known(stream.split("+"), list(params["modalities"]), f"targets.{name} names", "modalities lacks it")
            if "+" in stream and stream.split("+") not in params["evaluate"]["fused"]:
                raise InputError(f"targets.{name} names '{stream}', which evaluate.fused lacks; add [{stream.replace('+', ', ')}]")
            if "+" in stream and target["show"] != "results":
                raise InputError(f"targets.{name} shows {target['show']}, of one modality at a time; leave out '{stream}'")
        for task in target.get("tasks", []):
            if task not in params["evaluate"]["tasks"]:
                raise InputError(f"targets.{name} names '{task}', but evaluate.tasks lacks it; add it there, or take it from the target")
        _check_trained(params, name)
        _check_finetuned(params, name)
        if target["show"] == "progress":
            _check_kept(params, name)


def _check_trained(params: Params, name: str) -> None:
    target = params["targets"][name]
    for modality in {one for stream in target["modalities"] for one in stream.split("+")}:
        without = [one for one in target["experiments"] if modality not in params["experiments"][one]["modalities"]]
        if len(without) == len(target["experiments"]) or (without and target["show"] != "results"):
            raise InputError(f"targets.{name} names '{modality}', which experiments.{without[0]} does not train; take out one of them")


def _check_finetuned(params: Params, name: str) -> None:
    """What DVC tracks of an experiment of `all` must not depend on which targets were made."""
    for experiment in params["targets"][name]["experiments"]:
        finetuned = "finetune" in params["targets"][name].get("tasks", []) and experiment in params["all"]
        if finetuned and experiment not in params["evaluate"]["finetune"]:
            raise InputError(f"targets.{name} finetunes '{experiment}', which is in all but not in evaluate.finetune; add it there")


def _check_kept(params: Params, name: str) -> None:
    target, first = params["targets"][name], params["dataset"]["name"]
    if first not in measured_datasets(params):
        raise InputError(f"targets.{name} shows progress on {first}, which evaluate.datasets leaves out; add it or leave out the target")
    trainings = [chain(params, experiment, modality) for experiment in target["experiments"] for modality in target["modalities"]]
    for owner, _ in (training for trainings in trainings for training in trainings):
        if "keep" not in params["experiments"][owner]:
            raise InputError(
                f"targets.{name} shows progress, but experiments.{owner} keeps no encoder on the way; give it `keep: 10` or so"
            )


def _check_evaluate(params: Params) -> None:
    _check_known(measured_datasets(params), list(datasets(params)), "evaluate.datasets names", "neither dataset nor transfer does")
    _check_known(params["evaluate"]["finetune"], list(params["experiments"]), "evaluate.finetune names", "there is no such experiment")
    for modality in params["modalities"]:  # the untrained encoder is finetuned in all
        if "finetune" in params["evaluate"]["tasks"] and "finetune" not in params["modalities"][modality]:
            raise InputError(f"the task finetune needs modalities.{modality}.finetune; add how it is trained")
    for pair in params["evaluate"]["fused"]:
        for modality in pair:
            if modality not in params["modalities"]:
                raise InputError(f"evaluate.fused names '{modality}', which modalities lacks; add it or leave it out")


def _check_frames(params: Params) -> None:
    for name, modality in params["modalities"].items():
        clip = modality["clip"]
        if "stride" not in clip:
            continue
        spanned = (clip["frames"] - 1) * clip["stride"] + 1 + (name == "flow")
        if params["index"]["min_frames"] < spanned:
            raise InputError(
                f"index.min_frames is {params['index']['min_frames']}, but a clip of {name} spans {spanned} frames;"
                f" set it to {spanned} or shorten modalities.{name}.clip"
            )


def check_writable(folder: str | Path) -> None:
    """InputError unless files can be written to `folder`, which is made if need be, and Snakemake can work there."""
    place = Path(folder).absolute().parent
    if set(str(place)) & set("{}"):
        raise InputError(f"{place} has braces in its name, which Snakemake takes for a wildcard; choose another --directory")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}; free space or choose another --directory") from error


def check_weights(params: Params) -> None:
    """InputError where `skeleton.weights` names a file that is not there: told before hours of downloads and frames."""
    for path in pose_weights(params):
        if not Path(path).is_file():
            raise InputError(
                f"skeleton.weights names {path}, and there is no such file; paths are relative to the folder of params.yaml;"
                " `weights: coco` takes torchvision's own"
            )


def check_times(files: Iterable[str]) -> None:
    """InputError where one of the inputs of a run is from the future, by more than a minute.

    Snakemake would call all that is made of it older than it, and delete it: an hour's or a week's work.
    """
    now = time.time()
    for file in sorted(files):
        ahead = Path(file).stat().st_mtime - now if Path(file).exists() else 0
        if ahead > 60:
            raise InputError(
                f"{file} is {ahead / 60:.0f} minutes from the future, so what is made of it would look older; set the clock right, or say that such"
                " files are of now (find data -newermt now -exec touch {} +) and then `snakemake --touch`"
            )


def datasets(params: Params) -> dict[str, Params]:
    """All datasets by name: the one that encoders are trained on, then those of `transfer`, each without its `modalities`."""
    every = [params["dataset"], *params["transfer"]]
    return {one["name"]: {key: value for key, value in one.items() if key != "modalities"} for one in every}


def measured_datasets(params: Params) -> list[str]:
    """The datasets that encoders are measured on: all, unless evaluate.datasets names some."""
    return list(params["evaluate"].get("datasets", datasets(params)))


def measured(params: Params, experiment: str, dataset: str) -> list[str]:
    """The modalities of `experiment` that are measured on `dataset`; the baselines have all."""
    if dataset not in measured_datasets(params):
        return []
    own = params["experiments"].get(experiment, {"modalities": list(params["modalities"])})["modalities"]
    there = {one["name"]: one["modalities"] for one in params["transfer"]}.get(dataset, own)
    return [modality for modality in own if modality in there]


def brought(params: Params, dataset: str) -> list[str]:
    """What a person brought of `dataset`: the folder of its videos, unless `download` fills it, and its lists, if they are elsewhere."""
    chosen = datasets(params)[dataset]
    root = Path(os.path.normpath(chosen["root"]))
    lists = [Path(os.path.normpath(root / chosen["options"][key])) for key in ("lists", "missing") if key in chosen["options"]]
    folders = [] if is_filled(chosen) else [root]
    return [str(path) for path in [*folders, *(one for one in lists if not one.is_relative_to(root))]]


def is_filled(dataset: Params) -> bool:
    """Whether `download` puts the videos where this dataset, of params, is read from."""
    return dataset["name"] in FILLED and Path(dataset["root"]) == Path(own_root(dataset["name"]))


def fingerprint(*places: str | Path) -> str:
    """The SHA-256 over names, sizes and times of what is read of all that is, or lies under, `places`: what tells that a user's copy has changed.

    "" for no places. Names that start with a dot, and what is neither video nor skeleton nor list, do not count. Links to folders are followed, as the datasets do; a dangling link counts by its name.
    """
    if not places:
        return ""
    walks = (walk for place in places for walk in os.walk(place, followlinks=True))
    files = [Path(folder, name) for folder, _, names in walks for name in names if name.lower().endswith(READ) and name[0] != "."]
    files += [Path(place) for place in places if Path(place).is_file()]
    stats = [(path, path.stat() if path.exists() else path.lstat()) for path in files]
    listing = sorted((str(path), found.st_size, found.st_mtime_ns) for path, found in stats)
    return hashlib.sha256(json.dumps(listing, ensure_ascii=True).encode()).hexdigest()


def finds_people(params: Params) -> bool:
    """Whether joints are found in the videos, and not read from skeleton files."""
    return bool(params.get("skeleton", {}).get("backend", "files") != "files")


def pose_weights(params: Params) -> list[str]:
    """The file of weights that a person brought to find joints with; none where torchvision's own are taken, or skeleton files read."""
    weights = params["skeleton"]["weights"] if finds_people(params) else "coco"
    return [] if weights == "coco" else [os.path.normpath(weights)]


def extractors(params: Params) -> Params:
    """The rule, and script, that makes each cached modality."""
    return {"rgb": "frames", "flow": "flow", "joint": "pose" if finds_people(params) else "skeleton"}


def sources(params: Params, dataset: str) -> list[str]:
    """The cached modalities of `dataset` that the run needs."""
    there = {one["name"]: one["modalities"] for one in params["transfer"]}.get(dataset, list(params["modalities"]))
    return sorted({SOURCES[modality] for modality in there})


# What each rule gets. A rule reruns when its slice changes, and no script sees more than its slice.


def dataset_slice(params: Params, dataset: str) -> Params:
    """What names the dataset."""
    return {"dataset": datasets(params)[dataset]}


def index_slice(params: Params, dataset: str) -> Params:
    """The dataset, and which of its videos can be used; where people are found in them, skeleton files have no say in that."""
    found = {"skeleton": {"backend": params["skeleton"]["backend"]}} if finds_people(params) else {}
    return {"dataset": datasets(params)[dataset], "index": params["index"]} | found


def cache_slice(params: Params, source: str, dataset: str) -> Params:
    """Where the videos lie and how the cached modality `source` is made of them; joints have no size and no codec."""
    chosen = datasets(params)[dataset]
    stored = {"shards": params["cache"]["shards"]} if source == "joint" else params["cache"]
    wanted = {"dataset": {key: chosen[key] for key in ("name", "root")}, "cache": stored}
    found = source == "joint" and finds_people(params)
    if source != "joint" or found:
        wanted["index"] = {"fps": params["index"]["fps"]}
    return wanted | ({"flow": params["flow"]} if source == "flow" else {}) | ({"skeleton": params["skeleton"]} if found else {})


def _modality(params: Params, modality: str, *keys: str) -> Params:
    settings = params["modalities"][modality]
    chosen = {key: settings[key] for key in ("encoder", "width", "clip", "augment", *keys)} | _graph(settings)
    return {"threads": params["threads"], "modalities": {modality: chosen}}


def _graph(settings: Params) -> Params:
    """The graph of a modality, if it says one."""
    return {key: settings[key] for key in ("graph",) if key in settings}


def _recipe(params: Params, experiment: str, *keys: str) -> Params:
    """Those of `keys` that the recipe has, and all that decides how long and how often, if it says so."""
    recipe = params["experiments"][experiment]
    wanted = [*keys, "keep", *(("epochs", "modalities", "stages") if "epochs" in recipe and "from" in recipe else ("epochs",))]
    return {"experiments": {experiment: {key: recipe[key] for key in wanted if key in recipe}}}


def pretrain_slice(params: Params, experiment: str, modality: str) -> Params:
    """How `experiment` pretrains `modality`."""
    return _modality(params, modality, "head", "moco", "pretrain") | _recipe(params, experiment, "mixing", "box")


def cmmc_slice(params: Params, experiment: str, modality: str) -> Params:
    """How `experiment` trains `modality` against its partner, if it has one, of which only what it sees and is."""
    result = _modality(params, modality, "head", "moco", "cmmc")
    other = partner(params, experiment, modality)
    if other:
        result["modalities"] |= _modality(params, other)["modalities"]
    result |= _recipe(params, experiment, "mixing", "axes", "layers", "box", "patch")
    recipe = result["experiments"][experiment]
    if isinstance(recipe.get("patch"), dict):
        recipe["patch"] = {modality: recipe["patch"][modality]}
    return result


def mining_slice(params: Params, experiment: str) -> Params:
    """How `experiment` trains both its modalities at once."""
    recipe = params["experiments"][experiment]
    parts = [_modality(params, modality, "head", "moco", "mining") for modality in recipe["modalities"]]
    both = {"modalities": {name: chosen for part in parts for name, chosen in part["modalities"].items()}}
    return parts[0] | both | _recipe(params, experiment, "modalities", "neighbours")


def mined(params: Params) -> list[str]:
    """The two modalities between which this run mines, in one order for all experiments that do."""
    pairs = [recipe["modalities"] for recipe in params["experiments"].values() if kind(recipe) == "mining"]
    return sorted(pairs[0]) if pairs else []


def mixable_slice(params: Params, experiment: str) -> Params:
    """What decides the shapes that `experiment` mixes."""
    recipe = params["experiments"][experiment]
    chosen = {m: params["modalities"][m] for m in recipe["modalities"]}
    shapes = {m: {key: one[key] for key in ("encoder", "width", "clip")} | _graph(one) for m, one in chosen.items()}
    mixing = {key: recipe[key] for key in ("modalities", "mixing", "axes", "layers", "patch") if key in recipe}
    return {"modalities": shapes, "experiments": {experiment: mixing}}


def measurable_slice(params: Params) -> Params:
    """The tasks that are to be measured."""
    return {"evaluate": {"tasks": params["evaluate"]["tasks"]}}


def features_slice(params: Params, modality: str) -> Params:
    """The encoder of `modality`, and the clips it is given."""
    return _modality(params, modality) | {"evaluate": {"clips": params["evaluate"]["clips"]}}


def finetune_slice(params: Params, modality: str) -> Params:
    """The same, and how it is finetuned and tested."""
    return _modality(params, modality, "finetune") | {"evaluate": {key: params["evaluate"][key] for key in ("overlap", "crops")}}


def progress_slice(params: Params, modality: str) -> Params:
    """The encoder of `modality`, the clips it is given, and how its features become numbers."""
    chosen = {key: params["evaluate"][key] for key in ("clips", "linear")}
    return _modality(params, modality) | {
        "evaluate": chosen | {"tasks": [task for task in params["evaluate"]["tasks"] if task != "finetune"]}
    }


def task_slice(params: Params, task: str) -> Params:
    """How features become the numbers of `task`."""
    keys = ("fused", "linear") if task == "linear" else ("fused",)
    return {"evaluate": {key: params["evaluate"][key] for key in keys}, "threads": params["threads"]}


def report_slice(params: Params) -> Params:
    """All but the targets, with the experiments of `all` and those they start from."""
    return {key: value for key, value in params.items() if key not in ("targets", "all")} | _experiments(params, params["all"])


def compare_slice(params: Params, target: str) -> Params:
    """One target, with the experiments it names and those they start from."""
    keys = ("dataset", "transfer", "seeds", "modalities", "evaluate")
    chosen = params["targets"][target]
    return {key: params[key] for key in keys} | {"targets": {target: chosen}} | _experiments(params, chosen["experiments"])


def _experiments(params: Params, names: list[str]) -> Params:
    recipes = params["experiments"]
    wanted = with_starts(params, names)
    return {"experiments": {name: recipe for name, recipe in recipes.items() if name in wanted}}
