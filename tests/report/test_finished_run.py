"""A run from its files: pictures and neighbours, gathered; damaged files, named in one line and never passed over."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.made import row, shard

from videossl import seeding
from videossl.data import index
from videossl.data.cache import Cache
from videossl.errors import InputError
from videossl.report import finished_run, pictured
from videossl.report.finished_run import Run
from videossl.tasks import features

ROWS = [row(f"{label}/{i}", label, split) for label in ("bow", "wave") for i, split in enumerate(("train", "train", "test"))]


def gathered(folder: Path, sources: tuple[str, ...]) -> Run:
    """A run of six videos of 20 frames with features of two streams, and what is gathered of it."""
    rng = seeding.numpy_rng(0)
    shapes = {"rgb": (20, 8, 8, 3), "flow": (19, 8, 8, 2)}
    videos = {source: [(one.id, rng.integers(1, 256, shapes[source]).astype(np.uint8)) for one in ROWS] for source in sources}
    attrs: dict[str, dict[str, Any]] = {"rgb": {}, "flow": {"bound": 20.0}}
    caches = [shard(folder / f"cache/toy/{source}/0.h5", source, videos[source], **attrs[source]) for source in sources]
    files = [folder / f"features/mixup/0/{stream}/toy.h5" for stream in ("rgb", "flow")]
    for path in files:
        columns = features.columns(ROWS, rng.normal(size=(6, 2, 5)).astype(np.float32))
        features.write(path, **columns, provenance={})
    index.write(folder / "toy.csv", ROWS)
    return pictured.add(finished_run.gather({"dataset": {"name": "toy"}}, folder / "toy.csv", [], []), caches, files, [])


def test_samples_have_the_pictures_of_each_cache_in_the_order_of_the_modalities(tmp_path: Path) -> None:
    run = gathered(tmp_path, ("flow", "rgb"))
    assert len(run.samples) == 6 and {tuple(sample["shown"]) for sample in run.samples} == {(0, 4, 8, 11, 15, 19)}
    assert [strip.name.partition(",")[0] for strip in run.samples[0]["strips"]] == ["frames", "flow"]
    assert [len(strip.pictures) for strip in run.samples[0]["strips"]] == [6, 6]
    assert [legend.name.partition(":")[0] for legend in run.legends] == ["Flow"], "frames need none"


def test_neighbours_are_those_of_the_fused_cosines(tmp_path: Path) -> None:
    run = gathered(tmp_path, ("rgb",))
    streams = [features.read(tmp_path / f"features/mixup/0/{stream}/toy.h5").features.mean(axis=1) for stream in ("rgb", "flow")]
    gallery = [i for i, one in enumerate(ROWS) if one.split == "train"]
    streams = [each - each[gallery].mean(axis=0) for each in streams]
    assert [(item["stream"], item["query"]["id"]) for item in run.gallery] == [("rgb+flow", "bow/2"), ("rgb+flow", "wave/2")]
    for item in run.gallery:
        asked = [one.id for one in ROWS].index(item["query"]["id"])
        alone = [[s[asked] @ s[i] / np.linalg.norm(s[asked]) / np.linalg.norm(s[i]) for i in gallery] for s in streams]
        mean = np.mean([np.array(each) / np.std(each) for each in alone], axis=0)
        cosines = dict(zip([ROWS[i].id for i in gallery], mean, strict=True))
        assert [one["id"] for one in item["neighbours"]] == sorted(cosines, key=lambda id: -cosines[id])
        np.testing.assert_allclose(
            [one["similarity"] for one in item["neighbours"]], sorted(cosines.values(), reverse=True), rtol=1e-5, atol=1e-6
        )
        assert [one["correct"] for one in item["neighbours"]] == [one["id"][0] == item["query"]["id"][0] for one in item["neighbours"]]


def test_each_video_that_is_shown_has_a_film_and_each_on_a_map_a_still(tmp_path: Path) -> None:
    run = gathered(tmp_path, ("rgb", "flow"))
    cache = Cache(list((tmp_path / "cache/toy/rgb").iterdir()))
    shown = {tile["id"] for item in run.gallery for tile in (item["query"], *item["neighbours"])}
    assert shown <= run.films.keys() and {len(frames) for frames in run.films.values()} == {8}
    np.testing.assert_array_equal(np.stack([*run.films["bow/2"]]), cache.read("bow/2", 0, 20)[[0, 3, 5, 8, 11, 14, 16, 19]])
    np.testing.assert_array_equal(run.stills["bow/2"], cache.read("bow/2", 10, 11)[0])
    assert run.stills.keys() == {tile["id"] for tile in run.maps[0].tiles} == {one.id for one in ROWS}


def test_without_frames_a_still_is_grey_and_there_is_no_film(tmp_path: Path) -> None:
    run = gathered(tmp_path, ("flow",))
    assert all((still == 128).all() for still in run.stills.values()) and not any(run.films.values())


def test_hits_are_counted_by_class(tmp_path: Path) -> None:
    index.write(tmp_path / "toy.csv", ROWS)
    hits = {"videos": ["bow/2", "wave/2", "wave/9"], "streams": {"rgb": {"accuracy": "101"}, "flow": {"accuracy": "-00"}}}
    path = tmp_path / "linear.json"
    path.write_text(json.dumps({**RESULT, "values": {"rgb": {"accuracy": 50.0}}, "hits": hits}))
    (file,) = finished_run.gather({"dataset": {"name": "toy", "split": 1}}, tmp_path / "toy.csv", [path], []).results
    assert file["classes"] == {"rgb": {"bow": [1, 1], "wave": [0, 1]}, "flow": {"wave": [0, 1]}}, (
        "of a video that the index lacks, no class"
    )


def test_each_number_has_the_command_that_makes_it_again(tmp_path: Path) -> None:
    index.write(tmp_path / "toy.csv", ROWS)
    paths = [tmp_path / "linear.json", tmp_path / "progress.json"]
    for path, whole in zip(paths, (RESULT, PROGRESS), strict=True):
        path.write_text(json.dumps(whole))
    run = finished_run.gather({"dataset": {"name": "toy", "split": 1}}, tmp_path / "toy.csv", paths[:1], [], progress=paths[1:])
    assert [source["made by"] for source in run.sources()] == [
        "snakemake --cores all --force data/results/mixup/0/toy/linear.json",
        "snakemake --cores all --force data/progress/mixup/0/toy/rgb.json",
    ]


RESULT = {"experiment": "mixup", "seed": 0, "dataset": "toy", "task": "linear", "values": {}, "chance": {}, "counts": {}, "provenance": {}}
PROGRESS = {"experiment": "mixup", "seed": 0, "dataset": "toy", "task": "progress", "training": "rgb", "streams": {}, "provenance": {}}
HISTORY = {"epochs": [{"epoch": 1, "loss": 1.5}], "provenance": {}}


@pytest.mark.parametrize(
    ("reader", "whole"), [(finished_run.result, RESULT), (finished_run.result, PROGRESS), (finished_run.history, HISTORY)]
)
def test_a_damaged_file_is_named(tmp_path: Path, reader: Callable[[Path], dict[str, Any]], whole: Any) -> None:
    path = tmp_path / "mixup/0/rgb.json"
    path.parent.mkdir(parents=True)
    text = json.dumps(whole)
    path.write_text(text)
    assert reader(path)
    for damaged in (b"", text[:-9].encode(), b"null", b"{}", b"[1]", b'{"epochs": [{"epoch": 1}]}', b"\xff" + text.encode()):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"rgb\.json.*; delete .* and run again$"):
            reader(path)
    path.unlink()
    with pytest.raises(InputError, match=r"rgb\.json: .*No such file"):
        reader(path)


def test_datasets_have_the_names_of_their_test_sets(tmp_path: Path) -> None:
    """NTU-60's two protocols are its two splits."""
    index.write(tmp_path / "ntu60.csv", ROWS)
    path = tmp_path / "linear.json"
    path.write_text(json.dumps({**RESULT, "dataset": "ntu60"}))
    params = {"dataset": {"name": "ntu60", "split": 2}}
    run = finished_run.gather(params, tmp_path / "ntu60.csv", [path], [], progress=[path], target="table5")
    assert run.dataset == run.results[0]["dataset"] == run.progress[0]["dataset"] == "ntu60-xview"
    assert not run.samples and not run.gallery and run.commands[0].startswith("snakemake --cores all table5 ")


def test_hits_are_read_by_seed_with_one_name_for_the_test_videos(tmp_path: Path) -> None:
    index.write(tmp_path / "toy.csv", ROWS)
    videos = [["a", "b"], ["a", "b"], ["a", "c"]]
    for seed, named in enumerate(videos):
        hits = {"videos": named, "streams": {"rgb": {"accuracy": f"{seed % 2}1"}}}
        path = tmp_path / f"{seed}.json"
        path.write_text(json.dumps({**RESULT, "seed": seed, "dataset": "toy", "values": {"rgb": {"accuracy": 50.0}}, "hits": hits}))
    paths = [tmp_path / f"{seed}.json" for seed in (2, 0, 1)]
    run = finished_run.gather({"dataset": {"name": "toy", "split": 1}}, tmp_path / "toy.csv", paths, [])
    (number,) = finished_run.numbers(run)
    first, second, third = number["hits"]
    assert [hits.signs for hits in number["hits"]] == ["01", "11", "01"] and number["seeds"] == [0, 1, 2]
    assert first.videos == second.videos != third.videos and len(first.videos) == 64, "a digest, not the names"
    paths[0].write_text(json.dumps({**RESULT, "seed": 2, "dataset": "toy", "values": {"rgb": {"accuracy": 50.0}}}))
    older = finished_run.gather({"dataset": {"name": "toy", "split": 1}}, tmp_path / "toy.csv", paths, [])
    assert finished_run.numbers(older)[0]["hits"] == [], "of one seed it is not known"


def test_sources_name_every_results_file(make_run: Callable[..., Run]) -> None:
    run = make_run((0, 1))
    assert len(run.sources()) == len(run.results) == 16
    keys = ["experiment", "seed", "dataset", "task", "data", "code", "weights", "made by"]
    assert list(run.sources()[0]) == keys and run.sources() == sorted(run.sources(), key=lambda source: source["task"])
    assert [source["experiment"] for source in run.sources()[:8:2]] == ["handmade", "untrained", "mixup", "stc-mix"]
