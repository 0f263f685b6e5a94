"""What a run costs: jobs as Snakemake counts them, clips, epochs and bytes by hand, hours from given rates."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.pipeline.conftest import ENVIRONMENT, write_video
from videossl import params as parameters
from videossl.cost import census, plan, table
from videossl.cost.plan import Job
from videossl.cost.work import Work, Works
from videossl.data import cache, index
from videossl.data.datasets.base import Counts
from videossl.errors import InputError
from videossl.train import modality as modalities
from videossl.train import weights

TINY = REPOSITORY / "tests/pipeline/tiny.yaml"
COUNTS = Counts(train=9, test=6, classes=3, frames=12, width=32, height=32)  # what tiny.yaml's toy set is


@pytest.fixture(scope="module")
def tiny() -> dict[str, Any]:
    return parameters.load(TINY)


@pytest.fixture(scope="module")
def works(tiny: dict[str, Any]) -> Works:
    return Works(tiny, {"toy": COUNTS})


# ----------------------------------------------------------------------------------------------------------------
# The plan


def test_outputs_of_one_job_are_one_job_and_what_is_done_is_none() -> None:
    lines = [
        "localrules directive specifies rules that are not here",
        "output_file\tdate\trule\tlog-file(s)\tinput-file(s)\tshellcmd\tstatus\tplan",
        "data/models/mixup/0/rgb/pretrain.safetensors\t-\tpretrain\t-\t-\t-\tmissing\tupdate pending",
        "data/models/mixup/0/rgb/pretrain.json\t-\tpretrain\t-\t-\t-\tmissing\tupdate pending",
        "data/models/mixup/0/rgb/pretrain.snapshots.safetensors\t-\tpretrain\t-\t-\t-\tmissing\tupdate pending",
        "data/models/mixup/0/flow/pretrain.safetensors\t-\tpretrain\t-\t-\t-\tok\tno update",
        "data/index/toy.csv\t-\tindex\t-\t-\t-\tmissing\tupdate pending",
        "data/index/toy.measurable.json\t-\tmeasurable\t-\t-\t-\tmissing\tupdate pending",
    ]
    assert plan.jobs("\n".join(lines)) == [
        Job("pretrain", {"experiment": "mixup", "seed": "0", "modality": "rgb", "phase": "pretrain"}),
        Job("index", {"dataset": "toy"}),
        Job("measurable", {"dataset": "toy"}),
    ]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("data/raw/toy", "dataset=toy"),
        ("data/raw/hmdb51.json", "dataset=hmdb51"),
        ("data/cache/toy/flow/0001.h5", "dataset=toy source=flow shard=0001"),
        ("data/models/stc-mix/2/flow/cmmc1.safetensors", "experiment=stc-mix seed=2 modality=flow phase=cmmc1"),
        ("data/features/untrained/0/rgb/ucf101.h5", "experiment=untrained seed=0 modality=rgb dataset=ucf101"),
        ("data/features/stc-mix/0/rgb/toy.finetune.h5", "experiment=stc-mix seed=0 modality=rgb dataset=toy"),
        ("data/results/stc-mix/0/toy/finetune.json", "experiment=stc-mix seed=0 dataset=toy task=finetune"),
        ("data/progress/moco/1/toy/rgb.pretrain.json", "experiment=moco seed=1 dataset=toy modality=rgb phase=pretrain"),
        ("data/models/stc-mix/mixable.json", ""),
        ("data/report/table1.html", ""),
    ],
)
def test_paths_say_what_they_are_of(path: str, said: str) -> None:
    assert plan.wildcards(path) == dict(pair.split("=") for pair in said.split())


def test_jobs_are_those_that_snakemake_counts(tiny: dict[str, Any], tmp_path: Path) -> None:
    shutil.copy2(TINY, tmp_path / "params.yaml")
    targets = ["table2", "mine", "figure2", "figure3"]
    command = ["snakemake", *targets, "--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(tmp_path), "--cores", "1", "-n"]
    said = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=True, cwd=REPOSITORY).stdout
    stats = said[said.index("Job stats:") : said.index("total")]
    counted = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", stats, re.MULTILINE)}
    assert {"pretrain", "cmmc", "progress", "finetune", *targets} <= set(counted)
    without_targets = {rule: count for rule, count in counted.items() if rule not in targets}
    assert Counter(job.rule for job in plan.pending(tmp_path, targets, tiny)) == without_targets


def test_an_unknown_target_is_one_line_with_the_nearest(tiny: dict[str, Any], tmp_path: Path) -> None:
    shutil.copy2(TINY, tmp_path / "params.yaml")
    with pytest.raises(InputError, match=r"^there is no target 'tabel2'; did you mean 'table2'\?$"):
        plan.pending(tmp_path, ["tabel2"], tiny)


# ----------------------------------------------------------------------------------------------------------------
# The work of a job, by hand: 9 training videos in batches of 4 are 8 clips an epoch


def job(rule: str, **wildcards: str) -> Job:
    return Job(rule, {"seed": "0", **wildcards})


@pytest.mark.parametrize(
    ("asked", "epochs", "clips"),
    [
        (job("pretrain", experiment="mixup", modality="rgb", phase="pretrain"), 2, 16),
        (job("cmmc", experiment="stc-mix", modality="flow", phase="cmmc2"), 2, 16),
        (job("cmmc", experiment="once", modality="rgb", phase="cmmc1"), 3, 24),
        (job("features", experiment="mixup", modality="rgb", dataset="toy"), 0, 15 * 2),
        (job("features", experiment="untrained", modality="joint", dataset="toy"), 0, 15),
        (job("features", experiment="handmade", modality="rgb", dataset="toy"), 0, 15),
        # 12 frames are two windows of 8, half of each shared; two crops of each; 6 test videos
        (job("finetune", experiment="stc-mix", modality="rgb", dataset="toy"), 2, 16 + 6 * 2 * 2),
        (job("finetune", experiment="stc-mix", modality="motion", dataset="toy"), 2, 16 + 6),
        # kept after epochs 1 and 2; after 2 and 3
        (job("progress", experiment="mixup", modality="rgb", phase="pretrain", dataset="toy"), 0, 2 * 15 * 2),
        (job("progress", experiment="once", modality="rgb", phase="cmmc1", dataset="toy"), 0, 2 * 15 * 2),
        (Job("mixable"), 0, 0),
    ],
)
def test_epochs_and_clips_by_hand(works: Works, asked: Job, epochs: int, clips: int) -> None:
    work = works.of(asked)
    assert (work.epochs, work.clips) == (epochs, clips)
    assert work.needs["start",] == 1


def test_what_a_job_needs_is_what_its_script_does(works: Works) -> None:
    cmmc = works.of(job("cmmc", experiment="stc-mix", modality="flow", phase="cmmc1")).needs
    both = works.cache_bytes("toy", "rgb") + works.cache_bytes("toy", "flow")
    assert cmmc == {("cmmc", "flow", "rgb"): 16, ("hash",): both, ("start",): 1}
    alone = works.of(job("cmmc", experiment="manifold-mixup", modality="flow", phase="cmmc1")).needs
    assert alone == {("moco", "flow"): 16, ("hash",): works.cache_bytes("toy", "flow"), ("start",): 1}
    finetune = works.of(job("finetune", experiment="stc-mix", modality="rgb", dataset="toy")).needs
    assert (finetune["finetune", "rgb"], finetune["forward", "rgb"]) == (16, 24)
    flow = works.of(Job("flow", {"dataset": "toy", "source": "flow", "shard": "0000"})).needs
    assert flow["tvl1",] == 15 * 11 * 32 * 32 / 2


def test_a_probe_is_fitted_for_each_stream_and_again_for_each_part_of_a_fused_one(works: Works) -> None:
    needs = works.of(job("linear", experiment="stc-mix", dataset="toy", task="linear")).needs
    numbers = works.sizes["rgb"].features
    assert needs["probe",] == 4 * (9 * 2) * numbers * 3 * 20  # rgb, flow, and both for rgb+flow; 3 classes, 20 iterations
    alone = works.of(job("linear", experiment="videomix", dataset="toy", task="linear")).needs
    assert alone["probe",] * 4 == needs["probe",]


# ----------------------------------------------------------------------------------------------------------------
# Bytes

SHAPES = {"rgb": (12, 32, 32, 3), "flow": (11, 32, 32, 2), "joint": (12, 25, 3, 2)}


@pytest.mark.parametrize("source", ["rgb", "flow", "joint"])
def test_bytes_of_the_cache_are_those_of_the_files_within_a_hundredth(works: Works, source: str, tmp_path: Path) -> None:
    """Of 60 videos, the smallest of 7 kB: those of a real run are larger, and what HDF5 adds counts for less."""
    many, shape = Works(works.params, {"toy": Counts(50, 10, 3, 12, 32, 32)}), SHAPES[source]
    arrays = [(f"Class/v_Class_g{n:02d}_c01", np.ones(shape, np.float32 if source == "joint" else np.uint8)) for n in range(60)]
    for shard, part in enumerate((arrays[:28], arrays[28:])):
        cache.write_shard(tmp_path / f"{shard}.h5", source, "toy", part, {"name": "x", "version": "av 18, opencv 5", "params": {}})
    written = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert many.cache_bytes("toy", source) == pytest.approx(written, rel=0.01)
    said = many.of(
        Job({"rgb": "frames", "flow": "flow", "joint": "skeleton"}[source], {"dataset": "toy", "source": source, "shard": "0000"})
    )
    assert said.bytes * 2 == pytest.approx(many.cache_bytes("toy", source))


def test_frames_are_counted_at_the_size_they_are_cached_at(tiny: dict[str, Any]) -> None:
    wide = Works(tiny, {"toy": Counts(9, 6, 3, frames=100, width=320, height=240)})
    assert wide.frame_size("toy") == (43, 32)
    assert wide.cache_bytes("toy", "rgb") == pytest.approx(15 * 100 * 43 * 32 * 3, rel=0.01)


def test_bytes_of_a_training_are_those_of_its_files(works: Works, tiny: dict[str, Any], tmp_path: Path) -> None:
    method = modalities.moco("rgb", tiny["modalities"]["rgb"], 0, "none")
    weights.save(tmp_path / "weights", method.state_dict(), {})
    kept = {f"{epoch}.{name}": tensor for epoch in (2, 3) for name, tensor in method.encoder.state_dict().items()}
    weights.save(tmp_path / "snapshots", kept, {})
    written = sum(path.stat().st_size for path in tmp_path.iterdir())
    said = works.of(job("cmmc", experiment="once", modality="rgb", phase="cmmc1")).bytes
    headers = sum(int.from_bytes(path.read_bytes()[:8], "little") + 8 for path in tmp_path.iterdir())
    assert said == written - headers  # the names of the tensors, some kB


# ----------------------------------------------------------------------------------------------------------------
# The count of videos


def folder_dataset(root: str) -> dict[str, Any]:
    return {"name": "folder", "root": root, "split": 1, "options": {"test_share": 0.25, "seed": 0}}


def test_the_index_is_believed_first(tmp_path: Path) -> None:
    def row(name: str, split: str, frames: int, status: str = "ok") -> index.Row:
        return index.Row(name, name, name[0], split, frames, 30.0, 40, 30, "", "", status, "")

    rows = [row("a1", "train", 10), row("b1", "train", 20), row("a2", "test", 60), row("c", "train", 5, "dropped")]
    index.write(tmp_path / "data/index/folder.csv", rows)
    assert census.take(tmp_path, folder_dataset("nowhere")) == (Counts(2, 1, 2, 30, 40, 30), "its index")


def test_videos_are_counted_and_a_few_decoded(tmp_path: Path) -> None:
    for name in ("a/1", "a/2", "a/3", "a/4", "b/1", "b/2", "b/3", "b/4"):
        write_video(tmp_path / "videos" / f"{name}.avi", 12)
    counts, origin = census.take(tmp_path, folder_dataset("videos"))
    assert (counts.train + counts.test, counts.classes, counts.frames, counts.width, counts.height) == (8, 2, 12, 32, 24)
    assert counts.test >= 2 and origin.startswith("its videos")


def test_without_videos_the_official_numbers_are_taken(tmp_path: Path) -> None:
    dataset = {"name": "ucf101", "root": "nowhere", "split": 1, "options": {}}
    counts, origin = census.take(tmp_path, dataset)
    assert (counts.train, counts.test, counts.classes) == (9537, 3783, 101)
    assert origin == "what the dataset is said to hold"


def test_a_folder_nobody_knows_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^nobody knows how many videos folder has: give ROOT, or .*data/index/folder\.csv\)$"):
        census.take(tmp_path, folder_dataset("nowhere"))


# ----------------------------------------------------------------------------------------------------------------
# Hours and the table


def test_hours_are_amounts_times_rates() -> None:
    todo = [
        (Job("pretrain"), Work(2, 16, 100.0, {("moco", "rgb"): 3600, ("start",): 1})),
        (Job("pretrain"), Work(3, 24, 50.0, {("moco", "rgb"): 7200})),
        (Job("compare_table1"), Work(needs={("start",): 1})),
        (Job("compare_mine"), Work(needs={("start",): 1})),
    ]
    found = table.costs(todo, {("moco", "rgb"): 0.5, ("start",): 1800.0})
    assert found["pretrain"] == {"jobs": 2, "epochs": 5, "clips": 40, "bytes": 150.0, "hours": 2.0, "longest": 1.0}
    assert found["compare"] == {"jobs": 2, "epochs": 0, "clips": 0, "bytes": 0, "hours": 1.0, "longest": 0.5}
    assert found["total"] == {"jobs": 4, "epochs": 5, "clips": 40, "bytes": 150.0, "hours": 3.0, "longest": 1.0}
    assert list(found) == ["pretrain", "compare", "total"]


def test_nothing_to_do_is_a_total_of_nothing() -> None:
    found = table.costs([], {})
    assert found == {"total": {"jobs": 0, "epochs": 0, "clips": 0, "bytes": 0, "hours": 0, "longest": 0}}
    assert table.text(found).splitlines()[-1].split()[:2] == ["total", "-"]


def test_the_table_is_aligned() -> None:
    found = table.costs([(Job("pretrain"), Work(500, 4768500, 2.5e12, {("start",): 1})), (Job("x"), Work())], {("start",): 5e6})
    lines = table.text(found).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[2].split() == ["pretrain", "1", "500", "4,768,500", "2.5", "TB", "1,389", "1,389"]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (table.size(999), "999 B"),
        (table.size(163.4e9), "163 GB"),
        (table.size(6.8e12), "6.8 TB"),
        (table.hours(12345.6), "12,346"),
        (table.hours(0.2468), "0.247"),
        (table.hours(0.0004), "0"),
        (table.span(0.01), "36 seconds"),
        (table.span(0.3), "18 minutes"),
        (table.span(47), "47 hours"),
        (table.span(24 * 365), "365 days"),
        (table.span(8766 * 12), "12 years"),
    ],
)
def test_numbers_are_written_to_be_grasped(made: str, said: str) -> None:
    assert made == said


def test_a_disk_that_is_too_small_is_warned_of_in_one_line() -> None:
    assert table.disk(1e9, 2e9) == ["Disk: 1 GB to write, 2 GB free."]
    _, warning = table.disk(3e12, 1e12)
    assert warning.startswith("warning: it does not fit: 2 TB are missing") and "\n" not in warning


# ----------------------------------------------------------------------------------------------------------------
# The command


def cost(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "stages/cost.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, cwd=REPOSITORY)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("presets/ucf11.yaml",), "there is no preset presets/ucf11.yaml; known: few-clips, folder, kinetics400,"),
        (("presets/ucf101.yaml", "--root", "/nowhere"), "ROOT is /nowhere, which is not a folder"),
        (("presets/folder.yaml",), "nobody knows how many videos folder has"),
        (("docs",), "cannot read docs/params.yaml"),
    ],
)
def test_mistakes_end_in_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = cost(*arguments)
    assert done.returncode == 2 and not done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {said}")


@pytest.mark.slow
def test_the_command_prints_a_table_and_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    shutil.copy2(TINY, tmp_path / "run/params.yaml")
    done = cost(str(tmp_path / "run"), "--targets", "table2 mine figure2", "--quick", "--json", str(tmp_path / "cost.json"))
    assert done.returncode == 0, done.stderr
    assert "measuring 1 of" in done.stderr and "measuring" not in done.stdout
    found = json.loads((tmp_path / "cost.json").read_text())
    assert found["datasets"]["toy"]["train"] == 9 and found["targets"] == ["table2", "mine", "figure2"]
    assert found["total"]["jobs"] == sum(row["jobs"] for row in found["rules"].values()) > 50
    assert all(seconds > 0 for seconds in found["seconds"].values())
    assert found["rules"]["pretrain"]["epochs"] == 2 * found["rules"]["pretrain"]["jobs"]
    for rule, row in found["rules"].items():
        assert re.search(rf"^{rule} +{row['jobs']} ", done.stdout, re.MULTILINE), rule
    assert "Disk: " in done.stdout and "All hours are estimates" in done.stdout
    assert [path.name for path in (tmp_path / "run/data").rglob("*") if path.is_file()] == []
