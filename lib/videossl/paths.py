"""The places of the artefacts of a run, relative to its folder: the one module that knows them (docs/data-contract.md)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

SEEDED = "{seed}"
"""The mark for a seed in a path that serves for all seeds."""

LAYOUTS = tuple(
    re.compile(pattern)
    for pattern in (
        r"data/raw/(?P<dataset>[^/.]+)(\.json)?",
        r"data/index/(?P<dataset>[^/.]+)\..+",
        r"data/cache/(?P<dataset>[^/]+)/(?P<cached>[^/]+)/(?P<shard>\d+)\.h5",
        r"data/models/(?P<experiment>[^/]+)/(?P<seed>\d+)/(?P<training>[^/.]+)\..+",
        r"data/models/(?P<experiment>[^/]+)/feasible\.json",
        r"data/features/(?P<experiment>[^/]+)/(?P<seed>\d+)/(?P<stream>[^/]+)/(?P<dataset>[^/.]+)\.h5",
        r"data/features/(?P<experiment>[^/]+)/(?P<seed>\d+)/(?P<stream>[^/]+)/(?P<dataset>[^/.]+)\.(?P<task>[^/.]+)\.h5",
        r"data/progress/(?P<experiment>[^/]+)/(?P<seed>\d+)/(?P<dataset>[^/]+)/(?P<training>[^/.]+)\.json",
        r"data/results/(?P<experiment>[^/]+)/(?P<seed>\d+)/(?P<dataset>[^/]+)/(?P<task>[^/.]+)\.json",
    )
)
"""The patterns of the paths of artefacts."""


def says(path: str) -> dict[str, str]:
    """Read the path of an artefact: its dataset, experiment, stream, ...; {} for a path with none of them."""
    match = next(filter(None, (layout.fullmatch(path) for layout in LAYOUTS)), None)
    return {key: value for key, value in match.groupdict().items() if value is not None} if match else {}


def raw(dataset: str, rendered: bool = False) -> str:
    """The output of `download` for a dataset: the folder that it renders, else the record of the files that it fetched or looked at."""
    return f"data/raw/{dataset}" if rendered else f"data/raw/{dataset}.json"


def index(dataset: str) -> str:
    """The table of a dataset's videos."""
    return f"data/index/{dataset}.csv"


def index_about(dataset: str) -> str:
    """The origin of that table, beside it."""
    return f"data/index/{dataset}.json"


def measurable(dataset: str) -> str:
    """The verdict on a dataset: its labels and split allow the tasks, or not."""
    return f"data/index/{dataset}.measurable.json"


def cache(dataset: str, source: str) -> str:
    """The folder of the shards of one cached modality."""
    return f"data/cache/{dataset}/{source}"


def shards(named: str) -> list[str]:
    """The shards that a command names in short, "FOLDER:COUNT": the first COUNT of the folder; any other text is the path of one."""
    folder, _, count = named.rpartition(":")
    return [f"{folder}/{number:04d}.h5" for number in range(int(count))] if folder and count.isdigit() else [named]


def in_short(shards: Iterable[str]) -> list[str]:
    """All shards of some folders as a command names them, for a system limits a command to 128 KiB."""
    counts = Counter(shard.rpartition("/")[0] for shard in shards)
    return [f"{folder}:{count}" for folder, count in counts.items()]


def feasible(experiment: str) -> str:
    """The verdict on an experiment: what its encoders allow its method to do."""
    return f"data/models/{experiment}/feasible.json"


def models(experiment: str, seed: int | str = SEEDED) -> str:
    """The folder of all that an experiment trains."""
    return f"data/models/{experiment}/{seed}"


def weights(experiment: str, training: str, seed: int | str = SEEDED) -> str:
    """The weights that a training leaves."""
    return f"{models(experiment, seed)}/{training}.safetensors"


def history(experiment: str, training: str, seed: int | str = SEEDED) -> str:
    """The training curve, beside the weights."""
    return f"{models(experiment, seed)}/{training}.json"


def snapshots(experiment: str, training: str, seed: int | str = SEEDED) -> str:
    """The encoders that it kept along the way."""
    return f"{models(experiment, seed)}/{training}.snapshots.safetensors"


def features(experiment: str, stream: str, dataset: str, seed: int | str = SEEDED, task: str = "") -> str:
    """The features of every video by an encoder; of a task that trains, its predictions."""
    return f"data/features/{experiment}/{seed}/{stream}/{dataset}{f'.{task}' if task else ''}.h5"


def results(experiment: str, dataset: str, task: str, seed: int | str = SEEDED) -> str:
    """The numbers of a task."""
    return f"data/results/{experiment}/{seed}/{dataset}/{task}.json"


def progress(experiment: str, training: str, dataset: str, seed: int | str = SEEDED) -> str:
    """The numbers along one training."""
    return f"data/progress/{experiment}/{seed}/{dataset}/{training}.json"
