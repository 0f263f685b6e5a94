"""Joints of people in any video, by torchvision's keypoint R-CNN (He et al., ICCV 2017), where there are no skeleton files.

Frame by frame the detector finds people and their 17 COCO keypoints; `link` follows them through the video; which two are kept
is settled where it is for Kinect's bodies (data/bodies.py). What comes out is laid out as a skeleton file's joints are: x to the
right, y up, from the middle of the picture, in heights of the picture; z is 0.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from videossl.data import bodies
from videossl.data.cache import Cache, describe
from videossl.data.index import Row
from videossl.errors import InputError
from videossl.extract import frames, torchvision_weights

if TYPE_CHECKING:
    import torch
    from torchvision.models.detection import KeypointRCNN

log = logging.getLogger(__name__)

JOINTS = 17
SHOWN = 3  # videos without people that are named
LONGEST = 1333 / 800
"""The longer side is at most this multiple of `short_side`, as in torchvision: a longer picture is made smaller."""

# How people are followed. [settled] by what a person can do between two frames at 25 a second; no source.
NEAR = 0.5
"""A person is the nearest of those that were there if all joints, on average, moved by less than this share of the body's size."""
AWAY = 15
"""Frames for which a person may be unseen, as behind another, and still be expected where they were going."""


@dataclass(frozen=True)
class Poses:
    """Extracts (N, 17, 3, 2) float32 joints of the people in a video's frames, at the rate of the cached frames.

    weights: the file of the detector's weights; digest: its SHA-256, "" for an untrained one; score: what a detection must reach; short_side: pixels that
    frames are scaled to; batch: frames at once; fps: frames a second, None: each video keeps its own. On a GPU if there is one;
    on the CPU on one thread, so that the values do not depend on the number of processes.
    """

    weights: Path
    digest: str
    score: float
    short_side: int
    batch: int
    fps: float | None = None

    def __call__(self, row: Row, root: Path) -> np.ndarray:
        """The joints of one video, all zero where nobody is found."""
        short_side = min(self.short_side, *_steps(row)[1:])
        steps, height, width = frames.steps(row, short_side)
        people = self._people(row, frames.each(row, root, short_side, self.fps))
        if not all(np.isfinite(detected).all() for detected in people):
            raise InputError(f"{row.id}: the detector finds joints that are not finite; its weights, {self.weights}, are not right")
        tracks = link([place(detected, height, width) for detected in people])
        return bodies.arrange(steps, tracks) if tracks else np.zeros(self.shape(row), np.float32)

    def _people(self, row: Row, pictures: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Detect people in frames; raises InputError where the GPU's memory does not hold the detector and a batch."""
        import torch

        try:
            detector = _detector(self.weights, self.digest, self.short_side, self.score)
            return detect(detector, pictures, self.batch, self.score)
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"{row.id}: the GPU's memory is too small to find people in {self.batch} frames at once; lower skeleton.batch or"
                " skeleton.short_side, or run fewer jobs at once (--cores 1)"
            ) from error

    def shape(self, row: Row) -> tuple[int, ...]:
        """(N, 17, 3, 2), by the index; raises InputError where there is no video."""
        return _steps(row)[0], JOINTS, 3, bodies.BODIES

    def made_by(self) -> dict[str, Any]:
        """Name, versions and params, for the cache. The weights count by what is in them, wherever they lie."""
        import torch
        import torchvision

        version = f"torch {torch.__version__}, torchvision {torchvision.__version__}, {frames.versions()}"
        params = {"weights": self.digest, "score": self.score, "short_side": self.short_side, "batch": self.batch, "fps": self.fps}
        return {"name": "keypoint-rcnn", "version": version, "params": params}

    def attrs(self) -> dict[str, Any]:
        """The names of the joints, and their unit."""
        return {"graph": "coco", "unit": "heights of the picture"}


def make(params: Mapping[str, Any]) -> Poses:
    """The extractor for a slice of params (modalities/joint.yaml); its weights are looked for, and downloaded if need be."""
    path, digest = find_weights(params["skeleton"]["weights"])
    log.info("%s: SHA-256 %s", path, digest)
    return _with(path, digest, params)


def rehearsal(params: Mapping[str, Any]) -> Poses:
    """The same with an untrained detector, which takes as long: for `videossl cost`."""
    return _with(Path(), "", params)


def _with(path: Path, digest: str, params: Mapping[str, Any]) -> Poses:
    settings = {key: value for key, value in params["skeleton"].items() if key not in ("backend", "weights")}
    return Poses(path, digest, fps=params["index"]["fps"], **settings)


def after(path: Path) -> None:
    """Warn about videos of a finished shard in which no person was found."""
    if nobody := without_people(path):
        shown = ", ".join(nobody[:SHOWN]) + (", ..." if len(nobody) > SHOWN else "")
        message = "warning: nobody was found in %d of %d videos (%s): their joints are all zero; a lower skeleton.score finds more"
        log.warning(message, len(nobody), len(describe(path).ids), shown)


def _steps(row: Row) -> tuple[int, int, int]:
    """(N, H, W) of a video, by the index."""
    if not row.path:
        raise InputError(f"{row.id} has a skeleton and no video to find people in: set skeleton: {{backend: files}}")
    return frames.steps(row, None)


# --------------------------------------------------------------------------------------------------------------------
# The detector


FITTING = "skeleton.weights must be a state dict of torchvision's keypointrcnn_resnet50_fpn with 2 classes and 17 keypoints"


def find_weights(weights: str) -> tuple[Path, str]:
    """The file that `weights` of params stands for, and its SHA-256; `coco` is torchvision's own (`torchvision_weights.find`)."""
    return torchvision_weights.find("skeleton.weights", weights, "coco", _own())


def _own() -> Any:
    """torchvision's own weights of COCO."""
    from torchvision.models.detection import KeypointRCNN_ResNet50_FPN_Weights

    return KeypointRCNN_ResNet50_FPN_Weights.COCO_V1


@cache
def _detector(path: Path, digest: str, short_side: int, score: float) -> KeypointRCNN:
    """The detector with the weights in `path`, ready, on the GPU if there is one; made once in each process."""
    import torch

    torch.set_num_threads(1)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32 = True, False
    detector = untrained(short_side, score)
    if digest:
        torchvision_weights.load(detector, path, FITTING)
    if digest and torchvision_weights.is_own(digest, _own()):
        _set_eps(detector, 0.0)  # as torchvision does for these weights: they were trained so
    return detector.to("cuda" if torch.cuda.is_available() else "cpu")


def untrained(short_side: int, score: float) -> KeypointRCNN:
    """keypointrcnn_resnet50_fpn as torchvision builds it for trained weights, in evaluation mode; its weights are random.

    People are found before their keypoints: keypoints are most of the work where there are many people.
    """
    from torchvision.models.detection import KeypointRCNN
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

    backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None)  # with its batch norms frozen
    sizes = {"min_size": short_side, "max_size": round(short_side * LONGEST)}
    detector: KeypointRCNN = KeypointRCNN(backbone, 2, num_keypoints=JOINTS, box_score_thresh=score, **sizes)
    return detector.eval()


def _set_eps(detector: torch.nn.Module, eps: float) -> None:
    """Set the number that the frozen batch norms add to the variance."""
    from torchvision.ops import FrozenBatchNorm2d

    for module in detector.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = eps


def detect(detector: KeypointRCNN, pictures: Iterable[np.ndarray], batch: int, score: float) -> list[np.ndarray]:
    """The people in each of the (H, W, 3) uint8 RGB frames: (P, 17, 2) float32 pixels, x and y, by falling score.

    `batch` frames at a time, and no more are held. A frame that is the one before again, as where a lower rate was resampled, is
    not looked at twice.
    """
    people: list[np.ndarray] = []
    waiting: list[np.ndarray] = []
    looked_at: list[int] = []  # of each frame: which of the different ones it is
    last: np.ndarray | None = None
    for picture in pictures:
        if last is None or not np.array_equal(last, picture):
            if len(waiting) == batch:
                people += _batch(detector, np.stack(waiting), score)
                waiting.clear()
            waiting.append(picture)
        last = picture
        looked_at.append(len(people) + len(waiting) - 1)
    people += _batch(detector, np.stack(waiting), score) if waiting else []
    return [people[position] for position in looked_at]


def _batch(detector: KeypointRCNN, pictures: np.ndarray, score: float) -> Iterator[np.ndarray]:
    """The same of a few frames: one transfer to the device, and one back."""
    import torch

    device = next(detector.parameters()).device
    with torch.inference_mode():
        images = torch.from_numpy(np.ascontiguousarray(pictures)).to(device).permute(0, 3, 1, 2).float() / 255
        detections = detector(list(images))
        scores = torch.cat([detection["scores"] for detection in detections]).cpu().numpy()
        points = torch.cat([detection["keypoints"][..., :2] for detection in detections]).float().cpu().numpy()
    ends = np.cumsum([len(detection["scores"]) for detection in detections])
    for first, last in zip([0, *ends], ends, strict=False):
        yield points[first:last][scores[first:last] >= score]


# --------------------------------------------------------------------------------------------------------------------
# From detections to bodies


def place(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pixels (P, 17, 2) in a picture of height x width -> joints (P, 17, 3) float32: x right, y up, z 0, from the picture's middle,
    in its heights."""
    joints = np.zeros((*points.shape[:2], 3), np.float32)
    joints[..., 0] = (points[..., 0] - width / 2) / height
    joints[..., 1] = (height / 2 - points[..., 1]) / height
    return joints


@dataclass
class _Followed:
    """Somebody seen: the last joints (17, 3), in which frame, and how far they went in a frame (3,)."""

    joints: np.ndarray
    frame: int
    speed: np.ndarray

    def expected(self, frame: int) -> np.ndarray:
        """Predict the joints in `frame`, if the body goes on as it does."""
        return np.asarray(self.joints + self.speed * (frame - self.frame))

    def see(self, joints: np.ndarray, frame: int) -> None:
        """Take over the new place of the body. The speed is the mean of the old speed and this step's, because keypoints jitter."""
        step = (joints - self.joints).mean(axis=0) / (frame - self.frame)
        self.joints, self.frame, self.speed = joints, frame, (self.speed + step) / 2

    @property
    def size(self) -> float:
        """The longer side of the body."""
        return float(np.ptp(self.joints, axis=0).max())


def link(people: Sequence[np.ndarray]) -> dict[int, dict[int, np.ndarray]]:
    """Follow people from frame to frame. [settled: the paper takes Kinect's bodies, which the sensor follows.]

    The distance between somebody followed and somebody seen is the mean over the joints, from where each is expected to where it
    is, in sizes of the body. Pairs are taken by rising distance, each body once, up to `NEAR`. Who is left over is new; who is
    not seen for more than `AWAY` frames is gone, and new when they return (data/bodies.py may join the two).

    Args:
        people: of each frame (P, 17, 3), by falling score.

    Returns:
        body -> frame -> joints (17, 3); bodies are numbered as they appear, those of a frame by falling score.
    """
    followed: dict[int, _Followed] = {}
    tracks: dict[int, dict[int, np.ndarray]] = {}
    for frame, seen in enumerate(people):
        near = {body: last for body, last in followed.items() if frame - last.frame <= AWAY + 1}
        pairs = dict(_pairs(near, seen, frame))
        for position, joints in enumerate(seen):
            body = pairs.get(position, len(tracks))
            if body in near:
                near[body].see(joints, frame)
            else:
                near[body] = _Followed(joints, frame, np.zeros(3, np.float32))
            tracks.setdefault(body, {})[frame] = joints
        followed = near
    return tracks


def _pairs(followed: dict[int, _Followed], seen: np.ndarray, frame: int) -> Iterator[tuple[int, int]]:
    """(position in `seen`, body) of those that are one, nearest first; of equally near ones the older body, the higher score."""
    if not followed or not len(seen):
        return
    numbers = list(followed)
    expected = np.stack([body.expected(frame) for body in followed.values()])
    sizes = np.array([body.size for body in followed.values()])
    distances = np.linalg.norm(expected[:, None] - seen[None], axis=-1).mean(axis=-1) / np.maximum(sizes, 1e-6)[:, None]
    taken: set[int] = set()
    given: set[int] = set()
    for flat in np.argsort(distances, axis=None, kind="stable"):
        row, position = divmod(int(flat), len(seen))
        if distances[row, position] > NEAR:
            return
        if row not in taken and position not in given:
            taken.add(row)
            given.add(position)
            yield position, numbers[row]


def without_people(path: Path) -> list[str]:
    """The ids in a shard of joints in whose videos nobody was found."""
    shard = Cache([path])
    nobody = [id for id in shard.ids if not shard.read(id, 0, shard.length(id)).any()]
    shard.close()
    return nobody
