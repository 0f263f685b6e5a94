"""The rules between keys of params.yaml, which a schema of single keys cannot say.

Every mistake raises InputError of one line, with the key and a way out.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from videossl import registry
from videossl.errors import InputError
from videossl.params import recipes, run_plan, schema
from videossl.params.recipes import Params


def check(params: Params) -> None:
    """Check params that are as the schema says; raises InputError at the first mistake."""
    for rule in (_streams, _datasets, _cache, _experiments, _evaluate, _targets, _frames):
        rule(params)


def _check_named(names: list[str], choices: list[str], who: str, why: str) -> None:
    for name in names:
        if name not in choices:
            raise InputError(f"{who} '{name}', but {why}; {registry.nearest(name, choices)}")


# Streams and data.


def _streams(params: Params) -> None:
    """Each encoder takes its modality, clips that are large enough, and as much of each axis as the modality has."""
    for name, stream in params["streams"].items():
        sees, encoder = registry.declared("modalities", stream["modality"]), registry.declared("encoders", stream["encoder"])
        if sees["axes"] != encoder["takes"]:
            raise InputError(
                f"streams.{name}.encoder is {stream['encoder']}, which takes {', '.join(encoder['takes'])},"
                f" and {stream['modality']} has {', '.join(sees['axes'])}; {_taking(sees['axes'])}"
            )
        for key, least in encoder.get("least", {}).items():
            if stream["clip"][key] < least:
                raise InputError(
                    f"streams.{name}.clip.{key} is {stream['clip'][key]}, of which the blocks of {stream['encoder']} leave nothing; set {least} or more"
                )
        cached = run_plan.cached_modality(stream["modality"])
        for setting, declared in encoder["settings"].items():
            for axis, extents in declared.get("sizes", {}).items():
                _extent(params, name, cached, setting, axis, extents)


def _taking(axes: list[str]) -> str:
    fitting = [name for name in registry.names("encoders") if registry.declared("encoders", name)["takes"] == axes]
    return f"choose {' or '.join(fitting)}" if fitting else "no encoder takes these"


def _extent(params: Params, stream: str, cached: str, setting: str, axis: str, extents: dict[str, int]) -> None:
    """A setting of the encoder means as many cells of an axis as the cache has."""
    backend, value = run_plan.backend(params, cached), params["streams"][stream][setting]
    declared = registry.declared("modalities", cached)
    read_for = [name for name in run_plan.datasets(params) if stream in run_plan.streams_of(params, name)]
    own = {name: extent for name in read_for if (extent := _own_extent(params, name, cached, axis))}
    for dataset, extent in own.items():
        if extents[value] != extent:
            fitting = " or ".join(name for name, other in extents.items() if other == extent)
            raise InputError(
                f"streams.{stream}.{setting} is {value}, of {extents[value]} {axis}s, and the files of {dataset} have {extent};"
                f" set the {setting} to {fitting}"
            )
    cached_extent = declared.get("sizes", {}).get(axis, {}).get(backend)
    if cached_extent in (None, extents[value]) or len(own) == len(read_for):
        return
    section = declared["section"]["name"]
    fitting = " or ".join(name for name, extent in extents.items() if extent == cached_extent)
    others = [name for name, sizes in declared["sizes"][axis].items() if sizes == extents[value]]
    way_out = f", or {section}.backend to {' or '.join(others)}" if others else ""
    raise InputError(
        f"streams.{stream}.{setting} is {value}, of {extents[value]} {axis}s, and {section}.backend is {backend}, which gives {cached_extent};"
        f" set the {setting} to {fitting}{way_out}"
    )


def _own_extent(params: Params, dataset: str, cached: str, axis: str) -> int | None:
    """The extent of an axis that the skeleton files of a dataset have, where it says one and they are what is cached."""
    if run_plan.extractor(params, cached)["made_of"] != "skeleton":
        return None
    extent: int | None = registry.declared("datasets", dataset).get("sizes", {}).get(axis)
    return extent


def _datasets(params: Params) -> None:
    names = list(run_plan.datasets(params))
    if len(names) != 1 + len(params["transfer"]):
        raise InputError(f"transfer names a dataset twice, or {names[0]} again; results are kept by the dataset's name, so give each once")
    for entry in params["transfer"]:
        if entry["name"] not in run_plan.measured_datasets(params):
            raise InputError(f"transfer names '{entry['name']}', which evaluate.datasets leaves out; add it there or take it out")
        _check_named(entry["streams"], list(params["streams"]), f"transfer names for {entry['name']}", "streams lacks it")
    if params["transfer"] and not params["evaluate"]["tasks"]:
        raise InputError("transfer names datasets to measure on, but evaluate.tasks is empty; set transfer: [] or name tasks")
    for name, dataset in run_plan.datasets(params).items():
        if run_plan.is_rendered(name) and dataset["root"] != run_plan.own_root(name):
            raise InputError(
                f"the root of the {name} dataset must be {run_plan.own_root(name)}, where it is rendered; or choose name: folder"
            )
        for cached in run_plan.cached_modalities(params, name):
            _check_has(params, name, cached)


def _check_has(params: Params, dataset: str, cached: str) -> None:
    """A dataset has what a cached modality is made of."""
    has, needed = registry.declared("datasets", dataset)["has"], run_plan.extractor(params, cached)["made_of"]
    if needed in has:
        return
    declared = registry.declared("modalities", cached)
    others = [(name, extractor["made_of"]) for name, extractor in declared["extractors"].items() if extractor["made_of"] in has]
    hints = [
        f"make them of its {made_of}s ({declared['section']['name']}: {{backend: {name}}}{declared.get('beside', {}).get(name, '')})"
        for name, made_of in others
    ]
    raise InputError(
        f"{dataset} has no {needed}s, which {_and(_reading(cached))} are made of; take their streams out, and out of what names them,"
        f" {' or '.join(['start from another of presets/', *hints])}"
    )


def _reading(cached: str) -> list[str]:
    """The modalities that are read from a cached one, in the order of tables."""
    return [name for name in schema.ordered("modalities") if run_plan.cached_modality(name) == cached]


def _and(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _cache(params: Params) -> None:
    codec, quality = params["cache"]["codec"], params["cache"].get("quality")
    if codec == "jpeg" and quality is None:
        raise InputError("cache.codec is jpeg, which needs cache.quality; add it, 1 to 100 (90 is hardly seen)")
    if codec != "jpeg" and quality is not None:
        raise InputError(f"cache.quality is of jpeg, and cache.codec is {codec}; take quality out, or set codec: jpeg")


def _frames(params: Params) -> None:
    """The shortest video that is kept has a clip of every stream."""
    for name, stream in params["streams"].items():
        clip = stream["clip"]
        if "stride" not in clip:
            continue
        shorter = registry.declared("modalities", run_plan.cached_modality(stream["modality"]))["cached"].get("shorter", 0)
        spanned = (clip["frames"] - 1) * clip["stride"] + 1 + shorter
        if params["index"]["min_frames"] < spanned:
            raise InputError(
                f"index.min_frames is {params['index']['min_frames']}, but a clip of {name} spans {spanned} frames;"
                f" set it to {spanned} or shorten streams.{name}.clip"
            )


# Experiments.


def _experiments(params: Params) -> None:
    for name, recipe in params["experiments"].items():
        _check_named(recipe["streams"], list(params["streams"]), f"experiments.{name} trains", "streams lacks it")
        if "from" in recipe:
            _start(params, name)
        for role in recipes.method(params, name).get("frozen", {}):
            if role in recipe["streams"]:
                raise InputError(f"experiments.{name} trains a stream called {role}, which is a role of its method; call it otherwise")
        for role in recipes.named_roles(params, name):
            _named(params, name, role)
        _parts(params, name)
        _rules(params, name)
        _by_stream(params, name)
        _equal(params, name)
        _at_least(params, name)
        _strides(params, name)
        _turns(params, name)
    _check_named(params["all"], list(params["experiments"]), "all names", "there is no such experiment")


def _start(params: Params, name: str) -> None:
    """Check that the start of an experiment is there, that there is no circle, and that it has the same streams."""
    experiments, recipe = params["experiments"], params["experiments"][name]
    start = recipe["from"]
    if start not in experiments:
        others = [other for other in experiments if other != name]
        raise InputError(f"experiments.{name}.from is '{start}'; {registry.nearest(start, others)}")
    walked = [name, *recipes.origins(params, name)]
    if walked[-1] in walked[:-1]:
        raise InputError(
            f"experiments.{name}.from leads round in a circle ({', '.join(walked)}); let one of them start from another, or from none"
        )
    for stream in recipe["streams"]:
        if stream not in experiments[start]["streams"]:
            raise InputError(f"experiments.{name} needs '{stream}', which '{start}' does not train")
    _state(params, name, start)


def _state(params: Params, name: str, start: str) -> None:
    """A training takes over all that an earlier one of its kind left, or an encoder alone."""
    own, given = (_left(params, experiment) for experiment in (name, start))
    if own != given and "encoder" not in (own, given):
        fitting = [other for other in params["experiments"] if other != name and _left(params, other) == own]
        way_out = f"start from {' or '.join(fitting)}, or leave `from` out" if fitting else "leave `from` out, or add an experiment by it"
        raise InputError(f"experiments.{name}.from is '{start}', which is trained by {given}, and this one goes on from {own}; {way_out}")


def _left(params: Params, name: str) -> str:
    """The kind of state that the trainings of an experiment leave: that of the method, or framework, which is called so."""
    recipe = params["experiments"][name]
    return str(recipes.method(params, name).get("state", registry.framework(recipe) or recipe["method"]))


def _named(params: Params, name: str, role: str) -> None:
    """The frozen encoder that a recipe names is trained, by an experiment that is not made from this one."""
    named = params["experiments"][name][role]
    _check_named([named["experiment"]], list(params["experiments"]), f"experiments.{name}.{role} names", "there is no such experiment")
    _check_named(
        [named["stream"]],
        params["experiments"][named["experiment"]]["streams"],
        f"experiments.{name}.{role} names",
        "it is not trained there",
    )
    if name in recipes.with_starts(params, [named["experiment"]]):
        raise InputError(f"experiments.{name}.{role} is of {named['experiment']}, which is made from {name}; name another")


def _parts(params: Params, name: str) -> None:
    """Every stream has what the method uses, and a value for each of its settings."""
    recipe = params["experiments"][name]
    for stream in recipe["streams"]:
        for part in recipes.method(params, name).get("uses", []):
            if part not in params["streams"][stream]:
                raise InputError(f"experiments.{name} trains {stream} by {recipe['method']}, which needs streams.{stream}.{part}; add it")
        _settings(params, stream, recipe["method"], name)


def _settings(params: Params, stream: str, tag: str, experiment: str = "") -> None:
    """A training has all its settings, and each is one for its method."""
    framework = registry.framework(params["experiments"][experiment]) if experiment else None
    for key, setting in recipes.settings(params, stream, tag, experiment).items():
        if setting.place:
            schema.check_setting(schema.method_of(tag), framework, key, setting.value, setting.place)


def _rules(params: Params, name: str) -> None:
    """Check the method's rules on settings that go together."""
    recipe, declared = params["experiments"][name], recipes.method(params, name)
    for rule in declared.get("rules", []):
        ((key, values),) = rule["when"].items()
        if recipe.get(key) not in values:
            continue
        ((other, wanted),) = rule["then"].items()
        given = recipe.get(other)
        if wanted == "absent":
            wrong, way_out = other in recipe, f"take {other} out"
        elif wanted == "all":
            every = declared["settings"][other]["items"]["enum"]
            wrong, way_out = given is not None and set(given) != set(every), f"give {other}: [{', '.join(every)}]"
        else:
            wrong, way_out = given is not None and given not in wanted, f"give {other}: {' or '.join(map(str, wanted))}"
        if wrong:
            raise InputError(f"experiments.{name}.{other} is {_text(given)}, but with {key} {recipe[key]} {rule['why']}; {way_out}")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _by_stream(params: Params, name: str) -> None:
    """A setting with a value for each stream has one for each of the experiment's, and no others."""
    recipe = params["experiments"][name]
    for key, declared in recipes.method(params, name).get("settings", {}).items():
        if "by stream" in declared and isinstance(recipe.get(key), dict) and set(recipe[key]) != set(recipe["streams"]):
            raise InputError(
                f"experiments.{name}.{key} is of {', '.join(recipe[key]) or 'no stream'}; give one for each of {', '.join(recipe['streams'])}"
            )


def _equal(params: Params, name: str) -> None:
    """Streams that learn in one training have equal settings where a setting is for the training as a whole."""
    recipe, declared = params["experiments"][name], recipes.method(params, name)
    if declared["trains"] != "together":
        return
    first, *others = recipe["streams"]
    settings = recipes.settings(params, first, recipe["method"], name)
    for other in others:
        other_settings = recipes.settings(params, other, recipe["method"], name)
        for key in [*schema.loop(), *declared.get("equal", [])]:
            if settings[key].value != other_settings[key].value:
                raise InputError(
                    f"experiments.{name} trains {first} and {other} in one, but {_place(settings[key], first, key)} is {settings[key].value}"
                    f" and {_place(other_settings[key], other, key)} is {other_settings[key].value}; make them equal"
                )


def _at_least(params: Params, name: str) -> None:
    """Check that no setting is below another that it must hold."""
    recipe = params["experiments"][name]
    for stream in recipe["streams"]:
        settings = recipes.settings(params, stream, recipe["method"], name)
        for key, least in recipes.method(params, name).get("at least", {}).items():
            if settings[key].value < settings[least].value:
                raise InputError(
                    f"experiments.{name} trains {stream} with {_place(settings[key], stream, key)} {settings[key].value}, below {least}"
                    f" {settings[least].value}; raise {key} or lower {least}"
                )


def _strides(params: Params, name: str) -> None:
    """Check that the shortest video that is kept has a clip of the least of the strides that are drawn."""
    recipe, key = params["experiments"][name], str(recipes.method(params, name).get("strides", ""))
    for stream in recipe["streams"] if key else ():
        setting, clip = recipes.settings(params, stream, recipe["method"], name)[key], params["streams"][stream]["clip"]
        spanned = (clip["frames"] - 1) * min(setting.value) + 1
        if params["index"]["min_frames"] < spanned:
            raise InputError(
                f"experiments.{name} draws clips of {stream} with {_place(setting, stream, key)} {setting.value}, which span {spanned} frames or"
                f" more, and index.min_frames is {params['index']['min_frames']}; set it to {spanned}, or give a smaller stride"
            )


def _place(setting: recipes.Setting, stream: str, key: str) -> str:
    return setting.place or f"streams.{stream}.train.{key}, which is absent,"


def _turns(params: Params, name: str) -> None:
    """Trainings in turn share the recipe's epochs; files of two trainings never have one name."""
    recipe, jobs = params["experiments"][name], recipes.trainings(params, name)
    for stream, count in Counter(stream for job in jobs for stream in job.streams).items():
        if recipe.get("epochs", count) % count:
            raise InputError(
                f"experiments.{name}.epochs is {recipe['epochs']}, which {count} trainings of {stream} cannot share; give a multiple"
            )
    for job, count in Counter(job.name for job in jobs).items():
        if count > 1:
            raise InputError(f"experiments.{name} has two trainings called {job}; give one of the streams another name")


# Measurements.


def _evaluate(params: Params) -> None:
    _check_named(
        run_plan.measured_datasets(params), list(run_plan.datasets(params)), "evaluate.datasets names", "neither dataset nor transfer does"
    )
    for task, settings in params["evaluate"]["tasks"].items():
        experiments = list(params["experiments"])
        _check_named(
            settings.get("experiments", []), experiments, f"evaluate.tasks.{task}.experiments names", "there is no such experiment"
        )
        if registry.declared("tasks", task)["given"] == "encoder":
            for stream in params["streams"]:  # of the untrained encoder all streams are
                _settings(params, stream, task)
    for pair in params["evaluate"]["fused"]:
        _check_named(pair, list(params["streams"]), "evaluate.fused names", "streams lacks it")


def _targets(params: Params) -> None:
    pages = {name: name for name in ("index", "seeds")}  # as disks see them that do not tell A from a
    for name, target in params["targets"].items():
        if (other := pages.setdefault(name.lower(), name)) != name:
            raise InputError(f"targets.{name} makes a page that some disks do not tell from that of {other}; choose another name")
        _check_named(target["experiments"], list(params["experiments"]), f"targets.{name} names", "there is no such experiment")
        for stream in target["streams"]:
            _check_named(stream.split("+"), list(params["streams"]), f"targets.{name} names", "streams lacks it")
            if "+" in stream and stream.split("+") not in params["evaluate"]["fused"]:
                raise InputError(f"targets.{name} names '{stream}', which evaluate.fused lacks; add [{stream.replace('+', ', ')}]")
            if "+" in stream and target["show"] != "results":
                raise InputError(f"targets.{name} shows {target['show']}, of one stream at a time; leave out '{stream}'")
        for task in target.get("tasks", []):
            if task not in params["evaluate"]["tasks"]:
                raise InputError(f"targets.{name} names '{task}', but evaluate.tasks lacks it; add it there, or take it from the target")
        _trained(params, name)
        _measured(params, name)
        if target["show"] == "progress":
            _kept(params, name)


def _trained(params: Params, name: str) -> None:
    target = params["targets"][name]
    for stream in {part for named in target["streams"] for part in named.split("+")}:
        without = [experiment for experiment in target["experiments"] if stream not in params["experiments"][experiment]["streams"]]
        if len(without) == len(target["experiments"]) or (without and target["show"] != "results"):
            raise InputError(f"targets.{name} names '{stream}', which experiments.{without[0]} does not train; take out one of them")


def _measured(params: Params, name: str) -> None:
    """Check that a target's measurements of an experiment of `all` are measured by `all`: no page depends on which targets were made."""
    target = params["targets"][name]
    for task in target.get("tasks", []):
        if target["show"] == "progress" and registry.declared("tasks", task)["given"] != "features":
            raise InputError(f"targets.{name} shows progress in '{task}', which trains an encoder at every point; name other tasks")
        for experiment in target["experiments"]:
            if experiment in params["all"] and task not in run_plan.tasks_of(params, experiment):
                where = f"evaluate.tasks.{task}.experiments"
                raise InputError(f"targets.{name} measures {task} of '{experiment}', which is in all but not in {where}; add it there")


def _kept(params: Params, name: str) -> None:
    target, first = params["targets"][name], params["dataset"]["name"]
    if first not in run_plan.measured_datasets(params):
        raise InputError(f"targets.{name} shows progress on {first}, which evaluate.datasets leaves out; add it or leave out the target")
    for job in (
        job for stream in target["streams"] for experiment in target["experiments"] for job in recipes.chain(params, experiment, stream)
    ):
        if recipes.epochs(params, job) and "keep" not in params["experiments"][job.experiment]:
            raise InputError(
                f"targets.{name} shows progress, but experiments.{job.experiment} keeps no encoder on the way; give it `keep: 10` or so"
            )
