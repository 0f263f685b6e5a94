"""The presets of the paper: every number of its schedule against a table written by hand, and the whole graph on a stub of the data."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.pipeline.conftest import ENVIRONMENT
from videossl.datasets import kinetics400, ucf101
from videossl.params import load, recipes, run_plan

PRESETS = REPOSITORY / "presets"
TARGETS = ["table1", "table2", "table3", "table4", "figure2", "figure3"]


@pytest.fixture(scope="module")
def preset() -> dict[str, dict[str, Any]]:
    return {name: load.load(PRESETS / f"{name}.yaml") for name in ("ucf101", "kinetics400", "toy-large")}


def at(mapping: dict[str, Any], key: str) -> Any:
    value: Any = mapping
    for part in key.split("."):
        value = value[part]
    return value


def settings(params: dict[str, Any], stream: str, tag: str) -> dict[str, Any]:
    """What a stream sets for a method, or for a task that trains, as a training gets it; what a recipe says is left out."""
    train = params["streams"][stream]["train"]
    own: dict[str, Any] = train.get(tag, {})
    return {key: value for key, value in train.items() if not isinstance(value, dict)} | own


SAME = {  # on both datasets
    "encoder": "s3d",  # section 4.2
    "width": 1.0,
    "clip": {"frames": 32, "stride": 1, "size": 128},
    "head": {"hidden": 1024, "out": 128},
    "augment.area": [0.2, 1.0],
    "augment.flip": 0.5,
}
LOOP = {"optimiser": "adam", "lr": 0.001, "weight_decay": 0.00001, "schedule": "steps"}
CONTRAST = {"temperature": 0.07, "momentum": 0.999, "alpha": 1.0, "negatives": "all"}  # appendix 2, section 3.2; plain MoCo
LARS = {"optimiser": "lars", "lr": 2 * 1.2, "weight_decay": 1e-6, "decay_norms": False, "schedule": "cosine", "warmup": 35 / 200}
TRAINED = {  # by method or task; section 4.2: 100 epochs a training of CMMC, and so in CoCLR; appendix 1: 500 of finetuning
    "ucf101": {
        "moco": LOOP | CONTRAST | {"queue": 2048, "batch": 2 * 32, "epochs": 200},
        "cmmc": LOOP | CONTRAST | {"queue": 2048, "batch": 2 * 32, "epochs": 100},
        "simclr": LOOP | {"temperature": 0.07, "alpha": 1.0, "batch": 64, "epochs": 300},
        "byol": LOOP | {"momentum": 0.996, "alpha": 1.0, "batch": 64, "epochs": 500},
        "coclr": LOOP | CONTRAST | {"queue": 2048, "batch": 64, "epochs": 100},
        "finetune": LOOP | {"epochs": 500, "batch": 64},
    },
    "kinetics400": {
        "moco": LOOP | CONTRAST | {"queue": 16384, "batch": 4 * 32, "epochs": 300},
        "cmmc": LOOP | CONTRAST | {"queue": 16384, "batch": 4 * 32, "epochs": 100},
        "byol": LARS | {"momentum": 0.996, "alpha": 1.0, "batch": 128, "epochs": 200},
        "coclr": LOOP | CONTRAST | {"queue": 16384, "batch": 128, "epochs": 100},
        "finetune": LOOP | {"epochs": 500, "batch": 64},
    },
}
JITTER = {"jitter": [0.4, 0.4, 0.4, 0.1], "jitter_p": 0.8, "grey_p": 0.2, "blur_p": 0.5, "blur_sigma": [0.1, 2.0]}


@pytest.mark.parametrize("name", ["ucf101", "kinetics400"])
def test_every_number_of_the_papers_schedule(preset: dict[str, dict[str, Any]], name: str) -> None:
    params = preset[name]
    assert list(params["streams"]) == ["rgb", "flow"]
    for stream, chosen in params["streams"].items():
        for key, value in SAME.items():
            assert at(chosen, key) == value, (stream, key)
        for tag, wanted in TRAINED[name].items():
            given = settings(params, stream, tag)
            assert {key: given[key] for key in wanted} == wanted, (stream, tag)
    assert {key: params["streams"]["rgb"]["augment"][key] for key in JITTER} == JITTER
    assert (params["dataset"]["name"], params["dataset"]["split"]) == (name, 1)
    finetune = params["evaluate"]["tasks"]["finetune"]
    assert (finetune["crops"], finetune["overlap"], finetune["experiments"][0]) == (10, 0.5, "stc-mix")
    assert params["evaluate"]["clips"] == 10 and params["flow"] == {"backend": "tvl1", "bound": 20}
    assert params["index"]["fps"] == 30  # section 4.2


@pytest.mark.parametrize("name", ["ucf101", "kinetics400"])
def test_what_a_training_gets_is_what_its_stream_says(preset: dict[str, dict[str, Any]], name: str) -> None:
    """No recipe of the paper has a rate or a batch of its own."""
    params = preset[name]
    for experiment, recipe in params["experiments"].items():
        for stream in recipe["streams"]:
            chosen = recipes.settings(params, stream, recipe["method"], experiment)
            wanted = dict(TRAINED[name][recipe["method"]])
            if recipe.get("framework") == "byol":  # without negatives; how fast its average moves is its own
                own = TRAINED[name]["byol"]
                wanted = {key: own[key] if key == "momentum" else value for key, value in wanted.items() if key in LOOP or key in own}
            assert {key: chosen[key].value for key in wanted if key != "epochs"} == {key: wanted[key] for key in wanted if key != "epochs"}


MEASURED_TOO = {"ucf101": ["hmdb51"], "kinetics400": ["ucf101", "hmdb51"]}


@pytest.mark.parametrize("name", ["ucf101", "kinetics400"])
def test_datasets_lie_in_the_pipelines_own_folders_unless_told_otherwise(name: str, tmp_path: Path) -> None:
    chosen = preset_of(name, tmp_path / "run")
    roots = {entry["name"]: entry["root"] for entry in (chosen["dataset"], *chosen["transfer"])}
    assert roots == {dataset: f"data/raw/{dataset}" for dataset in (name, *MEASURED_TOO[name])}
    assert run_plan.brought(chosen, name) == ([] if name == "ucf101" else ["data/raw/kinetics400"])


@pytest.mark.parametrize("name", ["ucf101", "kinetics400"])
def test_what_is_measured_besides(preset: dict[str, dict[str, Any]], name: str) -> None:
    measured = [(entry["name"], entry["split"], entry["streams"]) for entry in preset[name]["transfer"]]
    assert measured == [(other, 1, ["rgb", "flow"]) for other in MEASURED_TOO[name]]


EPOCHS = {  # experiment: epochs of each training behind its encoder, from the first; of RGB, and of flow where it is trained
    "ucf101": {
        "moco": [200],  # table 1
        "mixup": [200],
        "t-cutmix": [200],
        "st-cutmix": [200],
        "videomix": [200],
        "moco-long": [500],  # table 2: 500 for MoCo, else 200 with mixup and 300 more
        "manifold-mixup": [200, 150, 150],
        "cm-mixup": [200, 150, 150],
        "cm-cutmix-s": [200, 150, 150],
        "cm-cutmix-st": [200, 150, 150],
        "cm-cutmix-stc": [200, 150, 150],
        "stc-mix-ablation": [200, 150, 150],
        "mixup-long": [500],  # figure 2
        "stc-mix-once": [300, 200],
        "mixup-300": [300],  # section 4.2: 300, then stages of 100
        "stc-mix": [300, 100, 100],
        "moco-300": [300],  # table 3, 500 for each row
        "coclr": [300, 100, 100],
        "coclr-stc-mix": [300, 100, 100],
        "rho-byol": [500],
        "simclr": [300],  # not in the paper
        "simclr-mixup": [300],
    },
    "kinetics400": {
        "mixup": [300],
        "stc-mix": [300, 100, 100],
        "moco": [300],
        "coclr": [300, 100, 100],
        "coclr-stc-mix": [300, 100, 100],
        "rho-byol": [200],
        "rho-byol-stc-mix": [200, 100, 100],
    },
}


def epochs_of(params: dict[str, Any], experiment: str) -> dict[str, list[int]]:
    """By stream, the epochs of each training behind an encoder of `experiment`, from the first."""
    chains = {stream: recipes.chain(params, experiment, stream) for stream in params["experiments"][experiment]["streams"]}
    return {stream: [recipes.epochs(params, job) for job in chain] for stream, chain in chains.items()}


@pytest.mark.parametrize("name", ["ucf101", "kinetics400"])
def test_epochs_of_every_encoder(preset: dict[str, dict[str, Any]], name: str) -> None:
    params = preset[name]
    assert set(params["experiments"]) == set(EPOCHS[name])
    for experiment, wanted in EPOCHS[name].items():
        for stream, epochs in epochs_of(params, experiment).items():
            once = experiment == "stc-mix-once" and stream == "flow"  # flow is not trained on
            assert epochs == (wanted[:1] if once else wanted), (experiment, stream)


STREAMS = ["rgb", "flow", "rgb+flow"]
SHOWN = {
    "table1": ("results", ["moco", "mixup", "t-cutmix", "st-cutmix", "videomix"], ["rgb"], ["linear", "retrieval"]),
    "table2": (
        "results",
        ["moco-long", "manifold-mixup", "cm-mixup", "cm-cutmix-s", "cm-cutmix-st", "cm-cutmix-stc", "stc-mix-ablation"],
        STREAMS,
        ["linear", "retrieval"],
    ),
    "table3": ("results", ["coclr", "rho-byol", "stc-mix", "coclr-stc-mix"], STREAMS, ["linear", "finetune"]),
    "table4": ("results", ["stc-mix"], STREAMS, ["retrieval"]),
    "figure2": ("progress", ["moco-long", "mixup-long", "stc-mix-once", "stc-mix"], ["rgb"], ["linear"]),
    "figure3": ("training", ["moco-long", "stc-mix"], ["rgb"], None),
}


def test_targets_are_the_papers_rows(preset: dict[str, dict[str, Any]]) -> None:
    params = preset["ucf101"]
    keys = ("show", "experiments", "streams", "tasks")
    assert {name: tuple(map(target.get, keys)) for name, target in params["targets"].items()} == SHOWN
    named = {name: paper for name in params["experiments"] if (paper := recipes.paper_name(params, name)) != name}
    assert named == {
        "moco-long": "moco",
        "mixup-long": "mixup",
        "mixup-300": "mixup",
        "stc-mix-ablation": "stc-mix",
    }  # stc-mix-once is the paper's own, in figure 2
    assert list(preset["toy-large"]["targets"]) == TARGETS


NEIGHBOURS = [  # an experiment, the one it is set against, and what is different
    ("mixup", "moco", {"mixing", "streams"}),  # flow too, since table 2 starts from it
    ("t-cutmix", "moco", {"mixing"}),
    ("st-cutmix", "moco", {"mixing"}),
    ("videomix", "moco", {"mixing"}),
    ("mixup-long", "moco-long", {"mixing", "streams"}),
    ("cm-mixup", "manifold-mixup", {"mixing"}),
    ("cm-cutmix-stc", "cm-mixup", {"mixing"}),
    ("cm-cutmix-st", "cm-cutmix-stc", {"axes"}),
    ("cm-cutmix-s", "cm-cutmix-st", {"axes"}),
]
ONLY_HERE = {
    "ucf101": [
        ("mixup-300", "mixup-long", {"epochs", "streams"}),
        ("stc-mix-ablation", "cm-cutmix-stc", {"layers"}),
        ("stc-mix", "stc-mix-ablation", {"from", "epochs"}),
        ("stc-mix-once", "stc-mix", {"stages"}),
        ("moco-300", "moco-long", {"epochs"}),
        ("coclr-stc-mix", "stc-mix", {"framework"}),
        ("simclr-mixup", "simclr", {"mixing"}),
    ],
    "toy-large": [("stc-mix", "cm-cutmix-stc", {"layers"}), ("stc-mix-once", "stc-mix", {"stages", "epochs"})],
}


@pytest.mark.parametrize("name", ["ucf101", "toy-large"])
def test_neighbours_differ_in_what_is_compared_and_in_nothing_else(preset: dict[str, dict[str, Any]], name: str) -> None:
    experiments = preset[name]["experiments"]
    for experiment, other, keys in NEIGHBOURS + ONLY_HERE[name]:
        a, b = experiments[experiment], experiments[other]
        different = {key for key in {*a, *b} if a.get(key) != b.get(key)}
        assert different - {"paper", "keep"} == keys, (experiment, other)  # neither changes what is trained


@pytest.mark.parametrize("name", ["ucf101", "kinetics400", "toy-large"])
def test_an_experiment_is_a_line_or_the_first_of_its_kind(name: str) -> None:
    text = (PRESETS / f"{name}.yaml").read_text()
    body = re.search(r"^experiments:.*?(?=^\w)", text, re.MULTILINE | re.DOTALL)
    experiments = load.load(PRESETS / f"{name}.yaml")["experiments"]
    assert body and len(re.findall(r"^  [a-z0-9-]+:.*<<: ", body[0], re.MULTILINE)) >= len(experiments) - 7, (
        "of each method the first stands by itself"
    )


def test_toy_large_is_larger_in_all_that_it_says(preset: dict[str, dict[str, Any]]) -> None:
    large, small = preset["toy-large"], load.load(REPOSITORY / "params.yaml")
    for key in ("train_subjects", "test_subjects", "repeats", "backgrounds", "frames"):
        assert large["dataset"]["options"][key] > small["dataset"]["options"][key], key
    for stream in ("rgb", "flow"):
        for key in ("width", "train.moco.epochs", "train.cmmc.epochs", "clip.frames"):
            assert at(large["streams"][stream], key) > at(small["streams"][stream], key), (stream, key)
        total = sum(epochs_of(large, "stc-mix")[stream])
        assert [total] == epochs_of(large, "moco-long")[stream], "figure 2 compares encoders of as many epochs"


# ----------------------------------------------------------------------------------------------------------------
# The whole graph, on empty files where the datasets keep their videos


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def stub_ucf101(root: Path, lists: Path) -> None:
    """UCF101 as it is unpacked, from the official lists where they are beside the repository, else of as many made-up names."""
    official = next((there for parent in REPOSITORY.parents if (there := parent / "shared/real/splits/ucfTrainTestlist").is_dir()), None)
    if official:
        shutil.copytree(official, lists)
    else:
        lists.mkdir(parents=True)
        for side, count in (("train", 9537), ("test", 3783)):
            names = [f"Class{n % 101:03d}/v_Class{n % 101:03d}_{side}_c{n:05d}.avi" for n in range(count)]
            (lists / f"{side}list01.txt").write_text("".join(f"{name} {n % 101 + 1}\n" for n, name in enumerate(names)))
    for path in (lists / "trainlist01.txt", lists / "testlist01.txt"):
        for line in path.read_text().splitlines():
            touch(root / "UCF-101" / line.split()[0])


def stub_hmdb51(root: Path) -> None:
    lists = root / "testTrainMulti_7030_splits"
    lists.mkdir(parents=True)
    for label in (f"class_{n:02d}" for n in range(51)):
        (lists / f"{label}_test_split1.txt").write_text("".join(f"{label}_{n}.avi {1 if n < 70 else 2} \n" for n in range(100)))
        for n in range(100):
            touch(root / "videos" / label / f"{label}_{n}.avi")


SHARDS = 4
"""Of a plan that is drawn here: there are as many jobs in it of each other rule as with all."""


def planned(run: Path, targets: list[str], warm: dict[str, str]) -> dict[str, int]:
    """Jobs by rule, as `snakemake -n` counts them with few shards."""
    written = (run / "params.yaml").read_text()
    (run / "params.yaml").write_text(re.sub(r"shards: \d+", f"shards: {SHARDS}", written))
    command = [
        "snakemake",
        *targets,
        "--snakefile",
        str(REPOSITORY / "Snakefile"),
        "--directory",
        str(run),
        "--cores",
        "1",
        "-n",
        "--quiet",
    ]
    done = subprocess.run([*command, "rules"], capture_output=True, text=True, env=ENVIRONMENT | warm, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE)}


def preset_of(name: str, run: Path, *arguments: str) -> dict[str, Any]:
    """`videossl run` without the run: the preset in a folder of its own, with the places filled in."""
    command = [sys.executable, "-m", "videossl", "run", name, *arguments, "--out", str(run), "--params-only"]
    subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True)
    return load.load(run / "params.yaml")


@pytest.mark.slow
def test_the_whole_graph_of_ucf101(tmp_path: Path, warm: dict[str, str]) -> None:
    root, lists, run = tmp_path / "ucf [101]", tmp_path / "lists", tmp_path / "run"
    stub_ucf101(root, lists)
    stub_hmdb51(tmp_path / "hmdb51")
    chosen = preset_of("ucf101", run, str(root), "--lists", str(lists), "--transfer", str(tmp_path))
    assert chosen["dataset"]["root"] == str(root) and chosen["dataset"]["options"] == {"lists": str(lists)}
    assert chosen["cache"]["shards"] == 64
    sides = Counter(video.split for video in ucf101.videos(root, 1, chosen["dataset"]["options"]))
    assert sides == {"train": 9537, "test": 3783}
    assert chosen["transfer"][0]["root"] == str(tmp_path / "hmdb51")
    jobs = planned(run, TARGETS, warm)
    jobs.pop("total", None)
    assert jobs == {
        "download": 1,
        "download_hmdb51": 1,
        "index": 2,
        "measurable": 2,
        "frames": 2 * SHARDS,
        "flow": 2 * SHARDS,
        "feasible": 9,
        # moco, t-cutmix, st-cutmix, videomix, mixup-long: rgb; mixup, mixup-300, moco-long: rgb and flow;
        # six recipes of table 2 and stc-mix four times each in turn; stc-mix-once, once; moco-300 and rho-byol twice, coclr and coclr-stc-mix
        # four times
        "train": 5 + 3 * 2 + 7 * 4 + 1 + 2 * 2 + 2 * 4,
        # table 1: 4 of rgb and mixup's 2; table 2: 7 of both; table 3: 4; untrained and hand-made; on both datasets
        "features": 2 * (4 + 2 + 7 * 2 + 4 * 2 + 2 * 2),
        "finetune": 2 * 2 * 5,  # table 3 and untrained, rgb and flow, both datasets
        "score": 2 * (2 * (5 + 7 + 1 + 2) + 3 + 5),  # retrieval and linear of all these, linear alone of table 3's others, and finetune
        # moco-long, mixup-long, mixup-300, stc-mix-once once each, stc-mix in both its trainings of rgb; on UCF101
        "progress": 6,
        **{f"compare_{target}": 1 for target in TARGETS},
        **dict.fromkeys(TARGETS, 1),
    }


@pytest.mark.slow
def test_the_whole_graph_of_kinetics400(tmp_path: Path, warm: dict[str, str]) -> None:
    for name in ("train/abseiling/a_000000_000010", "train/zumba/b_000000_000010", "val/zumba/c_000005_000015"):
        touch(tmp_path / "k400" / f"{name}.mp4")
    for name in ("ucf101", "hmdb51"):
        (tmp_path / "others" / name).mkdir(parents=True)
    arguments = (str(tmp_path / "k400"), "--transfer", str(tmp_path / "others"))
    assert preset_of("kinetics400", tmp_path / "listed", *arguments, "--lists", str(tmp_path))["dataset"]["options"] == {
        "lists": str(tmp_path)
    }
    chosen = preset_of("kinetics400", tmp_path / "run", *arguments)
    assert [entry["root"] for entry in chosen["transfer"]] == [str(tmp_path / "others" / name) for name in ("ucf101", "hmdb51")]
    assert chosen["cache"]["shards"] == 1024
    assert len(kinetics400.videos(Path(chosen["dataset"]["root"]), 1, chosen["dataset"]["options"])) == 3
    jobs = planned(tmp_path / "run", ["table7"], warm)
    measured = 2  # UCF101 and HMDB51, not Kinetics itself
    assert {rule: jobs[rule] for rule in ("index", "frames", "flow", "train", "finetune", "score")} == {
        "index": 3,
        "frames": 3 * SHARDS,
        "flow": 3 * SHARDS,
        "train": 2 * 3 + 4 * 4,  # mixup, moco, rho-byol; then four in turn from them
        "finetune": measured * 2 * 6,  # five and untrained
        "score": measured * 6,
    }
    assert "features" not in jobs
