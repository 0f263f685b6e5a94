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
import sys
import time
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
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def refuse(error):
    """End before anything runs, with one line."""
    print(one_line(error), file=sys.stderr)
    sys.stderr.flush()
    os._exit(2)


try:
    P = parameters.load("params.yaml")
    parameters.check_writable("data")
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
    """The files that stages/`script` depends on: itself, first, and what it imports."""
    script = f"stages/{script}"
    return [
        at(script),
        *(at(path) for path in source.closure(script) if path != script),
    ]


def slice_of(function, *names):
    """The rule's part of params.yaml as JSON; `names` are wildcards handed to `function`."""
    return lambda wildcards: json.dumps(
        function(P, *(wildcards[name] for name in names))
    )


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
    modality="rgb|flow|joint|motion",
    experiment="|".join([*EXPERIMENTS, *BASELINES]),
    cycle=r"\d+",
    phase=r"pretrain|cmmc\d+",


include: "stages/data.smk"
include: "stages/extract.smk"
include: "stages/train.smk"
include: "stages/evaluate.smk"
include: "stages/report.smk"


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


onerror:
    shell(
        "find logs -name '*.log' -newermt @{STARTED} -exec grep -h '^error: ' {{}} + 2>/dev/null | sort -u >&2 || true"
    )
