"""Joints found in videos: following people by hand-made detections, and the extractor with small detectors of random weights."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import REPOSITORY
from tests.test_skeleton_graphs import NAMES

from videossl import files
from videossl.data import cache, index, make_index
from videossl.data.cache import Cache
from videossl.data.index import Row
from videossl.data.toy.render import write_video
from videossl.datasets import folder
from videossl.errors import InputError
from videossl.extract import pose, shard, torchvision_weights

# --------------------------------------------------------------------------------------------------------------------
# Places, and who is who


def test_pixels_become_heights_of_the_picture_from_its_middle_y_up() -> None:
    points = np.array([[[0, 0], [320, 240], [160, 120], [160, 0]]], np.float32)
    found = pose.place(points, 240, 320)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], [[-2 / 3, 0.5, 0], [2 / 3, -0.5, 0], [0, 0, 0], [0, 0.5, 0]], atol=1e-6)


BODY = np.stack([np.tile([-0.1, 0.0, 0.1], 6)[:17], np.linspace(0.5, -0.5, 17), np.zeros(17)], axis=1).astype(np.float32)
"""A body of height 1 around its place."""


def at(x: float, y: float = 0.0, size: float = 1.0) -> np.ndarray:
    """A body at a place, (17, 3)."""
    return np.asarray(BODY * size + np.array([x, y, 0]), np.float32)


def frame(*people: np.ndarray) -> np.ndarray:
    """All that is found in a frame, (P, 17, 3)."""
    return np.stack(people) if people else np.zeros((0, 17, 3), np.float32)


def where(track: dict[int, np.ndarray]) -> dict[int, float]:
    """Frame -> x of a body's middle."""
    return {frame: round(float(joints[:, 0].mean()), 2) for frame, joints in track.items()}


def middle(x: float) -> float:
    return round(float(at(x)[:, 0].mean()), 2)


def test_nobody() -> None:
    assert pose.link([frame(), frame()]) == {} and pose.link([]) == {}


def test_one_who_walks_is_one_whatever_the_order_of_detections() -> None:
    tracks = pose.link([frame(at(0.1 * t), at(3)) if t % 2 else frame(at(3), at(0.1 * t)) for t in range(6)])
    assert where(tracks[0]) == {t: middle(3) for t in range(6)}  # in the first frame found with the higher score
    assert where(tracks[1]) == {t: middle(0.1 * t) for t in range(6)} and set(tracks) == {0, 1}


def test_two_alike_who_cross_do_not_change_places() -> None:
    """Each walks 0.25 a frame, one to the right, one to the left; in frame 4 they are at one place, and each is expected on their way."""
    right, left = [[sign * (-1.0 + 0.25 * t) for t in range(9)] for sign in (1, -1)]
    tracks = pose.link([frame(at(a), at(b)) for a, b in zip(right, left, strict=True)])
    assert where(tracks[0]) == {t: middle(x) for t, x in enumerate(right)}
    assert where(tracks[1]) == {t: middle(x) for t, x in enumerate(left)} and len(tracks) == 2


def test_one_hidden_behind_another_is_known_again() -> None:
    """The one to the left is not found in frames 3 to 5, in which both are at about one place."""
    tracks = pose.link([frame(at(-1 + 0.25 * t), *([at(1 - 0.25 * t)] if t not in (3, 4, 5) else [])) for t in range(9)])
    assert where(tracks[0]) == {t: middle(-1 + 0.25 * t) for t in range(9)}
    assert where(tracks[1]) == {t: middle(1 - 0.25 * t) for t in (0, 1, 2, 6, 7, 8)} and len(tracks) == 2


@pytest.mark.parametrize(("away", "bodies"), [(pose.AWAY, 1), (pose.AWAY + 1, 2)])
def test_who_leaves_and_returns_is_the_same_for_a_while(away: int, bodies: int) -> None:
    tracks = pose.link([frame(at(0)), *[frame()] * away, frame(at(0))])
    assert len(tracks) == bodies
    assert sorted(t for track in tracks.values() for t in track) == [0, away + 1]


def test_near_is_in_sizes_of_the_body() -> None:
    """A step of 0.4 is less than half of a body of 1, and more than half of one of 0.5."""
    assert len(pose.link([frame(at(0)), frame(at(0.4))])) == 1
    assert len(pose.link([frame(at(0, size=0.5)), frame(at(0.4, size=0.5))])) == 2


def test_the_nearest_pair_is_first_and_each_is_taken_once() -> None:
    """Who stands at 0.3 is 0.1 from the second one seen before and 0.3 from the first, who is left to the other, at 0.45."""
    tracks = pose.link([frame(at(0), at(0.2)), frame(at(0.3), at(0.45))])
    assert where(tracks[1]) == {0: middle(0.2), 1: middle(0.3)} and where(tracks[0]) == {0: middle(0), 1: middle(0.45)}


def test_following_equals_a_naive_version() -> None:
    """Loops over people and joints, on many random walks with misses."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        walks = np.cumsum(rng.normal(0, 0.15, (3, 25, 2)), axis=1) + rng.normal(0, 1, (3, 1, 2))
        people = [frame(*[at(*walks[n, t]) for n in range(3) if rng.random() < 0.8]) for t in range(25)]
        found = [{t: joints.tolist() for t, joints in track.items()} for track in pose.link(people).values()]
        assert found == [{t: joints.tolist() for t, joints in track.items()} for track in naive(people)]


def naive(people: list[np.ndarray]) -> list[dict[int, np.ndarray]]:
    tracks: list[dict[int, np.ndarray]] = []
    speeds: list[np.ndarray] = []
    for t, seen in enumerate(people):
        candidates = []
        for body, track in enumerate(tracks):
            last = max(track)
            if t - last - 1 > pose.AWAY:
                continue
            joints = track[last]
            size = max(joints[:, axis].max() - joints[:, axis].min() for axis in range(3))
            for position, person in enumerate(seen):
                far = [np.linalg.norm(joints[k] + speeds[body] * (t - last) - person[k]) for k in range(17)]
                candidates.append((sum(far) / 17 / size, body, position))
        owner: dict[int, int] = {}
        for distance, body, position in sorted(candidates):
            if distance <= pose.NEAR and body not in owner.values() and position not in owner:
                owner[position] = body
        for position, person in enumerate(seen):
            if position in owner:
                body = owner[position]
                last = max(tracks[body])
                speeds[body] = (speeds[body] + (person - tracks[body][last]).mean(axis=0) / (t - last)) / 2
                tracks[body][t] = person
            else:
                tracks.append({t: person})
                speeds.append(np.zeros(3, np.float32))
    return tracks


class Told:
    """A detector that finds what it was told, image by image: (scores, keypoints)."""

    def __init__(self, *found: tuple[list[float], list[Any]]) -> None:
        self.found, self.sizes = list(found), list[int]()

    def parameters(self) -> Any:
        return iter([torch.zeros(1)])

    def __call__(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        self.sizes.append(len(images))
        now, self.found = self.found[: len(images)], self.found[len(images) :]
        points = [
            torch.cat([torch.tensor(one, dtype=torch.float32).reshape(-1, 17, 2), torch.ones(len(one), 17, 1)], dim=-1) for _, one in now
        ]
        return [{"scores": torch.tensor(scores), "keypoints": one} for (scores, _), one in zip(now, points, strict=True)]


def test_low_scores_are_nobody_and_still_frames_are_not_looked_at_twice() -> None:
    pictures = np.zeros((5, 4, 4, 3), np.uint8)
    pictures[2:] = 1
    pictures[4] = 2
    one, two = np.full((17, 2), 1.0).tolist(), np.full((17, 2), 2.0).tolist()
    told = Told(([0.9, 0.5], [one, two]), ([], []), ([0.7, 0.69], [two, one]))
    found = pose.detect(told, pictures, 2, 0.7)  # type: ignore[arg-type]
    assert told.sizes == [2, 1]
    assert [people[:, 0, 0].tolist() for people in found] == [[1], [1], [], [], [2]]


def test_frames_are_taken_as_they_come_and_grouped_as_if_all_were_there() -> None:
    """No more than a batch and the frame before are held; which frames are looked at together does not depend on that."""
    pictures = np.random.default_rng(0).integers(0, 9, (23, 1, 1, 3)).repeat(np.random.default_rng(1).integers(1, 6, 23), axis=0)
    pictures = pictures.astype(np.uint8)
    taken: list[int] = []

    class Looking(Told):
        def __call__(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
            groups.append([(255 * image).round().flatten().tolist() for image in images])
            held.append(len(taken))
            self.found = [([1.0], [np.full((17, 2), float(image.sum())).tolist()]) for image in images]
            return super().__call__(images)

    def each() -> Any:
        for number, picture in enumerate(pictures):
            taken.append(number)
            yield picture

    new = [t for t in range(len(pictures)) if t == 0 or (pictures[t] != pictures[t - 1]).any()]
    for batch in (1, 4, 100):
        groups: list[Any] = []
        held: list[int] = []
        taken.clear()
        found = pose.detect(Looking(), each(), batch, 0.7)  # type: ignore[arg-type]
        starts = range(0, len(new), batch)
        assert groups == [[pictures[t].flatten().tolist() for t in new[start : start + batch]] for start in starts]
        assert held == [[*new, len(pictures) - 1][min(start + batch, len(new))] + 1 for start in starts], "looked at as soon as may be"
        sums = np.array([people[0, 0, 0] for people in found])
        np.testing.assert_allclose(sums, pictures.reshape(len(pictures), -1).sum(1) / 255, atol=1e-5)


# --------------------------------------------------------------------------------------------------------------------
# The extractor, with a small detector


def small(short_side: int, score: float, keypoints: int = 17) -> Any:
    """A keypoint R-CNN of a few thousand weights."""
    from torchvision.models.detection import KeypointRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
    from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
    from torchvision.ops import MultiScaleRoIAlign

    backbone: Any = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 9, 4, 4), torch.nn.ReLU())
    backbone.out_channels = 4
    model = KeypointRCNN(
        backbone,
        rpn_anchor_generator=AnchorGenerator(((12, 24),), ((0.5, 2.0),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 3, 2),
        box_head=TwoMLPHead(36, 16),
        box_predictor=FastRCNNPredictor(16, 2),
        keypoint_roi_pool=MultiScaleRoIAlign(["0"], 6, 2),
        keypoint_head=KeypointRCNNHeads(4, (4,)),
        keypoint_predictor=KeypointRCNNPredictor(4, keypoints),
        min_size=short_side,
        max_size=round(short_side * pose.LONGEST),
        box_score_thresh=score,
        box_detections_per_img=4,
    )
    return model.eval()


def weights(path: Path, model: torch.nn.Module) -> Path:
    torch.save(model.state_dict(), path)
    return path


def extractor(path: Path, **changes: Any) -> pose.Poses:
    return dataclasses.replace(pose.Poses(path, files.sha256(path), 0.4, 32, 2), **changes)


@pytest.fixture
def small_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pose, "untrained", small)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    torch.manual_seed(2)
    return weights(tmp_path / "small.pth", small(32, 0.4))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "raw"
    (root / "walk").mkdir(parents=True)
    for number in range(3):
        still = np.kron(np.random.default_rng(number).integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        write_video(root / f"walk/{number}.avi", np.stack([np.roll(still, 3 * t, axis=1) for t in range(4 + number)]))
    return root


@pytest.fixture
def rows(root: Path) -> list[Row]:
    return make_index.build(folder.videos(root, 1, {}), root)


def test_joints_of_a_video_are_those_of_its_frames_one_by_one(small_weights: Path, root: Path, rows: list[Row]) -> None:
    """The detector by hand, frame by frame, as torchvision's documents call it."""
    extract = extractor(small_weights)
    found = extract(rows[1], root)
    assert found.shape == extract.shape(rows[1]) == (5, 17, 3, 2) and found.dtype == np.float32
    detector = small(32, 0.4)
    detector.load_state_dict(torch.load(small_weights))
    pictures = pose.frames.decode(rows[1], root, 32)  # 43 x 32: the video has 64 x 48
    for picture, joints in zip(pictures, found, strict=True):
        with torch.no_grad():
            (seen,) = detector([torch.from_numpy(picture).permute(2, 0, 1) / 255])
        places = seen["keypoints"][seen["scores"] >= 0.4].numpy()
        x, y = (places[..., 0] - 43 / 2) / 32, (16 - places[..., 1]) / 32
        for body in (0, 1):
            if joints[..., body].any():
                fits = np.abs(x - joints[:, 0, body]).max(1) + np.abs(y - joints[:, 1, body]).max(1)
                assert fits.min() < 1e-4 and not joints[:, 2, body].any()
    assert found[..., 0].any(), "the random weights find somebody"


def test_how_many_frames_are_looked_at_at_once_does_not_change_the_joints(small_weights: Path, root: Path, rows: list[Row]) -> None:
    """To a thousandth of the height: sums in another order may tell a box from another a little differently."""
    one = [extractor(small_weights, batch=1)(row, root) for row in rows]
    for batch in (3, 8):
        for expected, row in zip(one, rows, strict=True):
            np.testing.assert_allclose(extractor(small_weights, batch=batch)(row, root), expected, atol=1e-3)


@pytest.mark.parametrize("fps", [None, 60, 17])
def test_a_video_in_pieces_has_the_joints_of_the_whole(
    small_weights: Path, root: Path, fps: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit; and it is never decoded whole."""
    row = make_index.build(folder.videos(root, 1, {}), root, fps=fps)[2]
    whole = pose.frames.decode(row, root, 32, fps)
    monkeypatch.setattr(pose.frames.video, "frames", None)
    extract = extractor(small_weights, fps=fps)
    found = extract(row, root)
    monkeypatch.setattr(pose.frames, "each", lambda *_: whole)
    assert found.any() and np.array_equal(found, extract(row, root))


def test_a_video_that_decodes_to_other_steps_than_the_index_has(small_weights: Path, root: Path, rows: list[Row]) -> None:
    with pytest.raises(InputError, match="walk/0: 4 steps decode, the index has 5; make the index again"):
        extractor(small_weights)(dataclasses.replace(rows[0], steps=5), root)


@pytest.mark.parametrize("at", ["_detector", "_batch"])
def test_a_gpu_that_is_too_small_is_told_in_one_line(
    small_weights: Path, root: Path, rows: list[Row], at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB.\nOf the allocated memory ...")

    monkeypatch.setattr(pose, at, full)
    with pytest.raises(InputError, match=r"walk/0: the GPU's memory is too small .* 2 frames at once; lower skeleton\.batch or") as caught:
        extractor(small_weights)(rows[0], root)
    assert "skeleton.short_side, or run fewer jobs at once (--cores 1)" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_on_a_gpu_nearly_all_joints_are_where_they_are_on_the_cpu(
    small_weights: Path, root: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums in another order: a keypoint is the highest place of a map, which of two nearly equal ones may change."""
    expected = extractor(small_weights)(rows[2], root)
    monkeypatch.undo()
    monkeypatch.setattr(pose, "untrained", small)
    pose._detector.cache_clear()
    found = extractor(small_weights)(rows[2], root)
    assert (np.abs(found - expected) < 1e-2).mean() > 0.95


def test_a_shard_and_what_it_says_of_itself(small_weights: Path, tmp_path: Path, root: Path, rows: list[Row]) -> None:
    extract = extractor(small_weights, fps=60)
    rows = make_index.build(folder.videos(root, 1, {}), root, fps=60)
    shard.build(tmp_path / "a.h5", "joint", "mine", rows, root, extract)
    cache.verify(tmp_path / "a.h5")
    read = Cache([tmp_path / "a.h5"])
    assert [read.shape(row.id) for row in rows] == [(row.steps, 17, 3, 2) for row in rows]
    assert (read.attrs["graph"], read.attrs["unit"]) == ("coco", "heights of the picture")
    made_by = json.loads(read.attrs["extractor"])
    assert made_by["params"] == {"weights": files.sha256(small_weights), "score": 0.4, "short_side": 32, "batch": 2, "fps": 60}
    assert made_by["name"] == "keypoint-rcnn" and "torchvision" in made_by["version"]
    assert (tmp_path / "a.h5").stat().st_size <= shard.estimate(rows, "joint", extract, None)


def test_other_weights_make_another_cache(small_weights: Path, tmp_path: Path, root: Path, rows: list[Row]) -> None:
    """What was kept for the next time is not taken; the same weights under another name are the same."""
    copy, other = tmp_path / "copy.pth", weights(tmp_path / "other.pth", small(32, 0.4))
    copy.write_bytes(small_weights.read_bytes())
    made = []
    for path in (small_weights, copy, other):
        shard.build(tmp_path / "a.h5", "joint", "mine", rows, root, extractor(path), 1, None, tmp_path / "kept/a.h5")
        made.append((tmp_path / "a.h5").read_bytes())
    assert made[0] == made[1] != made[2]


def test_videos_with_nobody_are_zero_and_named(
    small_weights: Path, tmp_path: Path, root: Path, rows: list[Row], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard.build(tmp_path / "a.h5", "joint", "mine", rows, root, extractor(small_weights, score=0.999))
    read = Cache([tmp_path / "a.h5"])
    assert not any(read.read(id, 0, read.length(id)).any() for id in read.ids)
    assert pose.without_people(tmp_path / "a.h5") == ["walk/0", "walk/1", "walk/2"]
    pose.after(tmp_path / "a.h5")
    said = (
        "warning: nobody was found in 3 of 3 videos (walk/0, walk/1, walk/2): their joints are all zero; a lower skeleton.score finds more"
    )
    assert caplog.messages[-1] == said
    monkeypatch.setattr(pose, "without_people", lambda path: [])
    pose.after(tmp_path / "a.h5")
    assert caplog.messages[-1] == said


def test_the_extractor_of_a_slice_of_params(small_weights: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "videossl")
    settings = {"backend": "keypoint-rcnn", "weights": str(small_weights), "score": 0.5, "short_side": 64, "batch": 3}
    made = pose.make({"cache": {"shards": 1}, "index": {"fps": 12.5}, "skeleton": settings})
    assert made == pose.Poses(small_weights, files.sha256(small_weights), 0.5, 64, 3, 12.5)
    assert caplog.messages == [f"{small_weights}: SHA-256 {files.sha256(small_weights)}"]


def test_skeletons_alone_and_joints_nowhere(small_weights: Path, root: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"walk/0 has a skeleton and no video to find people in: set skeleton: \{backend: files\}"):
        extractor(small_weights).shape(dataclasses.replace(rows[0], path=""))
    monkeypatch.setattr(pose, "detect", lambda *_: [np.full((1, 17, 2), np.nan, np.float32)] * 4)
    with pytest.raises(
        InputError, match=r"walk/0: the detector finds joints that are not finite; its weights, .*small\.pth, are not right"
    ):
        extractor(small_weights)(rows[0], root)


# --------------------------------------------------------------------------------------------------------------------
# Weights


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no weights", r"weights\.pth holds no weights that torch can load \(.+\); get the file again"),
        (b"", r"weights\.pth holds no weights that torch can load"),
        ([1, 2], r"weights\.pth holds a list; skeleton\.weights must be a state dict of torchvision's keypointrcnn_resnet50_fpn with 2"),
        ({"a": 1}, r"weights\.pth is of another model \(\d+ tensors differ, such as .+\); skeleton\.weights must be"),
        (
            "fewer",
            r"weights\.pth is of another model \(2 tensors differ, such as roi_heads\.keypoint_predictor\.kps_score_lowres\.bias, roi",
        ),
    ],
)
def test_files_that_are_no_weights(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "weights.pth"
    if content == "fewer":
        content = small(32, 0.4, keypoints=16).state_dict()
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(InputError, match=said) as caught:
        torchvision_weights.load(small(32, 0.4), path, pose.FITTING)
    assert "\n" not in str(caught.value)


def test_half_a_file(small_weights: Path) -> None:
    small_weights.write_bytes(small_weights.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"small\.pth holds no weights that torch can load"):
        torchvision_weights.load(small(32, 0.4), small_weights, pose.FITTING)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"skeleton\.weights: .*none\.pth cannot be read \(No such file or directory\)"):
        pose.find_weights(str(tmp_path / "none.pth"))


def official() -> Any:
    from torchvision.models.detection import KeypointRCNN_ResNet50_FPN_Weights

    return KeypointRCNN_ResNet50_FPN_Weights.COCO_V1


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's cache, empty, and torchvision's weights at an address where nobody answers."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(official().value, "url", "http://127.0.0.1:9/keypointrcnn-12345678.pth")
    return tmp_path / "torch/hub/checkpoints"


def test_a_download_that_fails_says_where_to_put_the_file(home: Path) -> None:
    with pytest.raises(InputError) as caught:
        pose.find_weights("coco")
    said = str(caught.value)
    assert "torchvision's weights cannot be downloaded (" in said and "\n" not in said
    assert f"put http://127.0.0.1:9/keypointrcnn-12345678.pth at {home}/keypointrcnn-12345678.pth ($TORCH_HOME moves it)" in said


def test_of_jobs_that_start_together_one_downloads(home: Path, small_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would take 237 MB: the others wait, and find the file there."""
    path = home / f"keypointrcnn-{files.sha256(small_weights)[:8]}.pth"
    monkeypatch.setattr(official().value, "url", f"http://127.0.0.1:9/{path.name}")
    downloads: list[bool] = []

    def download(self: Any, **_: Any) -> None:
        downloads.append(path.exists())
        time.sleep(0.1)
        path.write_bytes(small_weights.read_bytes())

    monkeypatch.setattr(type(official()), "get_state_dict", download)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(pose.find_weights, ["coco"] * 3))
    assert downloads == [False] and {one[0] for one in found} == {path}


def test_torchvision_s_own_are_taken_from_its_cache_and_must_be_what_their_name_says(
    home: Path, small_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir(parents=True)
    digest = files.sha256(small_weights)
    (home / "keypointrcnn-12345678.pth").write_bytes(small_weights.read_bytes())
    with pytest.raises(
        InputError, match=rf"keypointrcnn-12345678\.pth is not torchvision's file: its SHA-256 starts with {digest[:8]}; delete"
    ):
        pose.find_weights("coco")
    monkeypatch.setattr(official().value, "url", f"http://127.0.0.1:9/keypointrcnn-{digest[:8]}.pth")
    (home / "keypointrcnn-12345678.pth").rename(home / f"keypointrcnn-{digest[:8]}.pth")
    assert pose.find_weights("coco") == (home / f"keypointrcnn-{digest[:8]}.pth", digest)


def test_the_architecture_is_torchvision_s() -> None:
    """Names, shapes and the address of its weights are what the installed torchvision has; only these have an eps of 0."""
    from torchvision.models.detection import keypointrcnn_resnet50_fpn

    assert official().url.endswith("/keypointrcnn_resnet50_fpn_coco-fc266e95.pth")
    assert official().meta["keypoint_names"] == NAMES, "the joints of the graph coco"
    with torch.device("meta"):
        theirs, ours = keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None), pose.untrained(800, 0.7)
    expected = {name: value.shape for name, value in theirs.state_dict().items() if "num_batches" not in name}
    assert {name: value.shape for name, value in ours.state_dict().items()} == expected
    for model in (ours, theirs):
        assert (model.transform.min_size[-1], model.transform.max_size) == (800, 1333)  # the last is what a trained model takes
    norms = [module for module in ours.modules() if hasattr(module, "eps")]
    assert {norm.eps for norm in norms} == {1e-5} and len(norms) == 53
    pose._set_eps(ours, 0.0)
    assert {norm.eps for norm in norms} == {0.0}


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = "import sys, videossl.extract.pose; print(*sorted({'torch', 'torchvision', 'av', 'cv2'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": "lib"}, cwd=REPOSITORY
    )
    assert done.stdout.split() == []


def one_box(model: Any) -> Any:
    """Random weights by which a detector sees one person, as large as the picture, in each: few boxes, little work."""
    state = model.state_dict()
    state["rpn.head.bbox_pred.weight"].zero_()
    state["rpn.head.bbox_pred.bias"].copy_(torch.tensor([0.0, 0.0, 9.0, 9.0]).repeat(3))
    for name, bias in (("cls_score", [0.0, 3.0]), ("bbox_pred", [0.0] * 8)):
        state[f"roi_heads.box_predictor.{name}.weight"].zero_()
        state[f"roi_heads.box_predictor.{name}.bias"].copy_(torch.tensor(bias))
    return model


@pytest.mark.slow
def test_the_script_with_the_whole_detector(tmp_path: Path, root: Path, rows: list[Row], warm: dict[str, str]) -> None:
    """Its weights from a file and, as torchvision's own, from torch's cache: the same bytes of a shard."""
    torch.manual_seed(0)
    path = weights(tmp_path / "mine.pth", one_box(pose.untrained(32, 0.5)))
    digest = files.sha256(path)
    home = tmp_path / "torch/hub/checkpoints"
    home.mkdir(parents=True)
    (home / f"keypointrcnn-{digest[:8]}.pth").hardlink_to(path)
    renamed = f"from torchvision.models.detection import KeypointRCNN_ResNet50_FPN_Weights as W; W.COCO_V1.value.url = 'http://127.0.0.1:9/keypointrcnn-{digest[:8]}.pth'"
    code = f"import runpy, sys; {renamed}; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    (tmp_path / "renamed.py").write_text(code)
    made = []
    for name in ("mine.pth", "coco"):
        run = tmp_path / f"run {name}"
        run.mkdir()
        index.write(run / "mine.csv", rows[:1])
        (run / "mine.pth").hardlink_to(path)  # a path is relative to the run's folder
        params = {
            "dataset": {"name": "mine", "root": str(root)},
            "cache": {"shards": 1, "short_side": 24, "codec": "raw"},
            "index": {"fps": None},
            "skeleton": {"backend": "keypoint-rcnn", "weights": name, "score": 0.5, "short_side": 32, "batch": 2},
        }
        given = ["--params", json.dumps(params), "--index", "mine.csv", "--shard", "0", "--out", "0.h5"]
        script = str(REPOSITORY / "stages/extract.py")
        command = ["python", str(tmp_path / "renamed.py"), script, "--source", "joint", "--extractor", "pose", *given]
        environment = os.environ | warm | {"TORCH_HOME": str(tmp_path / "torch"), "PYTHONPATH": str(REPOSITORY / "lib")}
        done = subprocess.run(command, cwd=run, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        cache.verify(run / "0.h5")
        made.append((run / "0.h5").read_bytes()[cache.SEAL :])  # before that are the params, which name the weights
    assert made[0] == made[1]
    read = Cache([run / "0.h5"])
    joints = read.read("walk/0", 0, 4)
    assert joints.shape == (4, 17, 3, 2) and joints[..., 0].any(axis=(1, 2)).all() and not joints[..., 1].any()
    assert np.abs(joints[:, :, 1]).max() <= 0.5 and np.abs(joints[:, :, 0]).max() <= 64 / 48 / 2 + 0.02
