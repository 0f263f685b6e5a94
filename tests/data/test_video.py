"""Decoding: real files, whole and broken; when and which way up frames are shown."""

import re
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import made

from videossl.data import video
from videossl.data.toy.render import write_video
from videossl.data.video import Probe
from videossl.errors import InputError


def blocks(count: int = 12, height: int = 48, width: int = 64) -> np.ndarray:
    """Frames of coloured 8 x 8 blocks that move by a pixel a frame: (count, height, width, 3) uint8."""
    colours = np.random.default_rng(0).integers(0, 255, (height // 8, width // 8, 3))
    still = np.kron(colours, np.ones((8, 8, 1))).astype(np.uint8)
    return np.stack([np.roll(still, shift, axis=1) for shift in range(count)])


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    write_video(tmp_path / "clip.avi", blocks())
    return tmp_path / "clip.avi"


# Pixels.


def test_frames_are_what_was_written(clip: Path) -> None:
    frames = video.frames(clip)
    assert frames.shape == (12, 48, 64, 3) and frames.dtype == np.uint8
    error = np.abs(frames.astype(int) - blocks())
    assert error.max() <= 12 and error.mean() < 2  # Motion-JPEG; swapped colours or frames would be off by tens


def test_grey_is_the_luminance(clip: Path) -> None:
    grey = video.frames(clip, grey=True)
    assert grey.shape == (12, 48, 64)
    luminance = blocks() @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey - luminance).mean() < 2


def test_short_side_keeps_the_aspect_and_averages_areas(clip: Path) -> None:
    frames = video.frames(clip, short_side=24)
    assert frames.shape == (12, 24, 32, 3)
    whole = video.frames(clip).astype(float)
    averaged = whole.reshape(12, 24, 2, 32, 2, 3).mean(axis=(2, 4))
    assert np.abs(frames - averaged).max() <= 1


@pytest.mark.parametrize(
    ("width", "height", "short", "size"),
    [
        (320, 240, 128, (171, 128)),
        (240, 320, 128, (128, 171)),
        (64, 64, 64, (64, 64)),
        (560, 240, None, (560, 240)),
    ],
)
def test_target_size(width: int, height: int, short: int | None, size: tuple[int, int]) -> None:
    assert video.target_size(width, height, short) == size


def test_a_size_that_changes_midway_is_that_of_the_first_frame(tmp_path: Path) -> None:
    small, large = tmp_path / "small.mpg", tmp_path / "large.mpg"
    record(small, blocks(5), range(5), 25, codec="mpeg2video")
    record(large, blocks(5, 96, 128), range(5), 25, codec="mpeg2video")
    both = tmp_path / "both.mpg"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with av.open(str(both)) as container:
        assert {(frame.width, frame.height) for frame in container.decode(video=0)} == {(64, 48), (128, 96)}
    assert video.frames(both).shape[1:] == (48, 64, 3)
    assert (video.probe(both).width, video.probe(both).height) == (64, 48)


@pytest.mark.parametrize("short_side", [None, 24])
@pytest.mark.parametrize("fps", [None, 7, 30, 71])
def test_one_by_one_they_are_the_same_frames(tmp_path: Path, clip: Path, short_side: int | None, fps: float | None) -> None:
    """Those that a rate leaves out or shows more than once included; and no more than asked for are decoded to pictures."""
    uneven = tmp_path / "uneven.mkv"
    record(uneven, blocks(), [0, 1, 2, 5, 6, 9, 14, 15, 16, 17, 18, 30], 30)
    for path in (clip, uneven):
        np.testing.assert_array_equal(list(video.each(path, short_side, fps)), video.frames(path, short_side, fps=fps))


def test_one_by_one_a_file_that_cannot_be_read_is_told_as_ever(tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_bytes(b"")
    with pytest.raises(InputError, match=r"a\.avi: empty: zero bytes"):
        next(video.each(tmp_path / "a.avi"))


# Which way up.

ONE = 1 << 16  # of a 16.16 fixed-point number
MATRICES = {  # a, b, u, c, d, v, x, y, w of the box tkhd, ISO/IEC 14496-12: (x, y) is shown at (a x + c y, b x + d y)
    "90 clockwise": ((0, ONE, 0, -ONE, 0, 0), lambda frames: np.rot90(frames, -1, axes=(1, 2))),
    "180": ((-ONE, 0, 0, 0, -ONE, 0), lambda frames: np.rot90(frames, 2, axes=(1, 2))),
    "270 clockwise": ((0, -ONE, 0, ONE, 0, 0), lambda frames: np.rot90(frames, 1, axes=(1, 2))),
    "mirrored": ((-ONE, 0, 0, 0, ONE, 0), lambda frames: frames[:, :, ::-1]),
    "upside down": ((ONE, 0, 0, 0, -ONE, 0), lambda frames: frames[:, ::-1]),
    "transposed": ((0, ONE, 0, ONE, 0, 0), lambda frames: frames.swapaxes(1, 2)),
}


def with_matrix(path: Path, matrix: tuple[int, ...]) -> None:
    """Write the display matrix of the first track of an MP4 file by hand."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40  # behind version, flags, times, number, duration, layer, group and volume
    assert struct.unpack(">9i", data[start : start + 36]) == (ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30)
    data[start : start + 36] = struct.pack(">9i", *matrix, 0, 0, 1 << 30)
    path.write_bytes(data)


@pytest.mark.parametrize("turned", MATRICES)
@pytest.mark.parametrize("grey", [False, True])
def test_pictures_are_turned_as_the_file_says(tmp_path: Path, turned: str, grey: bool) -> None:
    path = tmp_path / "clip.mp4"
    record(path, blocks(3), range(3), 30)
    stored, small = video.frames(path, grey=grey), video.frames(path, 24, grey)
    matrix, expected = MATRICES[turned]
    with_matrix(path, matrix)
    np.testing.assert_array_equal(video.frames(path, grey=grey), expected(stored))
    np.testing.assert_array_equal(video.frames(path, 24, grey), expected(small))
    probe = video.probe(path)
    assert (probe.height, probe.width) == expected(stored).shape[1:3]


def test_the_first_pixel_goes_where_the_matrix_says() -> None:
    image = np.zeros((4, 6), np.uint8)
    image[0, 0] = 1  # the corner at the top left
    clockwise = video.turn(image, (0, 1, -1, 0))
    assert clockwise.shape == (6, 4) and clockwise[0, 3] == 1  # the top right


# When frames are shown.


def nearest(times: list[Fraction], fps: Fraction) -> list[int]:
    """What `pick` does, slowly and exactly."""
    if len(times) == 1:
        return [0]
    rate = (len(times) - 1) / (times[-1] - times[0])
    steps = max(1, int(len(times) / rate * fps + Fraction(1, 2)))
    return [min(range(len(times)), key=lambda i: abs(times[i] - times[0] - step / fps)) for step in range(steps)]  # the first of equals


@settings(max_examples=100, deadline=None)
@given(
    start=st.integers(-100, 10**6),
    gaps=st.lists(st.integers(0, 3000), max_size=30),
    base=st.sampled_from([Fraction(1, 30), Fraction(1001, 30000), Fraction(1, 1000), Fraction(1, 90000)]),
    fps=st.sampled_from([Fraction(15), Fraction(24), Fraction(25), Fraction(30), Fraction(25, 2), Fraction(60)]),
)
def test_pick_is_the_naive_loop(start: int, gaps: list[int], base: Fraction, fps: Fraction) -> None:
    ticks = np.cumsum([start, *gaps]).tolist()
    if len(ticks) > 1 and ticks[-1] == ticks[0]:
        ticks[-1] += 1
    seconds = (ticks[-1] - ticks[0]) * base
    fps = fps if seconds * fps < 200 else 200 / seconds
    picked = video.pick(np.array([tick * float(base) for tick in ticks]), float(fps))
    assert picked.tolist() == nearest([tick * base for tick in ticks], fps)


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 300), fps=st.floats(1, 120), seed=st.integers(0, 99))
def test_the_rate_itself_changes_nothing_within_jitter(count: int, fps: float, seed: int) -> None:
    times = (np.arange(count) + np.random.default_rng(seed).uniform(-0.1, 0.1, count)) / fps
    np.testing.assert_array_equal(video.pick(times, fps), np.arange(count))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-3, 1), min_size=1, max_size=50), st.floats(1, 100), st.floats(-10, 1e4))
def test_steps_go_forward_from_the_first_frame_whenever_that_is(gaps: list[float], fps: float, start: float) -> None:
    times = np.cumsum([0.0, *gaps])
    picked = video.pick(times, fps)
    assert picked[0] == 0 and (np.diff(picked) >= 0).all() and picked[-1] < len(times)
    assert len(picked) == pytest.approx(max(1, times[-1] * len(times) / len(gaps) * fps), abs=0.51)
    assert len(video.pick(times + start, fps)) == pytest.approx(len(picked), abs=1)


def at(rate: float, count: int) -> np.ndarray:
    return np.arange(count) / rate


def test_25_to_30_repeats_every_fifth() -> None:
    # Step k shows time k / 30, which is 5/6 k of a frame: 2.5 is as near to 2 as to 3.
    assert video.pick(at(25, 10), 30).tolist() == [0, 1, 2, 2, 3, 4, 5, 6, 7, 7, 8, 9]


@pytest.mark.parametrize("count", [1, 2, 7, 8, 301])
def test_60_to_30_takes_every_second(count: int) -> None:
    assert video.pick(at(60, count), 30).tolist() == list(range(0, count, 2))


def test_30_to_10_takes_every_third_and_10_to_30_shows_each_three_times() -> None:
    assert video.pick(at(30, 9), 10).tolist() == [0, 3, 6]
    assert video.pick(at(10, 3), 30).tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 2]


def test_24_to_30_shows_every_fourth_twice() -> None:
    # Step k shows 4/5 k of a frame: 0, 0.8, 1.6, 2.4, 3.2, 4, ...
    assert video.pick(at(24, 8), 30).tolist() == [0, 1, 2, 2, 3, 4, 5, 6, 6, 7]


def test_29_97_is_30_for_the_first_500_frames() -> None:
    times = np.arange(1200) * 1001 / 30000
    picked = video.pick(times, 30)
    np.testing.assert_array_equal(picked[:500], np.arange(500))
    assert len(picked) == 1201 and np.flatnonzero(np.diff(picked) == 0).tolist() == [500]


def record(path: Path, frames: np.ndarray, stamps, rate: int, base: Fraction | None = None, codec: str = "mpeg4") -> None:  # type: ignore[no-untyped-def]
    """Write frames with their time stamps, in units of `base` seconds (1 / rate)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            codec, rate=rate, options={"x264-params": "bframes=2:b-adapt=0:scenecut=0"} if codec == "libx264" else {}
        )
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.codec_context.time_base = base or Fraction(1, rate)
        stream.bit_rate = 4_000_000
        for image, stamp in zip(frames, stamps, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = stamp, base or Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def shades(count: int) -> np.ndarray:
    """Grey frames that are told apart by their brightness: frame i has level 8 i."""
    return np.full((count, 32, 32, 3), 0, np.uint8) + 8 * np.arange(count, dtype=np.uint8)[:, None, None, None]


def seen(path: Path, fps: float | None) -> list[int]:
    """Which of `shades` each step shows."""
    levels = video.frames(path, grey=True, fps=fps).mean(axis=(1, 2))
    return np.round(levels / 8).astype(int).tolist()


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("rate", [15, 24, 25, 30, 60])
def test_a_constant_rate_is_resampled(tmp_path: Path, suffix: str, rate: int) -> None:
    path = tmp_path / f"clip.{suffix}"
    record(path, shades(24), range(24), rate)
    milliseconds = suffix == "mkv"  # and MP4 has fractions
    times = [Fraction(round(Fraction(1000 * i, rate)), 1000) if milliseconds else Fraction(i, rate) for i in range(24)]
    probe = video.probe(path, 30)
    assert probe.frames == 24 and probe.fps == pytest.approx(rate, rel=2e-3)
    assert seen(path, 30) == nearest(times, Fraction(30)) and probe.steps == len(nearest(times, Fraction(30)))
    assert seen(path, None) == list(range(24)) and video.probe(path).steps == 24


def test_a_variable_rate_with_gaps_keeps_time(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    # Milliseconds: 30 a second, then a pause of 0.3 s, then 10 a second, then a burst.
    stamps = [0, 33, 67, 100, 400, 500, 600, 610, 620, 700]
    record(path, shades(10), [1000 + stamp for stamp in stamps], 30, Fraction(1, 1000))
    probe = video.probe(path, 30)
    assert (probe.frames, probe.fps) == (10, pytest.approx(9 / 0.7))
    assert probe.steps == 23  # 10 frames at 12.86 a second are 0.778 s
    expected = nearest([Fraction(stamp, 1000) for stamp in stamps], Fraction(30))
    assert seen(path, 30) == expected
    assert expected[:12] == [0, 1, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4]


@pytest.mark.parametrize(
    ("name", "how", "usual"),
    [
        ("clip.avi", "sorted", lambda stamps: stamps != sorted(stamps)),  # AVI has no stamps: PyAV's go back where there are B-frames
        ("clip.264", "stated", lambda stamps: set(stamps) == {None}),  # a stream without a container
    ],
)
def test_where_time_stamps_go_back_or_are_none(tmp_path: Path, name: str, how: str, usual) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / name
    record(path, shades(24), range(24), 25, codec="libx264")
    with av.open(str(path)) as container:
        assert usual([frame.pts for frame in container.decode(video=0)])
    assert video.probe(path, 30) == Probe(24, 29, 25.0, 32, 32, how)  # 28.8 steps
    assert seen(path, 30) == nearest([Fraction(i, 25) for i in range(24)], Fraction(30))


@pytest.mark.parametrize(
    ("stamps", "how", "ticks"),
    [
        ([7, 8, 9], "stamps", [0, 1, 2]),
        ([0, 0, 5], "stamps", [0, 0, 5]),
        ([2**33 - 2, 2**33 - 1, 0, 1], "wrapped", [0, 1, 2, 3]),
        ([2**33 - 1, 0, 2**33 - 1, 0], "wrapped", [0, 1, 2**33, 2**33 + 1]),  # twice
        ([2, 8, 6, 4], "sorted", [0, 2, 4, 6]),
        ([2, 8, 6, 4, 11, 9], "sorted", [0, 2, 4, 6, 8, 10]),  # within a tick of every second one
        ([2, 8, 6, 4, 30], "sorted", [0, 2, 4, 6, 28]),
        ([None, 1, 2], "filled", [0, 1, 2]),
        ([0, None, None, 9, 10], "filled", [0, 3, 6, 9, 10]),
        ([0, 4, None, None], "filled", [0, 4, 8, 12]),
    ],
)
def test_time_stamps_are_mended_by_a_rule_for_each_fault(stamps: list[int | None], how: str, ticks: list[int]) -> None:
    times, rate, said = video.clock(stamps, Fraction(1, 30), Fraction(25))
    assert said == how and times.tolist() == pytest.approx([tick / 30 for tick in ticks])
    assert rate == pytest.approx((len(ticks) - 1) / (ticks[-1] / 30))


@pytest.mark.parametrize("stamps", [[5, 5, 5], [None] * 3, [None, 5, None], [0]])
def test_stamps_that_say_nothing_leave_the_stated_rate_or_none(stamps: list[int | None]) -> None:
    times, rate, how = video.clock(stamps, Fraction(1, 30), Fraction(25))
    assert (rate, how) == (25, "stated") and times.tolist() == [i / 25 for i in range(len(stamps))]
    for stated in (None, Fraction(0), Fraction(7200)):  # the last is the ticks of a clock, not frames
        times, rate, how = video.clock(stamps, Fraction(1, 30), stated)
        assert (rate, how) == (0, "unknown") and not times.any()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.randoms())
def test_whatever_order_they_come_in_times_are_those_in_order(gaps: list[int], random) -> None:  # type: ignore[no-untyped-def]
    """But for the snap to frames evenly apart, by a tick at most."""
    ticks = np.cumsum([0, *gaps]).tolist()
    mixed = random.sample(ticks, len(ticks))
    times, _, _ = video.clock(mixed, Fraction(1, 1000), None)
    assert np.abs(times * 1000 - ticks).max() <= 1 + 1e-6 and (np.diff(times) >= 0).all()


def test_rates_are_exact() -> None:
    times, rate, _ = video.clock([7, 8, 9, 10], Fraction(1001, 30000), None)
    assert rate == 30000 / 1001 and times.tolist() == pytest.approx([0, 0.0333667, 0.0667333, 0.1001])


def test_a_pause_that_cannot_be_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    record(path, shades(3), [0, 1, 100_000], 30, Fraction(1, 100))
    assert video.probe(path).steps == 3
    for read in (video.probe, video.frames):
        with pytest.raises(InputError) as caught:
            read(path, fps=30)
        assert str(caught.value).startswith(f"{path}: time stamps: 3 frames in 1500 s")


# Bad files.


def test_probe_counts_what_decodes_and_not_the_header(clip: Path) -> None:
    data = bytearray(clip.read_bytes())
    length = data.index(b"strh") + 40  # dwLength of the stream's header
    data[length : length + 4] = (15).to_bytes(4, "little")
    clip.write_bytes(data)
    with av.open(str(clip)) as container:
        assert container.streams.video[0].frames == 15
    assert video.probe(clip) == Probe(12, 12, 30.0, 64, 48, "stamps")


def test_names_with_brackets_spaces_and_other_letters(tmp_path: Path) -> None:
    path = tmp_path / "[a] b é 日本.avi"
    write_video(path, blocks(3))
    assert video.probe(path).frames == 3


def test_metadata_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "TITLE-OF-IT"
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(blocks(1)[0], format="rgb24")))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes().replace(b"TITLE-OF-IT", b"TITLE\xff\xfe\xe9OF"))
    with pytest.raises(UnicodeDecodeError):
        av.open(str(path))
    assert video.probe(path).frames == 1


def test_a_video_with_another_suffix_is_read_by_its_contents(clip: Path) -> None:
    wrong = clip.with_suffix(".mp4")
    clip.rename(wrong)
    assert video.probe(wrong) == Probe(12, 12, 30.0, 64, 48, "stamps")


def without_frames(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        container.start_encoding()


def of_unknown_codec(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(blocks(1)[0], format="rgb24")))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"ZZ9Z"))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b""), "empty: zero bytes"),
        (lambda path: path.write_bytes(bytes(range(256)) * 20), "unreadable: Invalid data"),
        (lambda path: path.write_text("not a video, whatever its name says\n" * 50), "unreadable: Invalid data"),
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "unreadable: Invalid data"),
        (lambda path: path.unlink(), "absent: no such file"),
        (made.sound, "audio only: no video stream"),
        (without_frames, "empty: no frame decodes"),
        (of_unknown_codec, "unreadable: its codec is not known"),
    ],
    ids=["zero", "noise", "text", "header", "absent", "audio", "no-frames", "codec"],
)
@pytest.mark.parametrize("read", [video.frames, video.probe])
def test_what_cannot_be_decoded_says_why(clip: Path, make, reason: str, read) -> None:  # type: ignore[no-untyped-def]
    make(clip)
    with pytest.raises(InputError) as caught:
        read(clip)
    assert str(caught.value).startswith(f"{clip}: {reason}") and "\n" not in str(caught.value)


def with_pictures_beside(path: Path, size: tuple[int, int], cover: bool, default: bool = False) -> None:
    """Six frames of 64 x 48, and beside them a picture, or a video, of another size."""
    with av.open(str(path), "w") as container:
        beside = container.add_stream("png" if cover else "mpeg4", rate=30)
        beside.width, beside.height, beside.pix_fmt = *size, "rgb24" if cover else "yuv420p"
        beside.disposition = Disposition.attached_pic if cover else (Disposition.default if default else Disposition(0))
        film = container.add_stream("mpeg4", rate=30)
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        film.disposition = Disposition(0)
        for stream, images in ((beside, blocks(1 if cover else 6, size[1], size[0])), (film, blocks(6))):
            for image in images:
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=stream.pix_fmt)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("suffix", "size", "cover", "default", "taken"),
    [
        (".mp4", (128, 96), True, False, (64, 48)),  # a cover, though larger and the first in the file
        (".mkv", (128, 96), False, False, (128, 96)),  # the larger
        (".mkv", (32, 24), False, False, (64, 48)),
        (".mkv", (32, 24), False, True, (32, 24)),  # the file's default
    ],
)
def test_which_stream_is_the_video(
    tmp_path: Path, suffix: str, size: tuple[int, int], cover: bool, default: bool, taken: tuple[int, int]
) -> None:
    path = tmp_path / f"several{suffix}"
    with_pictures_beside(path, size, cover, default)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    probe = video.probe(path)
    assert (probe.frames, probe.width, probe.height) == (6, *taken)
    assert video.frames(path).shape == (6, *taken[::-1], 3)


def of_odd_colours(path: Path) -> None:
    """A matrix of colours, YCgCo, of which swscale makes no RGB."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace = 8
        for image in blocks(5):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            frame.colorspace = 8
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_pictures_that_cannot_be_converted_are_known_before_they_are_read(tmp_path: Path) -> None:
    """The index says so, and the reader says the same: it is no fault of the disk that a shard is written to."""
    path = tmp_path / "odd.mp4"
    of_odd_colours(path)
    said = rf"^{re.escape(str(path))}: unreadable: its pictures \(yuv420p, colour space 8\) cannot be converted: "
    for read in (video.probe, video.frames, lambda path: list(video.each(path))):
        with pytest.raises(InputError, match=said):
            read(path)


def test_a_file_cut_short_gives_the_frames_it_has_or_says_where_it_breaks(clip: Path) -> None:
    with av.open(str(clip)) as container:
        starts = [packet.pos for packet in container.demux(video=0) if packet.size]
    whole = clip.read_bytes()
    clip.write_bytes(whole[: starts[9] - 8])  # before the header of the tenth packet
    assert video.probe(clip).frames == len(video.frames(clip)) == 9
    clip.write_bytes(whole[: starts[9] + 200])
    with pytest.raises(InputError, match="unreadable: after 9 frames, Invalid data"):
        video.probe(clip)


# Real files.


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("ucf101/UCF-101/SoccerJuggling/v_SoccerJuggling_g23_c01.avi", Probe(240, 240, 30000 / 1001, 320, 240, "stamps")),
        ("ucf101/UCF-101/SoccerJuggling/v_SoccerJuggling_g24_c01.avi", Probe(251, 251, 30000 / 1001, 320, 240, "stamps")),
        # The headers of these two say 73 and 75, and their time stamps go back.
        ("hmdb51/videos/wave/RATRACE_wave_f_nm_np1_fr_goo_37.avi", Probe(72, 72, 30.0, 560, 240, "sorted")),
        ("hmdb51/videos/wave/SchoolRulesHowTheyHelpUs_wave_f_nm_np1_ba_med_0.avi", Probe(74, 74, 30.0, 320, 240, "sorted")),
    ],
)
def test_real_clips(real_clips: Path, path: str, found: Probe) -> None:
    assert video.probe(real_clips / path) == found == video.probe(real_clips / path, 30)
    np.testing.assert_array_equal(video.frames(real_clips / path, 32, fps=30), video.frames(real_clips / path, 32))
