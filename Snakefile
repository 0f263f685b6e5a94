# videossl: download, extract flow and skeletons, cache to HDF5, pretrain one encoder per modality, train the encoders
# alternately on each other's features, evaluate, report.
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
sys.path.insert(
    0, str(REPOSITORY / "lib")
)  # this repository's library, whatever is installed

from videossl import code as source, params as parameters
from videossl.errors import InputError, one_line

os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(REPOSITORY / "lib"), os.environ.get("PYTHONPATH")])
)
# Slurm's notice before a time limit reaches all processes of a job. It is the training's, which heeds it; others go on.
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def refuse(error):
    """End before anything runs, with one line."""
    print(one_line(error), file=sys.stderr)
    sys.stderr.flush()
    os._exit(2)


try:
    P = parameters.load("params.yaml")
    parameters.check_writable("data")
    parameters.check_weights(P)
except InputError as error:
    refuse(error)

DATASET = P["dataset"]["name"]  # what encoders are trained on
DATASETS = parameters.datasets(P)  # and what they are measured on
SHARDS = [f"{shard:04d}" for shard in range(P["cache"]["shards"])]
EXPERIMENTS = list(P["experiments"])
BASELINES = ["untrained", "handmade"]
STARTED = time.time()


def at(path):
    """`path` of the repository as seen from the run's folder."""
    return path if REPOSITORY == Path.cwd() else str(REPOSITORY / path)


def code(script):
    """The files that stages/`script` depends on: itself, first, and what it imports; as a function, for the rules at work only."""
    script = f"stages/{script}"
    return lambda wildcards: [
        at(script),
        *(at(path) for path in source.closure(script) if path != script),
    ]


def slice_of(function, *names):
    """The rule's part of params.yaml as JSON; `names` are wildcards handed to `function`."""
    return lambda wildcards: json.dumps(
        function(P, *(wildcards[name] for name in names))
    )


def fixed(part):
    """The same of a part that no wildcard chooses: a function, for Snakemake takes {name} in a text for a wildcard."""
    return lambda wildcards: json.dumps(part)


def shards(source, dataset):
    """The shards of one cached modality."""
    return expand(
        "data/cache/{dataset}/{source}/{shard}.h5",
        dataset=dataset,
        source=source,
        shard=SHARDS,
    )


def cached(modality, dataset=DATASET):
    """The shards that `modality` is read from."""
    return shards(parameters.SOURCES[modality], dataset)


wildcard_constraints:
    dataset="|".join(DATASETS),
    shard=r"\d{4}",
    seed=r"\d+",
    modality="rgb|flow|joint|motion|bone",
    experiment="|".join([*EXPERIMENTS, *BASELINES]),
    cycle=r"\d+",
    phase=r"pretrain|cmmc\d+|mining",


include: "stages/data.smk"
include: "stages/extract.smk"
include: "stages/train.smk"
include: "stages/measure.smk"
include: "stages/report.smk"


digest = cache(source.digest)


def contents(files):
    """The digest of a rule's code. Snakemake tells changed files by their times, which lie where a clock was set back or a copy kept them."""
    return lambda wildcards: digest(f"stages/{Path(files(wildcards)[0]).name}")


for one in workflow.rules:
    if "code" in one.input.keys():
        one.set_params(code=contents(one.input.code))


localrules:
    all,
    seeds,


rule all:
    default_target: True
    input:
        "data/report/index.html",


rule seeds:
    input:
        "data/report/seeds.html",


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
        parameters.check_times(
            {str(file) for job in workflow.dag.jobs for file in job.input}
        )
    except InputError as error:
        workflow.persistence.unlock()
        refuse(error)


onstart:
    refuse_the_future()
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
