"""The format of MSR Action3D: a file by hand, what is wrong named by line, and the real files: whose bones and which arm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from videossl.data import msr_skeleton, ntu_skeleton, skeleton_files
from videossl.errors import InputError
from videossl.skeleton_graphs import GRAPHS


def lines(*shifts: float | None) -> list[str]:
    """Frames of a body, each a place to stand; None: it is lost."""
    return [f"{s + j} {2 * j} {-j} 0.5" if s is not None else "0 0 0 0" for s in shifts for j in range(20)]


def save(path: Path, rows: list[str], end: str = "\n") -> Path:
    path.write_bytes((end.join(rows) + end).encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_by_hand(tmp_path: Path, end: str) -> None:
    joints = skeleton_files.parse(save(tmp_path / "a01_s01_e01_skeleton3D.txt", lines(1, None, 3), end))
    assert joints.shape == (3, 20, 3, 2) and joints.dtype == np.float32
    assert joints[0, 4, :, 0].tolist() == [5, 8, -4] and joints[2, 19, :, 0].tolist() == [22, 38, -19]
    assert not joints[1].any() and not joints[..., 1].any()


def test_numbers_are_read_to_the_last_digit(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((4, 20, 3)).astype(np.float32)
    rows = [f"{x:.9g} {y:.9g} {z:.9g} 1" for x, y, z in values.reshape(-1, 3).tolist()]
    assert np.array_equal(msr_skeleton.parse(save(tmp_path / "a", rows))[..., 0], values)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], ":1: 0 lines, which are not 20 a frame"),
        (lines(1)[:19], ":19: 19 lines, which are not 20 a frame"),
        ([*lines(1)[:19], "1 2 3"], ":20: a joint is due (4 values), not 3 values"),
        ([*lines(1), "1 2 x 0.5", *lines(1)[1:]], ":21: a joint is not 4 numbers: 1 2 x 0.5"),
        (["nan 0 1 1", *lines(1)[1:]], ":1: a position is not finite, or too large: nan 0 1 1"),
        (["1 2e6 1 1", *lines(1)[1:]], ":1: a position is not finite, or too large: 1 2e6 1 1"),
        (lines(None, None), ":40: no body in any of the 2 frames, but joints that are all 0"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(tmp_path: Path, rows: list[str], said: str) -> None:
    path = save(tmp_path / "a01_s01_e01_skeleton3D.txt", rows)
    with pytest.raises(InputError) as caught:
        msr_skeleton.parse(path)
    assert str(caught.value) == f"{path}{said}"


def test_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\xfe\x00")
    for name, said in (("a", "not text"), ("b", "No such file")):
        with pytest.raises(InputError, match=f"cannot be read: {said}"):
            msr_skeleton.parse(tmp_path / name)


def test_the_end_of_a_name_says_the_format(tmp_path: Path) -> None:
    ntu_skeleton.write(tmp_path / "a.skeleton", np.ones((2, 25, 3, 1), np.float32))
    save(tmp_path / "A01_S01_E01_SKELETON3D.TXT", lines(1))
    assert [skeleton_files.parse(path).shape[1] for path in sorted(tmp_path.iterdir())] == [20, 25]
    assert [skeleton_files.format_of(joints) for joints in (20, 25)] == ["msr-skeleton", "ntu-skeleton"]
    assert len({len(module.JOINTS) for module in skeleton_files.FORMATS.values()}) == len(skeleton_files.FORMATS)


def named(*joints: str) -> list[int]:
    return [msr_skeleton.JOINTS.index(joint) for joint in joints]


@pytest.fixture(scope="module")
def real(real_clips: Path) -> dict[str, np.ndarray]:
    """One sequence of each person and action that is there, (N, 20, 3) of the frames with a body, by "a01_s01"."""
    paths = sorted((real_clips / "skeletons").rglob("a*_e02_skeleton3D.txt"))
    if not paths:
        pytest.skip("the real skeletons (../shared/real/skeletons) are not here")
    chosen = [path for path in paths if path.name[4:7] in ("s01", "s05") or path.name[:3] == "a01"]
    bodies = {path.name[:7]: msr_skeleton.parse(path)[..., 0] for path in chosen}
    return {name: body[body.any(axis=(1, 2))] for name, body in bodies.items()}


def test_bones_of_the_graph_keep_their_length_in_the_real_files(real: dict[str, np.ndarray]) -> None:
    """Among all 190 pairs of joints, the steadiest that join the limbs and the trunk are the graph's bones."""
    spread, length = np.zeros((20, 20)), np.zeros((20, 20))
    for body in real.values():
        between = np.linalg.norm(body[:, :, None] - body[:, None], axis=-1)
        spread, length = spread + between.std(axis=0) / len(real), length + between.mean(axis=0) / len(real)
    weight, reached, tree = spread * length, {2}, set()
    while len(reached) < 20:  # the smallest spanning tree, from ShoulderCentre
        _, a, b = min((weight[a, b], a, b) for a in reached for b in range(20) if b not in reached)
        reached.add(b)
        tree.add(frozenset((a + 1, b + 1)))
    bones = {frozenset(edge) for edge in GRAPHS["msr-action3d"].edges}
    rigid = set(named("ShoulderLeft", "ShoulderRight", "ShoulderCentre", "Spine"))  # these four move as one: any tree of them is as steady
    within = [{edge for edge in edges if {joint - 1 for joint in edge} <= rigid} for edges in (tree, bones)]
    assert tree - within[0] == bones - within[1] and len(within[0]) == len(within[1]) == 3


def test_it_is_the_right_arm_that_waves_in_the_real_files(real: dict[str, np.ndarray]) -> None:
    """The persons face the sensor, whose x grows to its left: their right side is at the larger x. The sensor errs on some of the nine."""
    waves = [body for name, body in real.items() if name.startswith("a01")]
    agree = []
    for body in waves:
        left, right = (body[:, named(f"Elbow{side}", f"Wrist{side}", f"Hand{side}")].std(axis=0).sum() for side in ("Left", "Right"))
        x, y, z = (body[..., axis].mean(axis=0) for axis in range(3))
        sides = np.array([x[named(f"{part}Right")] - x[named(f"{part}Left")] for part in ("Shoulder", "Hip", "Knee", "Foot")])
        upright = np.diff(y[named("Head", "Spine", "HipCentre", "KneeLeft", "FootLeft")]) < 0
        facing = z[named("FootLeft", "FootRight")] < z[named("AnkleLeft", "AnkleRight")]
        agree.append((right > 2 * left, (sides > 0).all(), upright.all(), facing.all()))
    assert len(waves) == 9 and (np.sum(agree, axis=0) >= 7).all()
