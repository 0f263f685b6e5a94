"""Features: what is computed, that the encoder stays as it is, and the file."""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from tests.made import row
from tests.tasks.conftest import VIDEOS, MakeCache, MakeClips, MakeEncoder, MakeRows, clips_of
from torch import nn

from videossl import seeding
from videossl.augment.skeleton import SkeletonAugment
from videossl.augment.video import VideoAugment
from videossl.data.clips import uniform_starts, windows
from videossl.encoders import build
from videossl.errors import InputError
from videossl.tasks import encode, features
from videossl.tasks.features import Features


def some(ids: list[str], labels: list[str], split: list[str], seed: int = 0) -> Features:
    return Features(
        ids,
        labels,
        split,
        seeding.numpy_rng(seed).normal(size=(len(ids), 2, 3)).astype(np.float32),
        {},
        "toy",
    )


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_extract_is_the_pooled_output_clip_by_clip(
    batch: int, make_encoder: MakeEncoder, rgb_clips: MakeClips, rgb_videos: dict[str, np.ndarray]
) -> None:
    encoder, augment = make_encoder(3), VideoAugment("rgb", 16)
    out = encode.extract(encoder, augment, rgb_clips(4, 2), batch, "cpu")
    assert out["ids"] == [id for id, _, _ in VIDEOS] and out["split"] == ["train"] * 2 + ["test"] * 2
    assert out["labels"] == ["jump", "run"] * 2
    assert out["features"].shape == (4, 3, 8) and out["features"].dtype == np.float32
    reference = copy.deepcopy(encoder).eval()
    for v, (id, _, _) in enumerate(VIDEOS):
        length, h, w, _ = rgb_videos[id].shape
        for k, start in enumerate(uniform_starts(length, 7, 3)):
            clip = torch.from_numpy(rgb_videos[id][start : start + 7 : 2])[None]
            with torch.no_grad():
                maps = reference(augment.evaluate(clip, torch.tensor([[h, w]])))
            assert np.allclose(out["features"][v, k], maps.mean((2, 3, 4))[0].numpy(), atol=1e-5)


def test_the_encoder_is_bit_identical_afterwards(make_encoder: MakeEncoder, rgb_clips: MakeClips) -> None:
    encoder, clips = make_encoder(3), rgb_clips()
    encoder.train()
    encoder[1].eval()  # a part in another mode keeps it
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    modes = [part.training for part in encoder.modules()]
    first, second = (encode.extract(encoder, VideoAugment("rgb", 16), clips, 3, "cpu") for _ in range(2))
    assert np.array_equal(first["features"], second["features"])
    after = encoder.state_dict()
    assert before.keys() == after.keys() and "block1.1.running_mean" in before
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert modes == [part.training for part in encoder.modules()]
    assert all(parameter.grad is None and parameter.requires_grad for parameter in encoder.parameters())


def test_frozen_restores_the_modes_after_an_error() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    with pytest.raises(RuntimeError), encode.frozen(module):
        assert not module[1].training and not torch.is_grad_enabled()
        raise RuntimeError
    assert module[1].training and torch.is_grad_enabled()


@pytest.mark.parametrize("modality", ["joint", "motion"])
def test_skeletons_are_seen_whole_and_once(modality: str, make_cache: MakeCache, make_rows: MakeRows) -> None:
    videos = {id: seeding.numpy_rng(1, id).normal(size=(n, 25, 3, 2)).astype(np.float32) for id, n in (("x", 9), ("y", 30))}
    cache, rows = make_cache("joint", videos), make_rows([("x", "a", "train"), ("y", "b", "test")])
    encoder = build.build("st-gcn", 3, {"width": 0.0625}, 0)
    clips = clips_of(cache, rows, modality, {"frames": 12}, partial(uniform_starts, count=5))
    out = encode.extract(encoder, SkeletonAugment(0.5, 6), clips, 8, "cpu")
    assert out["features"].shape == (2, 1, encoder.out_features)
    encoder.eval()
    for v, id in enumerate(videos):
        clip = torch.from_numpy(clips.load(cache, id, 0))[None]
        with torch.no_grad():
            assert np.allclose(out["features"][v, 0], encoder.pool(encoder(clip))[0].numpy(), atol=1e-5)


def test_no_video_is_an_error(make_encoder: MakeEncoder, rgb_clips: MakeClips) -> None:
    with pytest.raises(InputError, match="no usable video"):
        encode.extract(make_encoder(3), VideoAugment("rgb", 16), rgb_clips(videos=[]), 1, "cpu")


def test_videos_of_unequally_many_clips_are_never_mixed_up(make_encoder: MakeEncoder, rgb_clips: MakeClips) -> None:
    clips = rgb_clips(stride=2, starts=partial(windows, overlap=0.9))  # 6, 3, 14 and 9: 32, which is 8 times four
    with pytest.raises(RuntimeError, match="equal size"):
        encode.extract(make_encoder(3), VideoAugment("rgb", 16), clips, 3, "cpu")


def test_the_file_returns_what_was_written_and_is_the_same_bytes(tmp_path: Path) -> None:
    values = seeding.numpy_rng(0).normal(size=(3, 2, 4)).astype(np.float32)
    parts = (
        ["a/é", "b [1]", "c"],
        ["run", "", "run"],
        ["train", "train", "test"],
        values,
        {"code": "x", "n": [1]},
    )
    for name in ("one.h5", "two.h5"):
        features.write(tmp_path / name, *parts)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()
    read = features.read(tmp_path / "one.h5")
    assert (read.ids, read.labels, read.split, read.provenance) == (*parts[:3], parts[4])
    assert np.array_equal(read.features, values) and read.features.dtype == np.float32 and read.name == "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.h5", "two.h5"]


def test_bad_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["ids"] = 3
    for name in ("absent.h5", "text.h5", "other.h5"):
        with pytest.raises(InputError, match=name):
            features.read(tmp_path / name)
    for values in (np.zeros((2, 3)), np.zeros((1, 1, 3)), np.full((2, 1, 3), np.nan)):
        with pytest.raises(InputError):
            features.write(tmp_path / "new.h5", ["a", "b"], ["x", "y"], ["train", "test"], values, {})
    assert not (tmp_path / "new.h5").exists()


def test_rows_targets_and_classes_leave_unlabelled_videos_out() -> None:
    one = some(list("abcde"), ["run", "", "jump", "run", ""], ["train", "train", "test", "test", "test"])
    assert one.classes == ["jump", "run"]
    assert one.rows("train").tolist() == [0] and one.rows("test").tolist() == [2, 3]
    assert one.targets("test").tolist() == [0, 1]
    one.check()


def test_what_cannot_be_measured_is_an_error_that_says_what_to_do() -> None:
    for labels, split, what in (
        (["a", "a"], ["train", "test"], "1 classes"),
        (["a", "b"], ["train", "train"], "no labelled test"),
        (["a", "b"], ["test", "test"], "no labelled training"),
        (["", ""], ["train", "test"], "0 classes"),
    ):
        with pytest.raises(InputError, match=rf"^toy: {what}.*evaluate.tasks: \[\]"):
            some(["x", "y"], labels, split).check()


def test_align_keeps_the_common_videos_in_the_first_ones_order() -> None:
    one = some(list("abcd"), ["x", "y", "x", "y"], ["train", "test"] * 2)
    two = some(list("dbxa"), ["y", "y", "z", "x"], ["test", "test", "train", "train"], seed=1)
    left, right = features.align([one, two])
    assert left.ids == right.ids == ["a", "b", "d"] and left.labels == right.labels == ["x", "y", "y"]
    assert np.array_equal(left.features, one.features[[0, 1, 3]])
    assert np.array_equal(right.features, two.features[[3, 1, 0]])
    assert features.align([one, two])[0] is not one and features.align([one, one])[1] is one  # a copy only where it differs
    with pytest.raises(InputError, match="differ in labels"):
        features.align([one, some(list("abcd"), ["x", "y", "x", "z"], ["train", "test"] * 2)])


FURTHER = ['{"repetitions": 3}', "", '{"sounds": ["bark", "rain"]}']


def labelled_further() -> Features:
    whole = some(["a", "b", "c"], ["run", "", "jump"], ["train", "train", "test"])
    return replace(whole, further=FURTHER)


def test_further_labels_are_asked_for_by_name() -> None:
    one = labelled_further()
    assert one.of("repetitions") == [3, None, None] and one.of("sounds") == [None, None, ["bark", "rain"]]
    assert one.of("class") == ["run", None, "jump"] and one.of("unheard") == [None] * 3
    assert one.labelled("train", "repetitions").tolist() == [0] and one.labelled("test", "repetitions").tolist() == []
    assert one.labelled("test", "sounds").tolist() == [2] and one.labelled("train", "class").tolist() == one.rows("train").tolist() == [0]
    assert one.select([2, 0]).of("repetitions") == [None, 3]
    assert some(["a"], ["x"], ["train"]).of("repetitions") == [None]


def test_further_labels_come_from_the_index_and_stay_in_the_file(tmp_path: Path) -> None:
    rows = [row("a", "run", labels={"z": 2.5, "b": ["x"]}), row("b", "", "test"), row("c", "run", "test", labels={"b": ["y"], "z": 1})]
    columns = features.columns(rows, np.zeros((3, 1, 2), np.float32))
    assert columns["further"] == ['{"b": ["x"], "z": 2.5}', "", '{"b": ["y"], "z": 1}']
    for name in ("one.h5", "two.h5"):
        features.write(tmp_path / name, **columns, provenance={"code": "x"})
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()
    read = features.read(tmp_path / "one.h5")
    assert read.further == columns["further"] and read.of("z") == [2.5, None, 1] and read.of("b") == [["x"], None, ["y"]]


def test_a_file_without_further_labels_has_no_place_for_them(tmp_path: Path) -> None:
    """So it is the same bytes as one that was written before there were any."""
    columns = features.columns([row("a", "run"), row("b", "", "test")], np.zeros((2, 1, 2), np.float32))
    features.write(tmp_path / "with.h5", **columns, provenance={})
    features.write(tmp_path / "without.h5", columns["ids"], columns["labels"], columns["split"], columns["features"], {})
    assert (tmp_path / "with.h5").read_bytes() == (tmp_path / "without.h5").read_bytes()
    with h5py.File(tmp_path / "with.h5") as file:
        assert sorted(file) == ["features", "ids", "labels", "split"]
        text = [["a", "b"], ["run", ""], ["train", "test"], [2, 1, 2], {}]
        expected = hashlib.sha256(json.dumps(text, sort_keys=True).encode() + bytes(16)).hexdigest()
        assert file.attrs["sha256"] == expected
    assert features.read(tmp_path / "with.h5").further == []
    with pytest.raises(InputError, match="further labels of 1 videos for 2 ids"):
        features.write(tmp_path / "bad.h5", ["a", "b"], ["", ""], ["train"] * 2, np.zeros((2, 1, 1)), {}, ['{"z": 1}'])


def test_further_labels_must_agree_among_streams() -> None:
    one = labelled_further()
    assert features.align([one, one.select([2, 0])])[0].of("repetitions") == [3, None]
    with pytest.raises(InputError, match="differ in labels"):
        features.align([one, replace(one, further=["", *FURTHER[1:]])])


def test_chunks_are_the_features_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    one = some(list("abcdefg"), ["x"] * 7, ["train"] * 7)  # 2 clips of 3 numbers: 48 bytes a video in float64
    positions = np.array([6, 0, 3, 3, 1])
    for size, lengths in ((1, [1] * 5), (48, [1] * 5), (100, [2, 2, 1]), (10_000, [5])):
        monkeypatch.setattr(features, "CHUNK", size)
        parts = list(one.chunks(positions))
        assert [len(part) for part in parts] == lengths and all(part.dtype == np.float32 for part in parts)
        assert np.array_equal(np.concatenate(parts), one.features[positions])
