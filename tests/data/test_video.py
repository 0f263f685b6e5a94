"""Decoding: real files, whole and broken."""

from pathlib import Path

import av
import numpy as np
import pytest

from videossl.data import video
from videossl.data.toy.render import write_video
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


def test_probe_counts_what_decodes_and_not_the_header(clip: Path) -> None:
    data = bytearray(clip.read_bytes())
    length = data.index(b"strh") + 40  # dwLength of the stream's header
    data[length : length + 4] = (15).to_bytes(4, "little")
    clip.write_bytes(data)
    with av.open(str(clip)) as container:
        assert container.streams.video[0].frames == 15
    assert video.probe(clip) == (12, 30.0, 64, 48)


def test_names_with_brackets_spaces_and_other_letters(tmp_path: Path) -> None:
    path = tmp_path / "[a] b é 日本.avi"
    write_video(path, blocks(3))
    assert video.probe(path)[0] == 3


def audio_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))


def without_frames(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        container.start_encoding()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b""), "empty: zero bytes"),
        (lambda path: path.write_bytes(bytes(range(256)) * 20), "unreadable: Invalid data"),
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "unreadable: Invalid data"),
        (lambda path: path.unlink(), "absent: no such file"),
        (audio_only, "audio only: no video stream"),
        (without_frames, "empty: no frame decodes"),
    ],
    ids=["zero", "noise", "header", "absent", "audio", "no-frames"],
)
@pytest.mark.parametrize("read", [video.frames, video.probe])
def test_what_cannot_be_decoded_says_why(clip: Path, make, reason: str, read) -> None:  # type: ignore[no-untyped-def]
    make(clip)
    with pytest.raises(InputError) as caught:
        read(clip)
    assert str(caught.value).startswith(f"{clip}: {reason}") and "\n" not in str(caught.value)


def test_a_file_cut_short_gives_the_frames_it_has_or_says_where_it_breaks(clip: Path) -> None:
    with av.open(str(clip)) as container:
        starts = [packet.pos for packet in container.demux(video=0) if packet.size]
    whole = clip.read_bytes()
    clip.write_bytes(whole[: starts[9] - 8])  # before the header of the tenth packet
    assert video.probe(clip)[0] == len(video.frames(clip)) == 9
    clip.write_bytes(whole[: starts[9] + 200])
    with pytest.raises(InputError, match="unreadable: after 9 frames, Invalid data"):
        video.probe(clip)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("ucf101/UCF-101/SoccerJuggling/v_SoccerJuggling_g23_c01.avi", (240, 30000 / 1001, 320, 240)),
        ("ucf101/UCF-101/SoccerJuggling/v_SoccerJuggling_g24_c01.avi", (251, 30000 / 1001, 320, 240)),
        # The headers of these two say 73 and 75.
        ("hmdb51/videos/wave/RATRACE_wave_f_nm_np1_fr_goo_37.avi", (72, 30, 560, 240)),
        ("hmdb51/videos/wave/SchoolRulesHowTheyHelpUs_wave_f_nm_np1_ba_med_0.avi", (74, 30, 320, 240)),
    ],
)
def test_real_clips(real_clips: Path, path: str, found: tuple[int, float, int, int]) -> None:
    assert video.probe(real_clips / path) == pytest.approx(found)
