"""What a run costs: jobs as Snakemake counts them, clips, epochs and bytes by hand, hours from given rates."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests import made
from tests.conftest import REPOSITORY
from tests.pipeline.conftest import ENVIRONMENT, write_video
from videossl import paths, registry
from videossl.cost import advice, measure, pending_jobs, table, trial_videos, video_counts
from videossl.cost.pending_jobs import Job
from videossl.cost.work import Work, Works, fetched
from videossl.data import flow_levels, index, jpeg
from videossl.data.listing import Counts
from videossl.datasets import ucf101
from videossl.errors import InputError
from videossl.extract import flow
from videossl.params import load, run_plan, schema, slices
from videossl.params.recipes import training
from videossl.train import assemble
from videossl.train import job as trainings

TINY = REPOSITORY / "tests/pipeline/tiny.yaml"
COUNTS = Counts(train=9, test=6, classes=3, frames=12, width=32, height=32, fps=30)  # what tiny.yaml's toy set is


@pytest.fixture(scope="module")
def tiny() -> dict[str, Any]:
    return load.load(TINY)


@pytest.fixture(scope="module")
def works(tiny: dict[str, Any]) -> Works:
    return Works(tiny, {"toy": COUNTS})


# ----------------------------------------------------------------------------------------------------------------
# Few videos


def test_trainings_of_few_steps_from_initial_weights_are_told_their_epochs() -> None:
    """60 videos in batches of 16 are 3 steps an epoch: 1,000 steps take 334 epochs. What starts from another training is left out."""
    params = load.load(REPOSITORY / "presets/folder.yaml")
    for stream in params["streams"].values():
        stream["train"]["moco"] |= {"epochs": 100, "batch": 16}
    jobs = [Job("train", {"experiment": "mixup", "seed": seed, "training": "rgb"}) for seed in ("0", "1")]
    jobs += [Job("train", {"experiment": "stc-mix", "seed": "0", "training": "rgb-1"}), Job("score", {"experiment": "mixup"})]
    counts = Counts(train=60, test=43, classes=12, frames=240, width=320, height=214, fps=30)
    assert advice.few_steps(Works(params, {"folder": counts}), jobs) == [
        "mixup, rgb: 100 epochs of 3 steps are 300, and from initial weights real clips took 1,000: give it 334 epochs (docs/learning.md)"
    ]
    params["streams"]["rgb"]["train"]["moco"]["accumulate"] = 2
    assert "rgb: 100 epochs of 2 steps are 200" in advice.few_steps(Works(params, {"folder": counts}), jobs)[0]
    params["streams"]["rgb"]["train"]["moco"]["accumulate"] = 1
    params["experiments"]["mixup"]["videos"] = 0.6
    assert "rgb: 100 epochs of 2 steps are 200" in advice.few_steps(Works(params, {"folder": counts}), jobs)[0], "36 videos"
    params["experiments"]["mixup"]["videos"] = 1
    for enough_or_refused in (160, 15):  # 100 epochs of 10; fewer than a batch
        assert not advice.few_steps(Works(params, {"folder": dataclasses.replace(counts, train=enough_or_refused)}), jobs)


def test_a_rendered_set_is_told_nothing(works: Works) -> None:
    assert advice.few_steps(works, [Job("train", {"experiment": "mixup", "seed": "0", "training": "rgb"})]) == []


# ----------------------------------------------------------------------------------------------------------------
# The plan


def test_outputs_of_one_job_are_one_job_and_what_is_done_is_none() -> None:
    lines = [
        "localrules directive specifies rules that are not here",
        "output_file\tdate\trule\tlog-file(s)\tinput-file(s)\tshellcmd\tstatus\tplan",
        "data/models/mixup/0/flow.safetensors\t-\ttrain\t-\t-\t-\tok\tno update",
        *(
            f"data/models/{name}{end}\t-\ttrain\t-\t-\t-\tmissing\tupdate pending"
            for name in ("mixup/0/rgb", "crossclr/0/joint+motion", "crossclr/1/joint+motion", "stc-mix/0/flow-1")
            for end in (".safetensors", ".json", ".snapshots.safetensors")
        ),
        "data/index/toy.csv\t-\tindex\t-\t-\t-\tmissing\tupdate pending",
        "data/index/toy.measurable.json\t-\tmeasurable\t-\t-\t-\tmissing\tupdate pending",
        "data/report/table1.json\t-\tcompare_table1\t-\t-\t-\tmissing\tupdate pending",
        "data/report/table1.html\t-\tcompare_table1\t-\t-\t-\tmissing\tupdate pending",
    ]
    assert pending_jobs.jobs("\n".join(lines)) == [
        Job("train", {"experiment": "mixup", "seed": "0", "training": "rgb"}),
        *(Job("train", {"experiment": "crossclr", "seed": seed, "training": "joint+motion"}) for seed in "01"),
        Job("train", {"experiment": "stc-mix", "seed": "0", "training": "flow-1"}),
        Job("index", {"dataset": "toy"}),
        Job("measurable", {"dataset": "toy"}),
        Job("compare_table1"),
    ]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("data/raw/toy", "dataset=toy"),
        ("data/raw/hmdb51.json", "dataset=hmdb51"),
        ("data/cache/toy/flow/0001.h5", "dataset=toy cached=flow shard=0001"),
        ("data/models/stc-mix/2/flow-1.safetensors", "experiment=stc-mix seed=2 training=flow-1"),
        ("data/models/crossclr/0/joint+motion.snapshots.safetensors", "experiment=crossclr seed=0 training=joint+motion"),
        ("data/models/stc-mix/feasible.json", "experiment=stc-mix"),
        ("data/features/untrained/0/rgb/ucf101.h5", "experiment=untrained seed=0 stream=rgb dataset=ucf101"),
        ("data/features/stc-mix/0/rgb/toy.finetune.h5", "experiment=stc-mix seed=0 stream=rgb dataset=toy task=finetune"),
        ("data/results/stc-mix/0/toy/finetune.json", "experiment=stc-mix seed=0 dataset=toy task=finetune"),
        ("data/progress/moco/1/toy/rgb.json", "experiment=moco seed=1 dataset=toy training=rgb"),
        ("data/report/table1.html", ""),
    ],
)
def test_paths_say_what_they_are_of(path: str, said: str) -> None:
    assert paths.says(path) == dict(pair.split("=") for pair in said.split())


def test_jobs_are_those_that_snakemake_counts_and_what_takes_long_is_measured(
    tiny: dict[str, Any], works: Works, tmp_path: Path, warm: dict[str, str]
) -> None:
    shutil.copy2(TINY, tmp_path / "params.yaml")
    targets = ["all", "table2", "mine", "figure2", "figure3"]
    command = ["snakemake", *targets, "--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(tmp_path), "--cores", "1", "-n"]
    said = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT | warm, check=True, cwd=REPOSITORY).stdout
    stats = said[said.index("Job stats:") : said.index("total")]
    counted = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", stats, re.MULTILINE)}
    assert {"frames", "flow", "skeleton", "train", "features", "score", "progress", "finetune", *targets} <= set(counted)
    without_targets = {rule: count for rule, count in counted.items() if rule not in targets}
    jobs = pending_jobs.pending(tmp_path, targets, tiny)
    assert Counter(job.rule for job in jobs) == without_targets
    needs = {job.rule: works.of(job).needs.keys() for job in jobs}
    quick = {rule for rule, kinds in needs.items() if kinds == {("start",)}}
    assert quick == {"measurable", "feasible", "report", "compare_table2", "compare_mine", "compare_figure2", "compare_figure3"}
    assert all(hasattr(measure.Bench, f"_{kind[0]}") for kinds in needs.values() for kind in kinds)


def test_an_unknown_target_is_one_line_with_the_nearest(tiny: dict[str, Any], tmp_path: Path) -> None:
    shutil.copy2(TINY, tmp_path / "params.yaml")
    with pytest.raises(InputError, match=r"^there is no target 'tabel2'; did you mean 'table2'\?$"):
        pending_jobs.pending(tmp_path, ["tabel2"], tiny)


# ----------------------------------------------------------------------------------------------------------------
# The work of a job, by hand: 9 training videos in batches of 4 are 8 clips an epoch


def job(rule: str, **wildcards: str) -> Job:
    return Job(rule, {"seed": "0", **wildcards})


def extraction(rule: str, cached: str) -> Job:
    return Job(rule, {"dataset": "toy", "cached": cached, "shard": "0000"})


@pytest.mark.parametrize(
    ("asked", "epochs", "clips"),
    [
        (job("train", experiment="mixup", training="rgb"), 2, 16),
        (job("train", experiment="stc-mix", training="rgb-2"), 2, 16),
        (job("train", experiment="once", training="rgb-1"), 3, 24),
        (job("train", experiment="crossclr", training="joint+motion"), 1, 8),
        (job("features", experiment="mixup", stream="rgb", dataset="toy"), 0, 15 * 2),
        (job("features", experiment="untrained", stream="joint", dataset="toy"), 0, 15),
        (job("features", experiment="handmade", stream="rgb", dataset="toy"), 0, 15),
        # 12 frames are two windows of 8, half of each shared; two crops of each; 6 test videos
        (job("finetune", experiment="stc-mix", stream="rgb", dataset="toy", task="finetune"), 2, 16 + 6 * 2 * 2),
        (job("finetune", experiment="stc-mix", stream="motion", dataset="toy", task="finetune"), 2, 16 + 6),
        # kept after epochs 1 and 2; after 2 and 3; of both streams after the one epoch
        (job("progress", experiment="mixup", training="rgb", dataset="toy"), 0, 2 * 15 * 2),
        (job("progress", experiment="once", training="rgb-1", dataset="toy"), 0, 2 * 15 * 2),
        (Job("feasible", {"experiment": "stc-mix"}), 0, 0),
    ],
)
def test_epochs_and_clips_by_hand(works: Works, asked: Job, epochs: int, clips: int) -> None:
    work = works.of(asked)
    assert (work.epochs, work.clips) == (epochs, clips)
    assert work.needs["start",] == 1


def test_what_a_job_needs_is_what_its_script_does(works: Works) -> None:
    in_turn = works.of(job("train", experiment="stc-mix", training="flow-1")).needs
    recipe = ("cm-cutmix", "[space,time,channel]", "random", "batch")
    assert in_turn == {("train", "cmmc", "flow", "partner:rgb", *recipe): 16, ("start",): 1}
    together = works.of(job("train", experiment="crossclr", training="joint+motion"))
    assert together.needs == {("train", "crossclr", "joint+motion", "1"): 8, ("start",): 1}
    assert together.bytes == 2 * works.of(job("train", experiment="stc-mix-skeleton", training="joint-1")).bytes
    (alone,) = works.of(job("train", experiment="manifold-mixup", training="rgb-1")).needs.keys() - {("start",)}
    assert alone[:4] == ("train", "cmmc", "rgb", "manifold-mixup")  # with no partner
    finetune = works.of(job("finetune", experiment="stc-mix", stream="rgb", dataset="toy", task="finetune")).needs
    assert finetune == {("train", "supervised", "rgb", "finetune"): 16, ("forward", "rgb"): 24, ("start",): 1}
    assert works.of(extraction("flow", "flow")).needs == {("extract", "flow"): 15 * 11 / 2, ("start",): 1}
    assert works.of(extraction("skeleton", "joint")).needs == {("extract", "joint"): 15 * 12 / 2, ("start",): 1}
    assert works.of(Job("download", {"dataset": "toy"})).needs == {("render", "toy"): 15 * 12, ("start",): 1}
    assert works.of(Job("index", {"dataset": "toy"})).needs == {("index",): 15 * 12, ("start",): 1}


def test_trainings_that_take_as_long_are_one_kind(tiny: dict[str, Any]) -> None:
    """Whatever says how long and how fast they are, or what they start from; another mixing, box or stream is another kind."""
    experiments = tiny["experiments"]
    slower = {
        "slower": experiments["mixup"] | {"epochs": 9, "lr": 0.1, "from": "mixup"},
        "mixed": experiments["mixup"] | {"mixing": "videomix"},
    }
    works = Works(tiny | {"experiments": experiments | slower}, {"toy": COUNTS})
    kinds = [works.of(job("train", experiment=name, training="rgb")).needs.keys() for name in ("mixup", "slower", "mixed", "videomix")]
    assert kinds[0] == kinds[1] and len({*kinds[1], *kinds[2], *kinds[3]}) == 4
    assert works.of(job("train", experiment="mixup", training="flow")).needs.keys() != kinds[0]
    assert set(works.trained) == {kind for keys in kinds for kind in keys} - {("start",)} | {("train", "moco", "flow", "mixup")}


def test_what_is_resampled_is_cached_as_it_will_be(tiny: dict[str, Any]) -> None:
    """240 frames at 24 a second are 10 s: 300 steps of 30, which the index reads as they are."""
    slow = Counts(10, 0, 1, frames=240, width=64, height=32, fps=24)
    works = Works(tiny, {"toy": slow})
    assert works.of(extraction("flow", "flow")).needs["extract", "flow"] == 10 * 299 / 2
    assert works.of(Job("index", {"dataset": "toy"})).needs["index",] == 10 * 240
    for params in (tiny | {"index": tiny["index"] | {"fps": None}}, tiny):
        unknown = Works(params, {"toy": slow if params is not tiny else Counts(10, 0, 1, 240, 64, 32, 0)})
        assert unknown.of(extraction("flow", "flow")).needs["extract", "flow"] == 10 * 239 / 2
    assert works.cache_bytes("toy", "joint") == Works(tiny, {"toy": Counts(10, 0, 1, 240, 1, 1, 30)}).cache_bytes("toy", "joint")


def test_archives_are_counted_where_they_will_be_fetched() -> None:
    ours = {"name": "ucf101", "root": "data/raw/ucf101", "split": 1, "options": {}}
    assert fetched(ours) == sum(archive.size or 0 for archive in ucf101.ARCHIVES) > 6.9e9
    assert fetched(ours | {"root": "/mine"}) == fetched(ours | {"name": "kinetics400", "root": "data/raw/kinetics400"}) == 0


def test_a_task_has_its_own_pieces_for_each_stream(works: Works) -> None:
    """A prediction is made once and used alone and fused, so rgb+flow adds nothing."""
    needs = works.of(job("score", experiment="stc-mix", dataset="toy", task="linear")).needs
    numbers = works.numbers["rgb"]
    assert needs["score", "linear"] == 2 * (9 * 2) * numbers * 3 * 20  # rgb and flow; 3 classes, 20 iterations
    alone = works.of(job("score", experiment="videomix", dataset="toy", task="linear")).needs
    assert alone["score", "linear"] * 2 == needs["score", "linear"]
    trained = works.of(job("score", experiment="stc-mix", dataset="toy", task="finetune")).needs
    assert trained["score", "finetune"] == 2 * 6 * 3  # a probability of each class, of each test video
    along = works.of(job("progress", experiment="mixup", training="rgb", dataset="toy")).needs
    assert along["score", "linear"] == 2 * alone["score", "linear"] and ("score", "finetune") not in along


def test_few_labels_are_fewer_clips_and_pieces(tiny: dict[str, Any]) -> None:
    """40 % of 9 labelled videos of three classes are 4: two batches of 2 an epoch."""
    own = {"linear-few": tiny["evaluate"]["tasks"]["linear"] | {"share": 0.4}, "finetune-few": {"share": 0.4, "overlap": 0.5, "crops": 2}}
    streams = {
        name: stream | {"train": stream["train"] | {"finetune-few": {"batch": 2, "epochs": 3}}} for name, stream in tiny["streams"].items()
    }
    evaluate = tiny["evaluate"] | {"tasks": tiny["evaluate"]["tasks"] | own}
    works = Works(tiny | {"streams": streams, "evaluate": evaluate}, {"toy": COUNTS})
    finetune = works.of(job("finetune", experiment="stc-mix", stream="rgb", dataset="toy", task="finetune-few"))
    assert finetune.epochs == 3 and finetune.needs["train", "supervised", "rgb", "finetune-few"] == 3 * 4
    pieces = {
        task: works.of(job("score", experiment="stc-mix", dataset="toy", task=task)).needs["score", task]
        for task in ("linear", "linear-few")
    }
    assert pieces["linear-few"] * 9 == pieces["linear"] * 4


# ----------------------------------------------------------------------------------------------------------------
# Bytes

SHAPES = {"rgb": (12, 32, 32, 3), "flow": (11, 32, 32, 2), "joint": (12, 25, 3, 2)}


@pytest.mark.parametrize("cached", ["rgb", "flow", "joint"])
def test_bytes_of_the_cache_are_those_of_the_files_within_a_hundredth(works: Works, cached: str, tmp_path: Path) -> None:
    """Of 60 videos, the smallest of 7 kB: those of a real run are larger, and what HDF5 adds counts for less."""
    many, shape = Works(works.params, {"toy": Counts(50, 10, 3, 12, 32, 32, 30)}), SHAPES[cached]
    arrays = [(f"Class/v_Class_g{n:02d}_c01", np.ones(shape, np.float32 if cached == "joint" else np.uint8)) for n in range(60)]
    for shard, part in enumerate((arrays[:28], arrays[28:])):
        made.shard(tmp_path / f"{shard}.h5", cached, part)
    written = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert many.cache_bytes("toy", cached) == pytest.approx(written, rel=0.01)
    said = many.of(extraction(run_plan.extractor(works.params, cached)["module"], cached))
    assert said.bytes * 2 == pytest.approx(many.cache_bytes("toy", cached))


def test_joints_that_are_found_are_17_at_the_rate_of_the_frames(works: Works, tmp_path: Path) -> None:
    """12 frames at 24 a second are 15 steps of 30, each of which is looked at."""
    (tmp_path / "weights.pth").touch()
    backend = "keypoint-rcnn"
    section = schema.sections()["joint"]["defaults"][backend] | {"backend": backend, "weights": str(tmp_path / "weights.pth")}
    many = Works(works.params | {"skeleton": section}, {"toy": Counts(50, 10, 3, 12, 32, 32, 24)})
    made.shard(tmp_path / "0.h5", "joint", [(f"Class/v_Class_g{n:02d}_c01", np.ones((15, 17, 3, 2), np.float32)) for n in range(60)])
    assert many.cache_bytes("toy", "joint") == pytest.approx((tmp_path / "0.h5").stat().st_size, rel=0.02)
    assert many.of(extraction("pose", "joint")).needs == {("extract", "joint"): 60 * 15 / 2, ("start",): 1}


@pytest.mark.parametrize("cached", ["rgb", "flow"])
def test_bytes_under_jpeg_are_those_of_the_files_within_a_fiftieth(works: Works, cached: str, tmp_path: Path) -> None:
    chosen = works.params | {"cache": {"shards": 1, "short_side": 48, "codec": "jpeg", "quality": 90}}
    pictures = np.stack(trial_videos.made_up((64, 48), 40))
    moved = flow.make(slices.extraction(chosen, "flow", "toy"))
    quantised = [flow_levels.quantise(each, moved.bound) for each in flow.compute(moved.backend, moved.settings, pictures[..., 0])]
    array = pictures if cached == "rgb" else np.stack(quantised)
    shares = trial_videos.jpeg_bytes({cached: [array]}, chosen)
    videos = [(f"Class/v_Class_g{n:02d}_c01", jpeg.encode(array, 90)) for n in range(20)]
    made.shard(tmp_path / "0000.h5", cached, videos, codec="jpeg", quality=90)
    said = Works(chosen, {"toy": Counts(15, 5, 3, 40, 64, 48, 30)}, shares).cache_bytes("toy", cached)
    assert said == pytest.approx((tmp_path / "0000.h5").stat().st_size, rel=0.02)
    assert trial_videos.jpeg_bytes({cached: [array]}, works.params) == {}


def frames_of(params: dict[str, Any], folder: Path, counts: Counts, clips: Sequence[Path] = (), side: int = 128) -> list[np.ndarray]:
    """What is measured of videos of a dataset, as they are cached at 128 pixels."""
    chosen = params | {"streams": {"rgb": params["streams"]["rgb"]}, "cache": params["cache"] | {"short_side": side}}
    return trial_videos.take(folder, chosen, counts, clips).pictures["rgb"]


def test_made_up_pictures_compress_like_real_ones(tiny: dict[str, Any], real_clips: Path, tmp_path: Path) -> None:
    """Of two clips of UCF101 JPEG leaves 0.25 and 0.43 bytes a pixel; the picture that stands for all lies between."""
    clips = [real_clips / f"ucf101/UCF-101/SoccerJuggling/v_SoccerJuggling_g{group}_c01.avi" for group in (23, 24)]
    counts = Counts(1, 0, 1, 100, 320, 240, 30)
    films = [*frames_of(tiny, tmp_path / "real", counts, clips), *frames_of(tiny, tmp_path / "made up", counts)]
    assert [one.shape for one in films] == [(5, 128, 171, 3)] * 3
    low, high, picture = (len(jpeg.encode(one, 90).data) / one[..., 0].size for one in films)
    assert low < picture < high < 2 * low


def test_frames_are_counted_at_the_size_they_are_cached_at(tiny: dict[str, Any]) -> None:
    counts = Counts(9, 6, 3, frames=100, width=320, height=240, fps=30)
    wide = Works(tiny, {"toy": counts})
    assert wide.shape("toy", "rgb") == (100, 32, 43, 3)
    assert wide.cache_bytes("toy", "rgb") == pytest.approx(15 * 100 * 43 * 32 * 3, rel=0.01)


def test_a_share_of_the_videos_costs_its_share_of_the_clips(tiny: dict[str, Any]) -> None:
    """Of 100 videos a quarter are 25, 6 batches of 4; tasks are given all, and a clip costs the same."""

    def of(share: float, *which: str) -> Work:
        recipe = tiny["experiments"]["videomix"] | {"videos": share, "epochs": 2}
        counts = dataclasses.replace(COUNTS, train=100)
        return Works(tiny | {"experiments": tiny["experiments"] | {"videomix": recipe}}, {"toy": counts}).of(
            Job(which[0], {"experiment": "videomix", "seed": "0"} | dict(zip(which[1::2], which[2::2], strict=True)))
        )

    whole, quarter = of(1, "train", "training", "rgb"), of(0.25, "train", "training", "rgb")
    assert (whole.clips, quarter.clips) == (2 * 100, 2 * 24) and quarter.epochs == 2
    assert whole.needs.keys() == quarter.needs.keys() and whole.bytes == quarter.bytes
    given = ("features", "stream", "rgb", "dataset", "toy")
    assert of(0.25, *given) == of(1, *given)


@pytest.mark.parametrize(("experiment", "name"), [("once", "rgb-1"), ("crossclr", "joint+motion")])
def test_bytes_of_a_training_are_those_of_its_files(tiny: dict[str, Any], experiment: str, name: str, tmp_path: Path) -> None:
    kept = tiny["experiments"][experiment] | {"keep": 2, "epochs": 3}
    params = tiny | {"experiments": tiny["experiments"] | {experiment: kept}}
    method = assemble.method(slices.training(params, training(params, experiment, name)), 0, assemble.Weights())
    snapshots = trainings.Snapshots(method.encoders(), 2, 3, tmp_path / "kept")
    for epoch in (1, 2, 3):
        snapshots({"epoch": epoch})
    trainings.write(method, [], {}, tmp_path / "files" / f"{name}.safetensors", snapshots)
    files = list((tmp_path / "files").glob("*.safetensors"))
    headers = sum(int.from_bytes(path.read_bytes()[:8], "little") + 8 for path in files)  # the names of the tensors, some kB
    said = Works(params, {"toy": COUNTS}).of(job("train", experiment=experiment, training=name)).bytes
    assert len(files) == 2 and said == sum(path.stat().st_size for path in files) - headers


def test_what_is_rendered_takes_the_bytes_of_its_first_videos(tiny: dict[str, Any], tmp_path: Path) -> None:
    """Within a fifth of all: the folder with all its videos, skeletons and lists, as the job leaves it."""
    few = trial_videos.render(tiny, "toy", 12, tmp_path / "few")
    registry.module("datasets", "toy").download(tmp_path / "whole", tiny["dataset"]["options"], 1)
    whole = sum(path.stat().st_size for path in (tmp_path / "whole").rglob("*") if path.is_file())
    said = Works(tiny, {"toy": COUNTS}, rendered={"toy": few.bytes}).of(Job("download", {"dataset": "toy"})).bytes
    assert said == pytest.approx(whole, rel=0.2) and few.seconds > 0 and len(few.videos) >= 2
    broken = tiny | {"dataset": tiny["dataset"] | {"options": {"size": 0}}}
    with pytest.raises(InputError, match=r"^toy cannot be rendered; its rule says why \(snakemake data/raw/toy\)$"):
        trial_videos.render(broken, "toy", 12, tmp_path / "none")


# ----------------------------------------------------------------------------------------------------------------
# The count of videos


def folder_dataset(root: str) -> dict[str, Any]:
    return {"name": "folder", "root": root, "split": 1, "options": {"test_share": 0.25, "seed": 0}}


def test_the_index_is_believed_first(tmp_path: Path) -> None:
    def row(name: str, split: str, frames: int, fps: float, status: str = "ok") -> index.Row:
        return made.row(name, name[0], split, frames=frames, steps=7, fps=fps, width=40, height=30, status=status)

    # 90 frames in 4 s: the third has no rate, and the fourth is dropped
    rows = [row("a1", "train", 30, 30), row("b1", "train", 60, 20), row("a2", "test", 60, 0), row("c", "train", 5, 30, "dropped")]
    index.write(tmp_path / "data/index/folder.csv", rows)
    assert video_counts.take(tmp_path, folder_dataset("nowhere")) == (Counts(2, 1, 2, 50, 40, 30, 22.5), "its index", ())


def test_skeletons_alone_take_no_pixels(tiny: dict[str, Any], tmp_path: Path) -> None:
    rows = [made.row(f"s{n}", "a", path="", skeleton=f"s{n}.skeleton", frames=20, fps=0, width=0, height=0) for n in range(4)]
    index.write(tmp_path / "data/index/ntu60.csv", rows)
    counts, _, examples = video_counts.take(tmp_path, {"name": "ntu60", "root": "nowhere", "split": 1, "options": {}})
    assert (counts, examples) == (Counts(4, 0, 1, 20, 0, 0, 0), ())
    dataset = {"name": "ntu60", "root": "nowhere", "split": 1, "options": {}}
    own = tiny | {"dataset": dataset, "streams": {"joint": tiny["streams"]["joint"]}}
    works = Works(own, {"ntu60": counts})
    assert works.of(Job("index", {"dataset": "ntu60"})).needs == {("index",): 80, ("start",): 1}
    alone = trial_videos.take(tmp_path / "sample", own, counts, ())
    assert (alone.whole.path, alone.whole.frames, alone.whole.status, alone.pictures) == ("", 20, "ok", {})
    assert works.extractors["joint"](alone.whole, alone.folder).shape == (20, 25, 3, 2)


def test_videos_are_counted_and_a_few_decoded(tiny: dict[str, Any], tmp_path: Path) -> None:
    for name in ("a/1", "a/2", "a/3", "a/4", "b/1", "b/2", "b/3", "b/4"):
        write_video(tmp_path / "videos" / f"{name}.avi", 12)
    counts, origin, examples = video_counts.take(tmp_path, folder_dataset("videos"))
    assert (counts.train + counts.test, counts.classes, counts.frames, counts.width, counts.height) == (8, 2, 12, 32, 24)
    assert counts.fps == pytest.approx(30)
    assert counts.test >= 2 and origin.startswith("its videos")
    assert len(examples) == video_counts.EXAMPLES and all(path.is_file() for path in examples)
    films = frames_of(tiny, tmp_path / "sample", Counts(8, 0, 2, 12, 32, 24, 30), examples, side=12)
    assert [one.shape for one in films] == [(5, 12, 16, 3)] * 5


def test_without_videos_the_official_numbers_are_taken(tmp_path: Path) -> None:
    dataset = {"name": "ucf101", "root": "nowhere", "split": 1, "options": {}}
    counts, origin, _ = video_counts.take(tmp_path, dataset)
    assert (counts.train, counts.test, counts.classes) == (9537, 3783, 101)
    assert origin == "what the dataset is said to hold"


def test_a_folder_nobody_knows_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^nobody knows how many videos folder has: give ROOT, or .*data/index/folder\.csv\)$"):
        video_counts.take(tmp_path, folder_dataset("nowhere"))


# ----------------------------------------------------------------------------------------------------------------
# Hours and the table


def test_hours_are_amounts_times_rates() -> None:
    kind = ("train", "moco", "rgb", "mixup")
    todo = [
        (Job("compare_table1"), Work(needs={("start",): 1})),
        (Job("train"), Work(2, 16, 100.0, {kind: 3600, ("start",): 1})),
        (extraction("mine", "depth"), Work(needs={("start",): 1})),
        (Job("train"), Work(3, 24, 50.0, {kind: 7200})),
        (Job("compare_mine"), Work(needs={("start",): 1})),
        (Job("index"), Work(needs={("start",): 1})),
    ]
    costs = table.costs(todo, {kind: 0.5, ("start",): 1800.0})
    assert costs["train"] == {"jobs": 2, "epochs": 5, "clips": 40, "bytes": 150.0, "hours": 2.0, "longest": 1.0}
    assert costs["compare"] == {"jobs": 2, "epochs": 0, "clips": 0, "bytes": 0, "hours": 1.0, "longest": 0.5}
    assert costs["total"] == {"jobs": 6, "epochs": 5, "clips": 40, "bytes": 150.0, "hours": 4.0, "longest": 1.0}
    assert list(costs) == ["index", "mine", "train", "compare", "total"]  # as the work goes on, whatever extracts


def test_nothing_to_do_is_a_total_of_nothing() -> None:
    found = table.costs([], {})
    assert found == {"total": {"jobs": 0, "epochs": 0, "clips": 0, "bytes": 0, "hours": 0, "longest": 0}}
    assert table.text(found).splitlines()[-1].split()[:2] == ["total", "-"]


def test_the_table_is_aligned() -> None:
    found = table.costs([(Job("train"), Work(500, 4768500, 2.5e12, {("start",): 1})), (Job("x"), Work())], {("start",): 5e6})
    lines = table.text(found).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[2].split() == ["train", "1", "500", "4,768,500", "2.5", "TB", "1,389", "1,389"]


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
    assert table.disk(1e9, 2e9, "raw") == ["Disk: 1 GB to write, 2 GB free."]
    _, warning = table.disk(3e12, 1e12, "raw")
    assert warning.startswith("warning: it does not fit: 2 TB are missing; the cache is raw: set cache.codec: jpeg") and "\n" not in warning
    _, warning = table.disk(3e12, 1e12, "jpeg")
    assert warning.endswith("2 TB are missing; lower cache.quality, lower cache.short_side or find a larger disk")


# ----------------------------------------------------------------------------------------------------------------
# The command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("presets/ucf11.yaml",),
            "there is no preset, file or run's folder presets/ucf11.yaml; known: few-clips, folder, folder-pose,",
        ),
        (("ucf101", "/nowhere"), "ROOT is /nowhere, which is not a folder"),
        (("folder",), "ROOT is path/to/videos, which is not a folder; name the one that holds your videos"),
        (("docs",), f"{REPOSITORY}/docs has no params.yaml, so it is no run's folder; name one that has, or a preset: few-clips, folder,"),
    ],
)
def test_mistakes_end_in_one_line(
    arguments: tuple[str, ...],
    said: str,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert refused("videossl", "cost", *arguments).startswith(f"error: {said}")
    assert not capsys.readouterr().out


@pytest.mark.slow
def test_the_command_prints_a_table_and_starts_nothing(tmp_path: Path, warm: dict[str, str]) -> None:
    (tmp_path / "run").mkdir()
    shutil.copy2(TINY, tmp_path / "run/params.yaml")
    command = ["videossl", "cost", str(tmp_path / "run"), "--targets", "table2 mine figure2", "--quick"]
    command += ["--json", str(tmp_path / "cost.json")]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT | warm, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert "measuring 1 of" in done.stderr and "measuring" not in done.stdout
    found = json.loads((tmp_path / "cost.json").read_text())
    assert found["datasets"]["toy"]["train"] == 9 and found["targets"] == ["table2", "mine", "figure2"]
    assert found["total"]["jobs"] == sum(row["jobs"] for row in found["rules"].values()) > 40
    assert all(seconds > 0 for seconds in found["seconds"].values())
    assert found["rules"]["train"]["jobs"] == 4 + 2 and found["rules"]["train"]["epochs"] == 4 * 2 + 2 * 3
    for rule, row in found["rules"].items():
        assert re.search(rf"^{rule} +{row['jobs']} ", done.stdout, re.MULTILINE), rule
    assert "Disk: " in done.stdout and "All hours are estimates" in done.stdout
    assert [path.name for path in (tmp_path / "run/data").rglob("*") if path.is_file()] == []


def test_a_run_is_planned_from_its_own_folder(tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `videossl cost` is called there without a name: the folder is this one, and not the one that Snakemake is called in."""
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(load.written(TINY) | {"all": ["videomix"]}))
    monkeypatch.chdir(tmp_path)
    jobs = pending_jobs.pending(Path(), [], tiny)
    assert {job.wildcards["experiment"] for job in jobs if job.rule == "train"} == {"videomix"}


def test_weights_from_elsewhere_are_a_job_without_epochs(tiny: dict[str, Any]) -> None:
    """Their bytes are those of the encoder, and nothing is looked for: neither the file nor torchvision's."""
    recipe = {"method": "pretrained", "streams": ["rgb"], "weights": "torchvision:s3d"}
    params = load.check(load.filled(load.written(TINY) | {"experiments": load.written(TINY)["experiments"] | {"known": recipe}}))
    work = Works(params, {"toy": COUNTS}).of(Job("train", {"experiment": "known", "seed": "0", "training": "rgb"}))
    state = assemble.encoder("rgb", params["streams"]["rgb"], 0).state_dict()
    assert (work.epochs, work.clips) == (0, 0) and work.bytes == sum(tensor.numel() * tensor.element_size() for tensor in state.values())
