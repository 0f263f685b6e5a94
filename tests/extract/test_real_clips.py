"""Caches of the real UCF101 and HMDB51 clips against a decoding of their own: PyAV and OpenCV, nothing of the project's."""

from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from videossl.data import cache, make_index
from videossl.data.cache import Cache
from videossl.data.index import Row
from videossl.data.listing import Video
from videossl.extract import flow, shard
from videossl.extract.flow import Flow
from videossl.extract.frames import Frames

FRAMES = {
    "hmdb51/videos/wave/RATRACE_wave_f_nm_np1_fr_goo_37.avi": 72,
    "hmdb51/videos/wave/SchoolRulesHowTheyHelpUs_wave_f_nm_np1_ba_med_0.avi": 74,
    "ucf101/UCF-101/SoccerJuggling/v_SoccerJuggling_g23_c01.avi": 240,
    "ucf101/UCF-101/SoccerJuggling/v_SoccerJuggling_g24_c01.avi": 251,
}
SIDE, BOUND = 128, 20.0
QUALITY = 90
LOST = {"rgb": (3.0, 64), "flow": (0.11, 19)}
"""Levels that JPEG of quality 90 loses, mean and most, of the worst of the four; docs/data-contract.md states them."""
TVL1 = {"warps": 1, "inner": 2, "outer": 2, "scales": 2}


@pytest.fixture(scope="module")
def rows(real_clips: Path) -> list[Row]:
    return make_index.build([Video(path, path, "wave", "train", path) for path in FRAMES], real_clips)


def decode(path: Path, grey: bool, short_side: int = SIDE) -> list[np.ndarray]:
    with av.open(str(path), metadata_errors="ignore") as container:
        whole = [frame.to_ndarray(format="gray" if grey else "bgr24") for frame in container.decode(video=0)]
    height, width = whole[0].shape[:2]
    size = round(width * short_side / min(height, width)), round(height * short_side / min(height, width))
    small = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in whole]
    return small if grey else [frame[..., ::-1] for frame in small]


def levels(now: np.ndarray, following: np.ndarray, method: cv2.DenseOpticalFlow) -> np.ndarray:
    """Flow as the documents say it is kept, in whole-number steps of bound / 127 about 128."""
    share = np.clip(method.calc(now, following, None).astype(np.float64) / BOUND, -1, 1)
    return np.uint8(np.round(share * 127) + 128)


def build(tmp_path: Path, modality: str, rows: list[Row], root: Path, extract: shard.Extractor, quality: int | None) -> Cache:
    path = tmp_path / f"{modality}{quality}.h5"
    shard.build(path, modality, "real", rows, root, extract, processes=2, quality=quality)
    cache.verify(path)
    assert path.stat().st_size <= shard.estimate(rows, modality, extract, quality)
    return Cache([path])


def test_the_index_counts_what_decodes(rows: list[Row]) -> None:
    assert {row.path: (row.frames, row.steps) for row in rows} == {path: (count, count) for path, count in FRAMES.items()}


def test_rgb(tmp_path: Path, rows: list[Row], real_clips: Path) -> None:
    raw, lossy = (build(tmp_path, "rgb", rows, real_clips, Frames(SIDE), quality) for quality in (None, QUALITY))
    for row in rows:
        fresh = np.stack(decode(real_clips / row.path, grey=False))
        count = FRAMES[row.path]
        assert raw.shape(row.id) == lossy.shape(row.id) == fresh.shape and len(fresh) == count
        for start, stop, step in ((0, count, 1), (0, 63, 2), (count - 16, count, 1), (count - 1, count, 1), (5, 70, 13)):
            np.testing.assert_array_equal(raw.read(row.id, start, stop, step), fresh[start:stop:step])
            check_lost("rgb", lossy.read(row.id, start, stop, step), fresh[start:stop:step], whole=stop - start == count)


def test_dis(tmp_path: Path, rows: list[Row], real_clips: Path) -> None:
    extract = Flow(SIDE, BOUND, {"preset": "fast"}, "dis")
    raw, lossy = (build(tmp_path, "flow", rows, real_clips, extract, quality) for quality in (None, QUALITY))
    for row in rows:
        grey = decode(real_clips / row.path, grey=True)
        fresh = np.stack([levels(*pair, cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)) for pair in pairwise(grey)])
        count = FRAMES[row.path] - 1
        assert raw.shape(row.id) == lossy.shape(row.id) == fresh.shape and len(fresh) == count
        np.testing.assert_array_equal(raw.read(row.id, 0, count), fresh)
        check_lost("flow", lossy.read(row.id, 0, count), fresh, whole=True)
        np.testing.assert_array_equal(lossy.read(row.id, 3, 40, 4), lossy.read(row.id, 0, count)[3:40:4])


def test_tvl1(tmp_path: Path, rows: list[Row], real_clips: Path) -> None:
    read = build(tmp_path, "flow", rows[:2], real_clips, Flow(48, BOUND, TVL1, "tvl1-opencv"), None)
    method = cv2.optflow.DualTVL1OpticalFlow_create(warps=1, innnerIterations=2, outerIterations=2, nscales=2)
    for row in rows[:2]:
        fresh = [levels(*pair, method) for pair in pairwise(decode(real_clips / row.path, True, 48))]
        np.testing.assert_array_equal(read.read(row.id, 0, len(fresh)), fresh)


@pytest.mark.parametrize("settings", [{}, {"warps": 2, "inner": 10, "outer": 5, "scales": 3}], ids=["defaults", "fast"])
def test_tvl1_on_torch_is_opencvs(real_clips: Path, settings: dict[str, int]) -> None:
    """The distances between the two over all pixels of some pairs of each clip; docs/data-contract.md has those of more pairs."""
    pairs = [np.stack(decode(real_clips / path, True)[50:52]) for path in FRAMES]
    apart = [flow.compute("tvl1-torch", settings, pair) - flow.compute("tvl1-opencv", settings, pair) for pair in pairs]
    distances = np.concatenate([np.linalg.norm(one, axis=-1).ravel() for one in apart])
    assert distances.mean() < 0.02 and np.percentile(distances, 99) < 0.2


def check_lost(modality: str, values: np.ndarray, fresh: np.ndarray, whole: bool) -> None:
    lost = np.abs(values.astype(int) - fresh)
    mean, most = LOST[modality]
    assert 0 < lost.max() <= most
    if whole:
        assert lost.mean() <= mean
