"""Optical flow by one of several backends, and its 8-bit form."""

from __future__ import annotations

import difflib
import importlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from videossl.data.flow_levels import LEVELS, ZERO, quantise
from videossl.data.index import Row
from videossl.errors import InputError, is_out_of_memory
from videossl.extract import frames

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Flow:
    """Extracts (N - 1, H, W, 2) uint8 flow, quantised, of the frames at the size and rate at which the cache holds them.

    short_side, bound: pixels; fps: frames a second; backend: as `chosen` takes it; settings: of the backend.
    """

    short_side: int | None
    bound: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    backend: str = "tvl1"
    fps: float | None = None

    def __call__(self, row: Row, root: Path) -> np.ndarray:
        """The flow of one video."""
        self.shape(row)
        pictures = frames.decode(row, root, self.short_side, self.fps, self.grey)
        try:
            return self.of(pictures)
        except InputError as error:
            raise InputError(f"{row.id}: {error}") from error

    @property
    def grey(self) -> bool:
        """True where the backend takes pictures without colour."""
        return self.backend not in IN_COLOUR

    def of(self, pictures: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """The flow of decoded pictures, (N, H, W) grey or (N, H, W, 3) RGB."""
        pixels = compute(self.backend, self.settings, np.asarray(pictures))
        # Pair by pair: the arithmetic of a whole video at once would take several times its flow.
        return np.stack([quantise(flow, self.bound) for flow in pixels])

    def shape(self, row: Row) -> tuple[int, ...]:
        """(N - 1, H, W, 2), by the index; raises InputError where a video has no two frames."""
        steps, height, width = frames.steps(row, self.short_side)
        if steps < 2:
            raise InputError(f"{row.id} has {steps} frame, flow needs two; set index.min_frames to 2 or more")
        return steps - 1, height, width, 2

    def made_by(self) -> dict[str, Any]:
        """Name, versions and params, the defaults of the backend included, for the cache. The name is that of the backend that does the work."""
        name = chosen(self.backend)
        _, settings = BACKENDS[name](self.settings)
        params = {"short_side": self.short_side, "fps": self.fps, "bound": float(self.bound), **settings}
        return {"name": name, "version": _versions(name), "params": params}

    def attrs(self) -> dict[str, Any]:
        """The attributes that a reader needs to undo the quantisation. The rounding is one of them, because other tools truncate."""
        return {"bound": float(self.bound), "zero": ZERO, "levels": LEVELS, "rounding": "to the nearest, ties to even"}


def make(params: Mapping[str, Any]) -> Flow:
    """The extractor for a slice of params (modalities/flow.yaml); weights are looked for, and downloaded if need be."""
    settings = dict(params["flow"])
    if settings["backend"] == "raft":
        from videossl.extract import raft

        path, digest = raft.find_weights(settings["model"], settings["weights"])
        log.info("%s: SHA-256 %s", path, digest)
        settings |= {"weights": str(path), "digest": digest}
    return _with(settings, params)


def rehearsal(params: Mapping[str, Any]) -> Flow:
    """The same with an untrained network, if it takes one, which takes as long: for `videossl cost`."""
    return _with({key: value for key, value in params["flow"].items() if key != "weights"}, params)


def _with(settings: Mapping[str, Any], params: Mapping[str, Any]) -> Flow:
    own = {key: value for key, value in settings.items() if key not in ("bound", "backend")}
    return Flow(params["cache"]["short_side"], settings["bound"], own, settings["backend"], params["index"]["fps"])


def compute(backend: str, settings: Mapping[str, Any], pictures: np.ndarray) -> np.ndarray:
    """Flow between consecutive frames of a video.

    Args:
        backend: as `chosen` takes it.
        settings: of the backend; None or absent is its default.
        pictures: (N, H, W) uint8 grey frames, N at least 2; those of `IN_COLOUR` also take (N, H, W, 3) RGB.

    Returns:
        (N - 1, H, W, 2) float32, pixels a frame: what is at (x, y) in frame t is at (x + u, y + v) in frame t + 1.

    Raises:
        InputError: an unknown backend or setting, a value that it does not take, or an array of another shape.
    """
    if len(pictures) < 2 or pictures.ndim not in ((3, 4) if backend in IN_COLOUR else (3,)):
        raise InputError(f"flow needs at least two grey frames (N, H, W), not an array of shape {pictures.shape}")
    video_flow, _ = BACKENDS[chosen(backend)](settings)
    try:
        return video_flow(pictures)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise InputError("the GPU's memory is too small for flow; run fewer jobs at once (--cores 1)") from error
        raise


def chosen(backend: str) -> str:
    """The name in `BACKENDS` of what does the work of `backend`: `tvl1` is TV-L1 on torch; raises InputError for an unknown one."""
    if backend not in (*BACKENDS, "tvl1"):
        raise InputError(f"no flow backend {backend!r}; there are {', '.join(['tvl1', *BACKENDS])}")
    return "tvl1-torch" if backend == "tvl1" else backend


def _versions(name: str) -> str:
    """The versions of what makes the frames and their flow."""
    others = {"tvl1-torch": ("torch",), "raft": ("torch", "torchvision")}.get(name, ())
    return ", ".join([*(f"{module} {importlib.import_module(module).__version__}" for module in others), frames.versions()])


VideoFlow = Callable[[np.ndarray], np.ndarray]
"""(N, H, W) uint8 -> (N - 1, H, W, 2) float32, of a whole video, so that a backend may keep it on its device."""


TVL1 = {
    "tau": "Tau",
    "lambda": "Lambda",
    "theta": "Theta",
    "scales": "ScalesNumber",
    "scale_step": "ScaleStep",
    "warps": "WarpingsNumber",
    "epsilon": "Epsilon",
    "inner": "InnerIterations",
    "outer": "OuterIterations",
    "median": "MedianFiltering",
}
"""Setting -> the name in OpenCV's getters and setters."""


def tvl1_opencv(settings: Mapping[str, Any]) -> tuple[VideoFlow, dict[str, Any]]:
    """TV-L1 (Sanchez Perez, Meinhardt-Llopis, Facciolo, IPOL 2013) by OpenCV, on the CPU."""
    import cv2

    optflow: Any = getattr(cv2, "optflow", None)
    if optflow is None:
        raise InputError("this OpenCV has no TV-L1: install opencv-contrib-python-headless, and no other opencv package")
    _check_keys("tvl1", settings, list(TVL1))
    method = optflow.DualTVL1OpticalFlow_create()
    for name, value in settings.items():
        if value is not None:
            getattr(method, f"set{TVL1[name]}")(value)
    return _pairs(lambda now, following: method.calc(now, following, None)), {
        name: getattr(method, f"get{setting}")() for name, setting in TVL1.items()
    }


AT_ONCE = {"cpu": 16_384, "cuda": 6_000_000}
"""Pixels of the pairs that TV-L1 on torch takes at once: on the CPU what its cache holds, on a GPU what fills it, in a gigabyte."""


def tvl1_torch(settings: Mapping[str, Any]) -> tuple[VideoFlow, dict[str, Any]]:
    """The same on torch (`extract.tvl1`): on the GPU, or on one thread of the CPU, where it takes less than half of OpenCV's time."""
    import torch

    from videossl.extract import tvl1

    _check_keys("tvl1", settings, list(TVL1))
    whole = tvl1.DEFAULTS | {name: value for name, value in settings.items() if value is not None}

    def flow(grey: np.ndarray) -> np.ndarray:
        torch.set_num_threads(1)  # videos are extracted in parallel, pixels are not
        frames = torch.from_numpy(grey).to("cuda" if torch.cuda.is_available() else "cpu")
        moving = (frames[1:] != frames[:-1]).flatten(1).any(1).nonzero()[:, 0]  # as in `_pairs`
        result = np.zeros((len(grey) - 1, *grey.shape[1:], 2), np.float32)
        for pairs in torch.split(moving, max(1, AT_ONCE[frames.device.type] // grey[0].size)) if len(moving) else ():
            result[pairs.cpu()] = tvl1.flow(frames[pairs], frames[pairs + 1], whole).permute(0, 2, 3, 1).cpu()
        return result

    return flow, dict(whole)


DIS = {"ultrafast": "PRESET_ULTRAFAST", "fast": "PRESET_FAST", "medium": "PRESET_MEDIUM"}
"""Preset -> OpenCV's name."""

PATCH = 8
"""The side of a patch of DIS, in pixels, by these presets."""


def dis(settings: Mapping[str, Any]) -> tuple[VideoFlow, dict[str, Any]]:
    """Dense inverse search (Kroeger et al., ECCV 2016) by OpenCV, on the CPU: some 100 times faster than TV-L1, and rougher."""
    import cv2

    _check_keys("dis", settings, ["preset"])
    preset = settings.get("preset") or "medium"
    if preset not in DIS:
        raise InputError(f"dis has no preset {preset!r}; there are {', '.join(DIS)}")

    def calc(now: np.ndarray, following: np.ndarray) -> np.ndarray:
        # A new one for each pair: on small frames it changes its own scales, and the flow would depend on what came before.
        method: Any = cv2.DISOpticalFlow.create(getattr(cv2, f"DISOPTICAL_FLOW_{DIS[preset]}"))
        _check_scales(now.shape[0], now.shape[1], method.getFinestScale(), preset)
        return np.asarray(method.calc(now, following, None))

    return _pairs(calc), {"preset": preset}


def _check_scales(height: int, width: int, finest: int, preset: str) -> None:
    """Raise InputError where OpenCV's DIS would read beyond the frame, and end the process.

    On frames too small for its finest scale it takes the coarsest from the width alone, and a patch may be higher than the frame is there.
    """
    coarsest = min(int(math.log2(max(height, width) / (4 * PATCH)) + 0.5), int(math.log2(max(1, min(height, width) / PATCH))))
    by_width = max(0, math.floor(math.log2(max(1, 2 * width / (5 * PATCH)))))
    if coarsest < finest and height >= PATCH and height >> by_width < PATCH:
        raise InputError(
            f"no flow of {width}x{height} pixels by dis with preset {preset}: too low for their width; take flow.backend tvl1, or a larger cache.short_side"
        )


def raft(settings: Mapping[str, Any]) -> tuple[VideoFlow, dict[str, Any]]:
    """RAFT by torchvision (`extract.raft`). Its weights count by what is in them, wherever they lie; without any it is untrained."""
    from videossl.extract import raft as by_raft

    _check_keys("raft", settings, [*by_raft.DEFAULTS, "weights", "digest"])
    whole = by_raft.DEFAULTS | {name: value for name, value in settings.items() if value is not None}
    path, digest = whole.get("weights", ""), whole.get("digest", "")

    def flow(pictures: np.ndarray) -> np.ndarray:
        return by_raft.flow(pictures, by_raft.network(whole["model"], path, digest), whole["updates"])

    return flow, {name: whole[name] for name in by_raft.DEFAULTS} | {"weights": digest}


IN_COLOUR = ("raft",)
"""Backends that are given frames in colour."""

BACKENDS: dict[str, Callable[[Mapping[str, Any]], tuple[VideoFlow, dict[str, Any]]]] = {
    "tvl1-torch": tvl1_torch,
    "tvl1-opencv": tvl1_opencv,
    "dis": dis,
    "raft": raft,
}
"""Name -> settings -> (what computes the flow of a video, all settings with the defaults); unknown settings raise InputError."""


def _check_keys(backend: str, settings: Mapping[str, Any], keys: Sequence[str]) -> None:
    for name in settings:
        if name not in keys:
            near = difflib.get_close_matches(name, keys, n=1, cutoff=0.0)[0]
            raise InputError(f"{backend} has no setting {name!r}: did you mean {near!r}?")


def _pairs(calc: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> VideoFlow:
    """A video's flow by one of OpenCV's methods, which take a pair of frames."""
    import cv2

    cv2.setNumThreads(1)  # videos are extracted in parallel, pixels are not

    def flow(grey: np.ndarray) -> np.ndarray:
        result = np.empty((len(grey) - 1, *grey.shape[1:], 2), np.float32)
        try:
            for target, (now, following) in zip(result, pairwise(grey), strict=True):
                # Resampling repeats frames; their flow is zero in any case, and takes half the time of another pair.
                target[:] = 0 if np.array_equal(now, following) else calc(now, following)
        except cv2.error as error:
            raise InputError(f"no flow of {grey.shape[2]}x{grey.shape[1]} pixels by these settings: {error.err}") from error
        return result

    return flow
