# videossl: download, extract, cache to HDF5, train encoders by a method, measure them on tasks, report.
#
#   snakemake --cores all            everything that `params.yaml` asks for, ending in data/report/index.html
#   snakemake --cores all seeds      the same for every seed of params.seeds, with mean and spread
#   snakemake --cores all table1     what params.targets compares under that name: data/report/table1.html and .json
#   snakemake --cores all -n         what there is to do
#
# A run is a folder that holds a params.yaml; `--directory` names another one than this (see `make run`).

import json
import os
import shutil
import signal
import sys
import time
from functools import cache
from pathlib import Path

REPOSITORY = Path(workflow.basedir)
LIBRARY = REPOSITORY / "lib"  # not there in an installed package
if LIBRARY.is_dir():
    # This repository's library, whatever is installed; a profile may have loaded that one already.
    sys.path.insert(0, str(LIBRARY))
    for loaded in [
        name for name in sys.modules if name.partition(".")[0] == "videossl"
    ]:
        del sys.modules[loaded]
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(LIBRARY), os.environ.get("PYTHONPATH")])
    )

from videossl import job_code, made_from, paths, registry
from videossl.errors import InputError, one_line
from videossl.params import load, preflight, recipes, run_plan, slices

# Slurm's notice before a time limit reaches all processes of a job. It is the training's, which heeds it; others go on.
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def refuse(error):
    """End before anything runs, with one line."""
    print(one_line(error), file=sys.stderr)
    sys.stderr.flush()
    os._exit(2)


try:
    P = load.load("params.yaml")
    preflight.check_writable("data")
    preflight.check_weights(P)
except InputError as error:
    refuse(error)

DATASET = P["dataset"]["name"]  # what encoders are trained on
DATASETS = run_plan.datasets(P)  # and what they are measured on
EXPERIMENTS = list(P["experiments"])
BASELINES = list(run_plan.BASELINES)
TASKS = list(P["evaluate"]["tasks"])
STARTED = time.time()
# The files of the stages of dvc.yaml that serve for all seeds; each .smk file adds its own.
ONCE = []


@cache
def at(name):
    """The file of a `name` in the repository as seen from the run's folder: relative, so that a clone that is moved with its runs is as it was."""
    return os.path.relpath(job_code.place(name))


def depends(script, things=lambda wildcards: ()):
    """What a rule's job depends on of the code: stages/`script`, first, what that imports, and the files of the `things` it uses. As a
    function, for the jobs at work only."""

    def files(wildcards):
        own = f"stages/{script}"
        closure = job_code.closure(own, *things(wildcards))
        return [at(own), *(at(path) for path in closure if path != own)]

    return files


def uses(part):
    """The things that a job with the slice `part` (a function of wildcards) uses."""
    return lambda wildcards: registry.used(part(wildcards))


def as_json(part):
    """The rule's part of params.yaml as JSON: a function, for Snakemake takes {name} in a text for a wildcard."""
    return lambda wildcards: json.dumps(part(wildcards))


def shards(cached, dataset):
    """The shards of one cached modality."""
    return paths.shards(f"{paths.cache(dataset, cached)}:{P['cache']['shards']}")


def shards_of(streams, dataset=DATASET):
    """The shards that `streams` are read from."""
    cached = dict.fromkeys(
        run_plan.cached_modality(P["streams"][stream]["modality"]) for stream in streams
    )
    return [shard for name in cached for shard in shards(name, dataset)]


wildcard_constraints:
    dataset="|".join(DATASETS),
    shard=r"\d{4}",
    seed=r"\d+",
    stream="|".join(P["streams"]),
    experiment="|".join([*EXPERIMENTS, *BASELINES]),
    training=r"[a-z0-9+-]+",
    task="|".join(TASKS) or "none",


include: "stages/data.smk"
include: "stages/extract.smk"
include: "stages/train.smk"
include: "stages/measure.smk"
include: "stages/report.smk"


digest = cache(job_code.digest)
within = cache(lambda file: job_code.name_of(Path(os.path.abspath(file))))


def contents(files):
    """The digest of a rule's code. Snakemake tells changed files by their times, which lie where a clock was set back or a copy kept them."""
    return lambda wildcards: digest(*map(within, files(wildcards)))


def foreign(rule):
    """An input function without files: where an output of the rule says that it was made from other code or params than those of now, it is
    made again. Snakemake knows what it has made, but not what `dvc checkout` has put there since.
    """
    files, part = rule.input.code, rule.params.slice

    def look(wildcards):
        outputs = [str(file.apply_wildcards(wildcards)) for file in rule.output]
        there = [output for output in outputs if os.path.exists(output)]
        if there:
            script = within(files(wildcards)[0])
            wanted = script, contents(files)(wildcards), json.loads(part(wildcards))
            workflow.dag.forcefiles.update(
                output for output in there if made_from.differs(output, *wanted)
            )
        return []

    return look


for written in workflow.rules:
    if "code" in written.input.keys():
        written.set_params(code=contents(written.input.code))
        written.set_input(foreign=foreign(written))


localrules:
    all,
    seeds,


def all_of(seed):
    """All files of the stages of dvc.yaml, for a seed. Snakemake makes again what is missing only where it is asked for."""
    trained = [made_by_training(name, seed) for name in MADE]
    measured = [made_by_measuring(name, seed) for name in [*BASELINES, *P["all"]]]
    return [*ONCE, *(path for paths in (*trained, *measured) for path in paths)]


rule all:
    default_target: True
    input:
        "data/report/index.html",
        all_of(P["seed"]),
    message:
        "all of params.yaml is made"


rule seeds:
    input:
        "data/report/seeds.html",
        [path for seed in P["seeds"] for path in all_of(seed)],
    message:
        "all of params.yaml is made, for all seeds"


def prepare_for_slurm():
    """What its plugin does not do by itself, or does wrong."""
    import snakemake_executor_plugin_slurm as plugin

    # It sets a job's command line between double quotes for a shell, and quotes paths as Python does.
    for path in (str(REPOSITORY), os.getcwd()):
        if set(path) & set("$`") or "\\" in repr(path):
            workflow.persistence.unlock()
            refuse(
                InputError(
                    f"{path!r} cannot be run on Slurm, whose plugin hands the path to a shell; give it a name without $, ` or \\"
                )
            )
    # It asks for Slurm's MinJobAge at each look. While the controller is away there is no answer, and it turns from squeue to
    # sacct, which has none at all where there is no accounting: then it forgets its jobs and waits for ever.
    age = plugin.get_min_job_age()
    if age is not None:
        plugin.get_min_job_age = lambda: age


def refuse_the_future():
    """Before Snakemake deletes what is made of files that are from it."""
    try:
        preflight.check_times(
            {str(file) for job in workflow.dag.jobs for file in job.input}
        )
    except InputError as error:
        workflow.persistence.unlock()
        refuse(error)


def put_strays_aside():
    """Artefacts of other params in a folder of these: DVC, which tracks the folder, would record them."""
    strays = run_plan.strays(P)
    for path in strays:
        aside = Path("data/scratch/strays", path)
        aside.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, aside)
    if strays:
        print(
            f"{len(strays)} files that no job of params.yaml makes now lie in data/scratch/strays; the first: {strays[0]}",
            file=sys.stderr,
        )


onstart:
    # With a limit on new jobs a second Snakemake 9 looks at all jobs that are ready once more each second for every job that has ended (its pull
    # request 3744): after some hundred jobs that takes a core. So its own limit is taken away; one that a user asks for stays.
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
    refuse_the_future()
    put_strays_aside()
    if workflow.executor_plugin.name == "slurm":
        prepare_for_slurm()


onsuccess:
    # Checkpoints of trainings whose weights are there; not before, since a job that fails at the last moment loses its results.
    for mark in Path("data/scratch/checkpoints").glob("*/done"):
        shutil.rmtree(mark.parent, ignore_errors=True)


onerror:
    shell(
        "find logs -name '*.log' -newermt @{STARTED} -exec grep -h '^error: ' {{}} + 2>/dev/null | sort -u >&2 || true"
    )
