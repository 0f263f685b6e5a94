"""NTU RGB+D, both editions: names, the two official splits, the list of missing skeletons, videos or skeletons or both."""

from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from videossl.data import make_index, ntu_skeleton
from videossl.datasets import ntu60, ntu120, ntu_rgbd
from videossl.datasets.ntu_rgbd import Sample
from videossl.errors import InputError

MISSING = """\
302 of the captured samples in the "NTU RGB+D" dataset have missing or incomplete skeleton data.
If you are working on skeleton-based analysis, please ignore these files in your training and testing procedures.

"""


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def rgb(*names: str) -> list[str]:
    return [f"nturgb+d_rgb/{name}_rgb.avi" for name in names]


def skeletons(*names: str) -> list[str]:
    return [f"nturgb+d_skeletons/{name}.skeleton" for name in names]


def missing(root: Path, text: str = MISSING + "S001C002P005R002A008\n", name: str = ntu60.EDITION.missing) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(text.encode())
    return root


def test_a_sample_has_its_video_its_skeleton_and_the_performance_as_its_group(tmp_path: Path) -> None:
    name = "S017C002P008R002A060"
    (video,) = ntu60.videos(missing(touch(tmp_path, *rgb(name), *skeletons(name))), 1, {})
    assert (video.id, video.path, video.skeleton) == (name, rgb(name)[0], skeletons(name)[0])
    assert (video.label, video.split, video.group, video.excluded) == ("A060", "train", "S017P008R002A060", "")


def test_three_cameras_see_one_performance(tmp_path: Path) -> None:
    touch(tmp_path, *rgb("S001C001P001R001A001", "S001C002P001R001A001", "S001C003P001R001A001", "S001C001P001R002A001"))
    assert Counter(video.group for video in ntu60.videos(tmp_path, 1, {})) == {"S001P001R001A001": 3, "S001P001R002A001": 1}


@pytest.mark.parametrize(
    ("module", "split", "train", "test"),
    [
        (ntu60, 1, "S001C001P001R001A001", "S001C001P003R001A001"),  # performers
        (ntu60, 2, "S001C002P003R001A001", "S001C001P001R001A001"),  # cameras 2 and 3 are for training
        (ntu120, 1, "S018C001P103R001A061", "S018C001P104R001A061"),
        (ntu120, 2, "S018C001P003R001A061", "S019C001P001R001A061"),  # even setups are for training
    ],
)
def test_splits(tmp_path: Path, module: ModuleType, split: int, train: str, test: str) -> None:
    touch(tmp_path, *rgb(train, test))
    sides = {video.id: video.split for video in module.videos(tmp_path, split, {})}
    assert sides == {train: "train", test: "test"}
    with pytest.raises(InputError, match="no split 3"):
        module.videos(tmp_path, 3, {})


def test_official_numbers_follow_from_performers_setups_and_cameras() -> None:
    """A performer in a setup is 60 actions twice before three cameras. The performers of each setup, 1 to 32, are counted in a public listing of
    the archives nturgbd_rgb_s001.zip to s032 by action."""
    performers = [8, 9, 9, 4, 8, 10, 12, 14, 7, 10, 13, 11, 11, 9, 8, 7, 8, 6, 9, 7, 6, 7, 14, 7, 7, 14, 15, 9, 15, 18, 16, 10]
    sample = 60 * 2 * 3
    assert sample * sum(performers[:17]) == 56880 == sum(ntu60.SPLITS[1]) == sum(ntu60.SPLITS[2])
    assert sample * sum(performers) == 114480 == sum(ntu120.SPLITS[1]) == sum(ntu120.SPLITS[2])
    assert ntu60.SPLITS[2] == (56880 * 2 // 3, 56880 // 3)
    assert ntu120.SPLITS[2] == (sample * sum(performers[1::2]), sample * sum(performers[::2]))
    assert len(ntu60.SUBJECTS) == 20 and len(ntu120.SUBJECTS) == 53 and max(ntu120.SUBJECTS) <= 106  # half of 40 and of 106
    assert {number % sample for split in (1, 2) for number in ntu120.SPLITS[split]} == {0}


PERFORMERS = {
    1: [1, 2, 3, 4, 5, 6, 7, 8],
    2: [3, 7, 8, 9, 10, 11, 12, 13, 14],
    3: [1, 2, 7, 8, 15, 16, 17, 18, 19],
    4: [3, 7, 8, 20],
    5: [4, 10, 13, 15, 16, 17, 18, 21],
    6: [1, 7, 8, 15, 16, 17, 19, 22, 23, 24],
    7: [1, 7, 8, 15, 16, 17, 18, 19, 25, 26, 27, 28],
    8: [1, 7, 8, 15, 19, 25, 29, 30, 31, 32, 33, 34, 35, 36],
    9: [7, 8, 15, 16, 17, 19, 25],
    10: [7, 8, 13, 15, 16, 17, 18, 19, 21, 25],
    11: [1, 2, 7, 8, 15, 16, 17, 18, 19, 25, 27, 28, 38],
    12: [7, 8, 15, 16, 17, 18, 19, 25, 27, 28, 37],
    13: [7, 8, 15, 16, 17, 18, 19, 25, 27, 28, 37],
    14: [7, 8, 15, 17, 19, 25, 27, 37, 39],
    15: [7, 8, 15, 16, 17, 19, 25, 37],
    16: [7, 8, 19, 21, 25, 39, 40],
    17: [3, 7, 8, 9, 15, 16, 17, 20],
}
"""Who was filmed in which setup of NTU RGB+D. Compared with a public listing of the performers of the 56,578 samples that the official list of
missing skeletons leaves (data/ntu/statistics/performer.txt of github.com/Uason-Chen/CTR-GCN): its length to the byte, and setups 13 to 15."""


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """All of NTU RGB+D, by their names."""
    names = (
        str(Sample(setup, camera, performer, replication, action))
        for setup, performers in PERFORMERS.items()
        for camera in (1, 2, 3)
        for performer in performers
        for replication in (1, 2)
        for action in range(1, 61)
    )
    return [sample for name in names if (sample := Sample.named(name))]


def sides(samples: list[Sample], split: int) -> tuple[int, int]:
    """(training, test) samples."""
    train = sum(map(ntu60.EDITION.training[split], samples))
    return train, len(samples) - train


def test_official_numbers_recomputed_from_all_names(samples: list[Sample]) -> None:
    assert len(set(samples)) == 56880
    assert {sample.performer for sample in samples} == set(range(1, 41))
    assert sides(samples, 1) == (40320, 16560) == ntu60.SPLITS[1]
    assert sides(samples, 2) == (37920, 18960) == ntu60.SPLITS[2]


def test_what_the_official_list_leaves_of_all_names(samples: list[Sample], real_clips: Path) -> None:
    """The numbers that papers on skeletons print: 40,091 and 16,487, 37,646 and 18,932."""
    listed = ntu_rgbd._missing(ntu60.EDITION, real_clips / "splits/ntu", {})
    missing = {sample for name in listed if (sample := Sample.named(name))}
    assert len(missing) == 302 and missing <= set(samples)
    left = [sample for sample in samples if sample not in missing]
    assert len(left) == 56578
    assert sides(left, 1) == (40091, 16487)
    assert sides(left, 2) == (37646, 18932)


@pytest.mark.parametrize(
    ("module", "count", "left"), [(ntu60, 302, ((40091, 16487), (37646, 18932))), (ntu120, 535, ((63026, 50919), (54468, 59477)))]
)
def test_the_official_lists_of_missing_skeletons(
    real_clips: Path, tmp_path: Path, module: ModuleType, count: int, left: tuple[tuple[int, int], ...]
) -> None:
    """All their samples, and what they leave of each split."""
    path = real_clips / "splits/ntu" / module.EDITION.missing
    names = [line.strip() for line in path.read_text().splitlines()[3:]]
    assert len(names) == count
    touch(tmp_path, *skeletons(*names, "S001C001P001R001A001"))
    splits = [module.videos(tmp_path, split, {"missing": str(path)}) for split in (1, 2)]
    for videos in splits:
        assert {video.id for video in videos if video.excluded} == set(names)
        reasons = {video.id: video.excluded for video in videos}
        assert (
            reasons[names[0]] == f"skeleton: {path.name}:4 names it" and reasons[names[-1]] == f"skeleton: {path.name}:{count + 3} names it"
        )
    for split, videos in enumerate(splits, start=1):
        gone = Counter(video.split for video in videos if video.excluded)
        train, test = module.SPLITS[split]
        assert (train - gone["train"], test - gone["test"]) == left[split - 1]


def test_windows_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    touch(tmp_path, *skeletons("S001C002P005R002A008", "S001C001P001R001A001"))
    missing(tmp_path, ("\ufeff" + MISSING + "S001C002P005R002A008\n\n").replace("\n", "\r\n"))
    reasons = [video.excluded for video in ntu60.videos(tmp_path, 1, {})]
    assert reasons == ["", "skeleton: NTU_RGBD_samples_with_missing_skeletons.txt:4 names it"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MISSING + "S001C002P005R002A008\nS1C2\n", r"skeletons\.txt:5: 'S1C2' is not named"),
        (MISSING + "S001C002P005R002A008\nS001C002P005R002A008\n", r"skeletons\.txt:5: S001C002P005R002A008 is in the list twice"),
        (MISSING, "no sample in it"),
    ],
)
def test_a_bad_list_of_missing_skeletons(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ntu60.videos(missing(touch(tmp_path, *skeletons("S001C001P001R001A001")), text), 1, {})


def test_without_the_list_incomplete_skeletons_do_not_get_in_unnoticed(tmp_path: Path) -> None:
    touch(tmp_path, *rgb("S001C002P005R002A008"), *skeletons("S001C002P005R002A008"))
    with pytest.raises(
        InputError, match=r"NTU_RGBD_samples.*no such file.*get .* from github\.com/shahroudy/NTURGB-D.*or to none"
    ) as caught:
        ntu60.videos(tmp_path, 1, {})
    assert "\n" not in str(caught.value)
    assert [video.excluded for video in ntu60.videos(tmp_path, 1, {"missing": "none"})] == [""]
    (tmp_path / "lists").mkdir()
    missing(tmp_path / "lists", name="mine.txt")
    (video,) = ntu60.videos(tmp_path, 1, {"missing": "lists/mine.txt"})
    assert video.excluded == "skeleton: mine.txt:4 names it"
    with pytest.raises(InputError, match="no option 'mising': did you mean 'missing'"):
        ntu60.videos(tmp_path, 1, {"mising": "none"})


def test_videos_alone_need_no_list_and_leave_nothing_out(tmp_path: Path) -> None:
    (video,) = ntu60.videos(touch(tmp_path, *rgb("S001C002P005R002A008")), 1, {})
    assert (video.path, video.skeleton, video.excluded) == (rgb("S001C002P005R002A008")[0], "", "")


def test_skeletons_alone(tmp_path: Path) -> None:
    (video,) = ntu60.videos(missing(touch(tmp_path, *skeletons("S001C001P001R001A001"))), 1, {})
    assert (video.path, video.skeleton) == ("", skeletons("S001C001P001R001A001")[0])


def test_half_a_sample_keeps_the_place_of_the_other_half(tmp_path: Path) -> None:
    first, second = "S001C001P001R001A001", "S001C001P001R001A002"
    videos = ntu60.videos(missing(touch(tmp_path, *rgb(first), *skeletons(second))), 1, {})
    assert [(video.path, video.skeleton) for video in videos] == [(rgb(name)[0], skeletons(name)[0]) for name in (first, second)]


def test_a_copy_of_the_larger_edition_serves_for_the_smaller(tmp_path: Path) -> None:
    touch(tmp_path, *rgb("S001C001P001R001A001", "S018C001P106R001A120"), "nturgb+d_rgb/s019/S019C001P001R001A061_rgb.MP4")
    assert [video.id for video in ntu60.videos(tmp_path, 1, {})] == ["S001C001P001R001A001"]
    assert ntu60.unused(tmp_path, 1, {}) == {rgb("S018C001P106R001A120")[0], "nturgb+d_rgb/s019/S019C001P001R001A061_rgb.MP4"}
    assert [video.id for video in ntu120.videos(tmp_path, 1, {})] == [
        "S001C001P001R001A001",
        "S018C001P106R001A120",
        "S019C001P001R001A061",
    ]


def test_the_second_folder_of_skeletons(tmp_path: Path) -> None:
    touch(tmp_path, *skeletons("S001C001P001R001A001"), "nturgb+d_skeletons120/S018C001P001R001A061.skeleton")
    missing(tmp_path, name=ntu120.EDITION.missing)
    assert [video.skeleton for video in ntu120.videos(tmp_path, 1, {})] == [
        "nturgb+d_skeletons/S001C001P001R001A001.skeleton",
        "nturgb+d_skeletons120/S018C001P001R001A061.skeleton",
    ]
    touch(tmp_path, *skeletons("S018C001P001R001A061"))
    with pytest.raises(InputError, match="are one sample"):
        ntu120.videos(tmp_path, 1, {})


@pytest.mark.parametrize(
    "strange",
    [
        "nturgb+d_rgb/S001C001P001R001A001.avi",
        "nturgb+d_rgb/holiday.avi",
        "nturgb+d_rgb/S001C004P001R001A001_rgb.avi",
        "nturgb+d_rgb/S001C001P000R001A001_rgb.avi",
        "nturgb+d_rgb/S001C001P041R001A001_rgb.avi",
        "nturgb+d_rgb/S001C001P001R003A001_rgb.avi",
        "nturgb+d_rgb/S001C001P001R001A061_rgb.avi",
        "nturgb+d_skeletons/S001C001P001R001A001_rgb.skeleton",
    ],
)
def test_files_that_are_no_samples_are_named_and_counted(tmp_path: Path, strange: str) -> None:
    touch(tmp_path, *rgb("S001C001P001R001A001", "S001C001P001R001A002"), strange)
    with pytest.raises(InputError, match="is not named as a sample of ntu60: SsssCcccPpppRrrrAaaa") as caught:
        ntu60.videos(tmp_path, 1, {"missing": "none"})
    assert strange in str(caught.value) and "more" not in str(caught.value)
    other = Path(strange)
    touch(tmp_path, str(other.with_name(f"zz{other.name}")))
    with pytest.raises(InputError, match=r"\(and 1 more\) is not named"):
        ntu60.videos(tmp_path, 1, {"missing": "none"})


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither nturgb\+d_rgb/ nor nturgb\+d_skeletons/ in it; unpack"):
        ntu60.check(tmp_path)
    (tmp_path / "nturgb+d_rgb").mkdir()
    ntu60.check(tmp_path)
    with pytest.raises(InputError, match="no sample of the setups 1 to 17"):
        ntu60.videos(tmp_path, 1, {})


def test_the_index_of_skeletons_alone(tmp_path: Path) -> None:
    """One is well, one is left out by the official list, one is cut short: each has its row."""
    names = ["S001C001P001R001A001", "S001C001P001R001A002", "S001C001P003R001A001"]
    for name, path in zip(names, skeletons(*names), strict=True):
        ntu_skeleton.write(tmp_path / path, np.ones((20, 25, 3, 1), np.float32))
        if name == names[2]:
            (tmp_path / path).write_text("20\n1\n")
    missing(tmp_path, MISSING + names[1] + "\n")
    rows = make_index.build(ntu60.videos(tmp_path, 1, {}), tmp_path, min_frames=16)
    assert [(row.id, row.path, row.steps, row.group, row.status) for row in rows] == [
        (names[0], "", 20, "S001P001R001A001", "ok"),
        (names[1], "", 0, "S001P001R001A002", "dropped"),
        (names[2], "", 0, "S001P003R001A001", "dropped"),
    ]
    assert rows[1].reason == "skeleton: NTU_RGBD_samples_with_missing_skeletons.txt:4 names it"
    assert rows[2].reason.startswith(f"skeleton: {skeletons(names[2])[0]}:2: ")


def test_names() -> None:
    assert Sample.named("S032C003P106R002A120") == Sample(32, 3, 106, 2, 120)
    for name in (
        "",
        "S032C003P106R002A12",
        "s032C003P106R002A120",
        "S032C003P106R002A120x",
        "S000C003P106R002A120",
        "S032C003P106R002A0120",
    ):
        assert Sample.named(name) is None
    assert ntu_rgbd.FOLDERS == ("nturgb+d_rgb", "nturgb+d_skeletons", "nturgb+d_skeletons120")
