"""Embedded videos have the features of the pipeline, whatever the table, and broken ones are named."""

from __future__ import annotations

import csv
import itertools
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from tests.use.conftest import Run, film

import videossl
from videossl.commands import embed as command
from videossl.data import video
from videossl.errors import InputError
from videossl.tasks import features
from videossl.use import tables


def expected(run: Run, stream: str) -> dict[str, np.ndarray]:
    """The features of the run by the path of the video below its folder, averaged over clips."""
    held = features.read(run.features(stream))
    return {id: clips.astype(np.float64).mean(axis=0) for id, clips in zip(held.ids, held.features, strict=True)}


def named(run: Run, path: str | Path) -> str:
    return str(Path(path).relative_to(run.folder / "data/raw/folder").with_suffix(""))


def call(*words: object) -> Result:
    return CliRunner().invoke(command.command, [str(word) for word in words])


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_the_features_are_those_of_the_pipeline(run: Run, stream: str) -> None:
    model, wanted = videossl.load(run.encoder(stream)), expected(run, stream)
    assert model.clips == 3 and len(wanted) == len(run.videos) == 8
    for path in run.videos:
        (row,) = model.embed(path)
        np.testing.assert_allclose(row.features, wanted[named(run, path)], rtol=0, atol=1e-6)
        assert row.start_s == 0 and row.end_s == pytest.approx(video.probe(path).frames / video.probe(path).fps, abs=1e-3)


def test_a_file_of_weights_is_enough(run: Run, tmp_path: Path) -> None:
    """Moved elsewhere, without params.yaml or caches: what it says of its own caches rebuilds the extractor."""
    moved = shutil.copy(run.weights("flow"), tmp_path / "moved.safetensors")
    model, own = videossl.load(moved, clips=3), videossl.load(run.encoder("flow"))
    assert model.reading.extract.made_by() == own.reading.extract.made_by() and model.reading.quality == own.reading.quality == 80
    assert model.digest == own.digest
    (row,), (other,) = model.embed(run.videos[0]), own.embed(run.videos[0])
    np.testing.assert_array_equal(row.features, other.features)


def test_a_call_on_clips_in_memory(run: Run) -> None:
    """Preprocessing and encoder apart, on pictures that the caller has, as the only clip of a short video."""
    model, path = videossl.load(run.encoder("rgb"), clips=1), run.videos[0]
    pictures = video.frames(path, 32, fps=30)
    start = (len(pictures) - 8) // 2
    clip = pictures[None, start : start + 8]
    views = model.preprocess(clip)
    assert views.shape == (1, *model.input_shape[1:]) and views.dtype == torch.float32
    (row,) = model.embed(path)
    np.testing.assert_allclose(model(clip)[0].numpy(), row.features, atol=0.05)  # but for JPEG
    assert not model.encoder.training and not any(parameter.requires_grad for parameter in model.encoder.parameters())


def test_a_long_video_in_windows(run: Run, tmp_path: Path) -> None:
    """Each window is as a video of its own would be: its frames are those of the whole, none is left out, and the last one is not short."""
    path = film(tmp_path / "long.avi", 220)
    windows = list(video.in_windows(path, 2.0, 1e9))
    assert [len(window.pictures) for window in windows] == [50, 50, 50, 70]
    np.testing.assert_array_equal(np.concatenate([window.pictures for window in windows]), video.frames(path))
    model = videossl.load(run.encoder("rgb"))
    rows = list(model.embed(path, window=2.0))
    assert [(row.start_s, row.end_s) for row in rows] == [(0, 2), (2, 4), (4, 6), (6, 8.8)]
    assert len({row.features.tobytes() for row in rows}) == 4


def test_windows_of_few_bytes(tmp_path: Path) -> None:
    path = film(tmp_path / "a.avi", 60)
    assert [len(window.pictures) for window in video.in_windows(path, 1e9, 20 * 64 * 48 * 3)] == [20, 20, 20]
    (whole,) = video.in_windows(path, 1e9, 41 * 64 * 48 * 3)
    assert len(whole.pictures) == 60 and (whole.start, whole.end) == (0, 2.4)


def test_the_tables_hold_the_same(run: Run, tmp_path: Path) -> None:
    names = ["a.csv", "a.h5", "a.parquet"]
    folder, wanted = run.folder / "data/raw/folder", expected(run, "rgb")
    for name in names:
        assert call(folder, "-e", run.encoder("rgb"), "-o", tmp_path / name).exit_code == 0
    with (tmp_path / "a.csv").open(newline="") as file:
        header, *lines = csv.reader(file)
    assert header[:5] == ["video", "start_s", "end_s", "f0", "f1"] and len(lines) == 8
    for name in names[1:]:
        table = tables.read(tmp_path / name)
        assert table.videos == [line[0] for line in lines] == list(map(str, run.videos))
        np.testing.assert_array_equal(table.features, np.array([line[3:] for line in lines], np.float32))
        np.testing.assert_array_equal(table.end_s, [float(line[2]) for line in lines])
        assert table.about["digest"] == videossl.load(run.encoder("rgb")).digest and table.about["clips"] == 3
        np.testing.assert_allclose(table.features, [wanted[named(run, path)] for path in table.videos], atol=1e-6)


def test_a_list_and_a_broken_video(run: Run, tmp_path: Path) -> None:
    """In a process of its own: the list on standard input, CSV on standard output, one line a broken video, status 1."""
    broken, cut = tmp_path / "broken.mp4", tmp_path / "cut.avi"
    broken.write_bytes(b"no video")
    cut.write_bytes(run.videos[0].read_bytes()[:100])
    listed = "\n".join(map(str, [run.videos[0], broken, cut, tmp_path / "none.avi", run.videos[1], run.videos[0]])) + "\n"
    code = "import sys; from videossl.commands.embed import command; command()"
    words = ["-", "-e", run.encoder("rgb"), "-o", "-"]
    done = subprocess.run([sys.executable, "-c", code, *words], input=listed, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert [line.split(",")[0] for line in done.stdout.splitlines()] == ["video", str(run.videos[0]), str(run.videos[1])]
    *errors, last = done.stderr.splitlines()
    assert [line.split(": ")[1] for line in errors] == [str(broken), str(cut), str(tmp_path / "none.avi")]
    assert all(line.startswith("error: ") and line.endswith("; left out") for line in errors) and last.startswith("2 of 5 videos")


def test_a_video_that_breaks_has_no_row(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even of the windows before it breaks."""
    long, decode = film(tmp_path / "long.avi", 250), video._decode

    def breaking(path: str, stream: Any) -> Iterator[Any]:
        for number, frame in enumerate(decode(path, stream)):
            if number == 200 and "long" in str(path):
                raise InputError(f"{path}: unreadable: after 200 frames")
            yield frame

    monkeypatch.setattr(video, "_decode", breaking)
    with pytest.raises(InputError, match="after 200 frames"):
        list(videossl.load(run.encoder("rgb")).embed(long, window=1.0))
    result = call(run.videos[0], long, run.videos[1], "-e", run.encoder("rgb"), "-o", tmp_path / "a.h5", "--window", 1)
    assert result.exit_code == 1 and tables.read(tmp_path / "a.h5").videos == [str(path) for path in run.videos[:2]]


def test_a_video_that_is_too_short(run: Run, tmp_path: Path) -> None:
    """Where nothing is left there is no table."""
    short = film(tmp_path / "short.avi", 4)
    out = tmp_path / "out.h5"
    result = call(short, tmp_path / "absent.avi", "-e", run.encoder("rgb"), "-o", out)
    assert result.exit_code == 1 and not out.exists() and "short: 5 steps" in result.stderr and "is not written" in result.stderr
    result = call(run.videos[0], short, "-e", run.encoder("rgb"), "-o", out)
    with h5py.File(out) as file:
        assert result.exit_code == 1 and list(file["videos"].asstr()[:]) == [str(run.videos[0])]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("{run}/mixup/rbg", "no stream 'rbg', did you mean 'rgb'?"),
        ("{run}/mixpu/rgb", "no experiment 'mixpu', did you mean 'mixup'?"),
        ("{run}/none.safetensors", "there is no such file"),
        ("{run}/params.yaml", "no weights that videossl wrote"),
        ("nowhere/mixup/rgb", "there is no nowhere/params.yaml"),
        ("torchvision:r3d", "did you mean"),
    ],
)
def test_a_name_that_stands_for_nothing(run: Run, name: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        videossl.load(name.format(run=run.folder))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_table_that_cannot_be_written_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(InputError, match=r"out.txt: a table of features is .parquet, .h5, .csv"):
        CliRunner().invoke(command.command, ["a.mp4", "-e", "nowhere", "-o", "out.txt"], catch_exceptions=False)


def test_real_odd_files(run: Run, real_clips: Path, tmp_path: Path) -> None:
    """Two folders of files that break readers: each has a row or a line, and what does not decode a line."""
    out = tmp_path / "odd.h5"
    result = call(real_clips / "odd" / "small", real_clips / "odd" / "torchcodec", "-e", run.encoder("rgb"), "-o", out)
    with (real_clips / "odd" / "probe.csv").open(newline="") as file:
        probed = {row["path"]: row for row in csv.DictReader(file) if row["path"].startswith(("small/", "torchcodec/"))}
    breaks = {name for name, row in probed.items() if row["decode_error"] or row["open_error"] or not int(row["decoded"] or 0)}
    embedded = {str(Path(name).relative_to(real_clips / "odd")) for name in tables.read(out).videos}
    lines = [line for line in result.stderr.splitlines() if line.endswith("; left out")]
    assert result.exit_code == 1 and breaks and not embedded & breaks
    assert len(embedded) + len(lines) == len(probed) and all(name in "".join(lines) for name in breaks)


def test_a_model_of_torchvision(run: Run, tmp_path: Path) -> None:
    """With weights from a file: the features before the classes, of frames that its own transform has made."""
    from torchvision.models import video as models

    torch.manual_seed(0)
    network = models.r3d_18()
    torch.save(network.state_dict(), tmp_path / "r3d.pth")
    path = run.videos[-1]
    (row,) = videossl.load(f"torchvision:r3d_18:{tmp_path / 'r3d.pth'}", clips=1).embed(path)
    pictures = torch.from_numpy(video.frames(path, fps=15)).permute(0, 3, 1, 2)
    start = (len(pictures) - 16) // 2
    views = models.R3D_18_Weights.KINETICS400_V1.transforms()(pictures[start : start + 16])[None]
    maps: list[torch.Tensor] = []
    network.avgpool.register_forward_hook(lambda *given: maps.append(given[2]))
    with torch.no_grad():
        network.eval()(views)
    np.testing.assert_allclose(row.features, maps[0].flatten().numpy(), atol=1e-5)


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, videossl, videossl.commands.embed; assert not {'torch', 'cv2', 'av', 'h5py'} & set(sys.modules); videossl.none"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "has no attribute 'none'" in done.stderr


def test_the_first_row_comes_before_the_video_ends(run: Run, tmp_path: Path) -> None:
    path = film(tmp_path / "long.avi", 400)
    rows = videossl.load(run.encoder("rgb")).embed(path, window=1.0)
    assert [row.start_s for row in itertools.islice(rows, 2)] == [0, 1]
