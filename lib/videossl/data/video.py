"""Decode videos with PyAV.

Headers are not trusted: some count a frame more than decodes, so frames are counted by decoding.
When a frame is shown says its time stamp. Pictures are turned as the file's display matrix says; pixel aspect ratios and
sound are ignored.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from videossl.errors import InputError

if TYPE_CHECKING:
    import av

Matrix = tuple[int, int, int, int]
"""(a, b, c, d) of a display matrix: what is stored at (x, y) is shown at (a x + c y, b x + d y), apart from a shift."""

AS_STORED = (1, 0, 0, 1)
CLOCKS = ("stamps", "wrapped", "sorted", "filled", "stated", "unknown")
WRAP = 2**33  # where the time stamps of MPEG begin anew
MOST_STATED = 1000  # frames a second: what states more states the ticks of its clock
MOST_REPEATS = 100  # steps a frame: a video with longer pauses has wrong time stamps
TIE = 1e-9  # seconds: far above the rounding of floats, far below any clock's tick
USUAL = 25.0  # frames a second where neither the file nor the caller says


@dataclasses.dataclass(frozen=True)
class Probe:
    """The facts that decoding a video gives."""

    frames: int  # that decode
    steps: int  # after resampling
    fps: float  # of the frames, 0 where unknown
    width: int  # pixels of the first frame as it is shown
    height: int
    clock: str  # by what the times of frames are known: one of CLOCKS


def frames(path: str | Path, short_side: int | None = None, grey: bool = False, fps: float | None = None) -> np.ndarray:
    """Decode a video.

    Args:
        path: the video.
        short_side: pixels of the shorter side after resizing (the aspect ratio is kept), or None to leave the size.
        grey: luminance only.
        fps: frames a second to resample to (see `pick`); None for the frames as they are.

    Returns:
        (N, H, W, 3) uint8 RGB, or (N, H, W) uint8 grey.

    Raises:
        InputError: "PATH: REASON" where the video is absent, empty, unreadable or without pictures, or where its time
            stamps cannot be right.
    """
    (whole,) = in_windows(path, math.inf, math.inf, short_side, grey, fps)
    return np.stack(whole.pictures)


class Window(NamedTuple):
    """Consecutive steps of a video: all of a short one."""

    pictures: list[np.ndarray]  # of N steps, (H, W, 3) RGB or (H, W) grey, uint8
    start: float  # seconds from the first frame of the video
    end: float


def in_windows(
    path: str | Path, seconds: float, most: float, short_side: int | None = None, grey: bool = False, fps: float | None = None
) -> Iterator[Window]:
    """Decode a video once, in windows one behind the other, so that a long one need not fit into memory; errors as in `frames`.

    A window is resampled as if it were a video. It lasts `seconds`, or takes `most` bytes of pictures if that is less; the last one half of
    that at least and up to one and a half. So a video that is shorter is one window, with the pictures of `frames`.
    """
    images: list[np.ndarray] = []
    stamps: list[int | None] = []
    times: list[float] = []
    size: tuple[int, int] | None = None

    def is_beyond(frame: int, windows: float) -> bool:
        """True for a frame that lies so many windows behind the first one held."""
        return times[frame] - times[0] >= windows * seconds or frame * images[0].nbytes >= windows * most

    with _open(path) as stream:
        when = _Running(stream)

        def window(count: int) -> Window:
            """Make a window of the first `count` frames held."""
            rate, _, positions = _resample(path, stamps[:count], stream, fps)
            return Window([images[position] for position in positions], times[0], times[0] + count / (rate or fps or USUAL))

        for frame in _decode(path, stream):
            # A few files change their size midway: all frames take the size of the first.
            size = size or target_size(*_shown_size(frame), short_side)
            images.append(_image(path, frame, size, "gray" if grey else "rgb24"))
            stamps.append(frame.pts)
            times.append(when(frame.pts))
            if is_beyond(len(images) - 1, 1.5):
                count = next(frame for frame in range(len(images)) if is_beyond(frame, 1))
                yield window(count)
                del images[:count], stamps[:count], times[:count]
        yield window(len(images))


def picture(path: str | Path, seconds: float, short_side: int | None = None) -> np.ndarray:
    """One frame to look at, (H, W, 3) uint8 RGB: the first at `seconds` after the start or later, or the last there is; errors as in `frames`.

    Where the file can be sought in, what lies far before is not decoded.
    """
    import av

    with _open(path) as stream:
        base, begin = float(stream.time_base or 0), stream.start_time or 0
        if base and seconds > 0:
            with contextlib.suppress(av.FFmpegError, OSError):
                container: Any = stream.container
                container.seek(begin + int(seconds / base), stream=stream)
        for frame in _decode(path, stream):  # the last one, where none is late enough
            if frame.pts is None or (frame.pts - begin) * base >= seconds:
                break
        return _image(path, frame, target_size(*_shown_size(frame), short_side), "rgb24")


class _Running:
    """A clock for frames one by one, that never goes back: seconds from the first. `clock` tells better, once all are there."""

    def __init__(self, stream: av.VideoStream) -> None:
        self.base = float(stream.time_base or 0)
        rate = float(stream.guessed_rate or stream.average_rate or 0)
        self.step = 1 / rate if 0 < rate < MOST_STATED else 1 / USUAL
        self.time = -self.step
        self.first: int | None = None
        self.newest = 0

    def __call__(self, stamp: int | None) -> float:
        if stamp is None or not self.base:
            self.time += self.step
        elif self.first is None:
            self.time += self.step
            self.first, self.newest = stamp - round(self.time / self.base), stamp
        else:
            if self.newest - stamp > WRAP // 2:
                self.first -= WRAP
                self.newest = stamp
            self.newest = max(self.newest, stamp)
            self.time = max(self.time, (stamp - self.first) * self.base)
        return self.time


def each(path: str | Path, short_side: int | None = None, fps: float | None = None) -> Iterator[np.ndarray]:
    """The same (H, W, 3) uint8 RGB frames one by one, so that a long video need not fit into memory; errors as in `frames`.

    The file is decoded twice: only its end tells which frames a resampled video shows.
    """
    with _open(path) as stream:
        stamps = [frame.pts for frame in _decode(path, stream)]
        *_, positions = _resample(path, stamps, stream, fps)
    shown = np.bincount(positions, minlength=len(stamps))
    size: tuple[int, int] | None = None
    with _open(path) as stream:
        for frame, times in zip(_decode(path, stream), shown, strict=False):
            size = size or target_size(*_shown_size(frame), short_side)
            if times:
                yield from [_image(path, frame, size, "rgb24")] * int(times)


def probe(path: str | Path, fps: float | None = None) -> Probe:
    """Decode a video and keep no picture of it; arguments and errors as in `frames`, those of converting pictures included."""
    with _open(path) as stream:
        stamps: list[int | None] = []
        size, before = (0, 0), None
        for frame in _decode(path, stream):
            kind = frame.format.name, frame.width, frame.height, frame.colorspace, frame.color_range
            if kind != before:  # by which alone it is decided whether a picture can be converted
                size, before = size if before else _shown_size(frame), kind
                for form in ("rgb24", "gray"):
                    _image(path, frame, target_size(*size, 16), form)
            stamps.append(frame.pts)
        rate, how, positions = _resample(path, stamps, stream, fps)
    return Probe(len(stamps), len(positions), rate, *size, how)


def clock(stamps: Sequence[int | None], base: Fraction | None, stated: Fraction | None) -> tuple[np.ndarray, float, str]:
    """When frames are shown, how many a second, and by what that is known.

    Time stamps count as they are ("stamps"), or as they can be mended: those that begin anew at 2^33, as in MPEG ("wrapped"); those out of order, as
    of B-frames that were copied into AVI ("sorted": frames come in the order in which they are shown); some that are missing, by their
    neighbours ("filled"). Where fewer than two differ, frames are as far apart as the file states ("stated"), or nobody knows ("unknown").

    Args:
        stamps: of N frames in their order, in units of `base` seconds.
        base: None where unknown.
        stated: frames a second by the file, None or 0 where unknown.

    Returns:
        ((N,) seconds from the first frame, frames a second, one of CLOCKS); (zeros, 0, "unknown") where nothing says.
    """
    known = np.array([place for place, stamp in enumerate(stamps) if stamp is not None], np.int64)
    ticks = np.array([stamp for stamp in stamps if stamp is not None], np.int64)
    how = "stamps"
    if (back := np.diff(ticks) < -WRAP // 2).any():
        ticks[1:] += WRAP * np.cumsum(back)
        how = "wrapped"
    if (np.diff(ticks) < 0).any():
        ticks, how = _even(np.sort(ticks)), "sorted"
    if not base or len(ticks) < 2 or ticks[0] == ticks[-1]:
        rate = float(stated or 0)
        return (np.arange(len(stamps)) / rate, rate, "stated") if 0 < rate < MOST_STATED else (np.zeros(len(stamps)), 0.0, "unknown")
    if len(known) < len(stamps):
        ticks, how = _filled(known, ticks, len(stamps)), "filled"
    # In whole numbers and fractions: 30000 / 1001 a second are exactly that.
    rate = float((len(ticks) - 1) / (Fraction(ticks[-1].item() - ticks[0].item()) * base))
    return (ticks - ticks[0]) * float(base), rate, how


def _even(ticks: np.ndarray) -> np.ndarray:
    """Sorted time stamps; where all lie within a tick of frames that are evenly apart, those: what copies streams guesses the last one."""
    even = ticks[0] + np.arange(len(ticks), dtype=np.int64) * int(np.median(np.diff(ticks)))
    return even if np.abs(ticks - even).max() <= 1 else ticks


def _filled(known: np.ndarray, ticks: np.ndarray, count: int) -> np.ndarray:
    """The stamps of `count` frames, of which those at the places `known` have `ticks`: between two in equal steps, outside at their mean distance."""
    step = (ticks[-1] - ticks[0]) / (known[-1] - known[0])
    places = np.arange(count)
    inside = np.interp(places, known, ticks)
    outside = np.where(places < known[0], ticks[0] + (places - known[0]) * step, ticks[-1] + (places - known[-1]) * step)
    return np.asarray(np.rint(np.where((places < known[0]) | (places > known[-1]), outside, inside)), np.int64)


def pick(times: np.ndarray, fps: float) -> np.ndarray:
    """Give the frame that each step shows when a video is resampled.

    N frames at the mean rate (N - 1) / (times[N - 1] - times[0]) last N / rate seconds, which are K = N / rate * fps
    steps: rounded to a whole number, halves up, at least 1. Step k shows the frame nearest in time to k / fps after
    the first frame; of two that are equally near, the earlier.

    Args:
        times: (N,) seconds, never falling; the last is later than the first, unless N is 1.
        fps: steps a second.

    Returns:
        (K,) int64 positions in `times`, never falling. One frame is one step.
    """
    count = len(times)
    if count == 1:
        return np.zeros(1, np.int64)
    times = times - times[0]
    duration = float(times[-1]) * count / (count - 1)
    steps = np.arange(max(1, math.floor(duration * fps + 0.5 + TIE))) / fps
    # A frame is the nearest up to the middle between it and the next.
    nearest = np.searchsorted((times[:-1] + times[1:]) / 2, steps - TIE)
    return np.searchsorted(times, times[nearest])  # of frames with one time, the first


def target_size(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """(width, height) after resizing to `short_side` pixels; the longer side is rounded to a whole pixel."""
    if short_side is None:
        return width, height
    scale = short_side / min(width, height)
    return round(width * scale), round(height * scale)


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an (H, W[, 3]) uint8 image to (width, height): area averaging when it shrinks, bilinear when it grows."""
    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    import cv2

    method = cv2.INTER_AREA if size[0] <= width and size[1] <= height else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=method))


def turn(image: np.ndarray, matrix: Matrix) -> np.ndarray:
    """An (H, W[, 3]) image as its display matrix shows it: turned to the nearest quarter, mirrored if it says so."""
    a, b, c, d = matrix
    if _is_sideways(matrix):
        image, a, d = image.swapaxes(0, 1), c, b
    return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def _is_sideways(matrix: Matrix) -> bool:
    """True where rows are shown as columns."""
    a, b, _, _ = matrix
    return abs(b) > abs(a)


def _matrix(frame: av.VideoFrame) -> Matrix:
    """The display matrix of a frame: ISO/IEC 14496-12, 6.2.2; FFmpeg's libavutil/display.h stores its nine numbers row by row."""
    data: Any = frame.side_data.get("DISPLAYMATRIX")  # a buffer, which PyAV's type hints miss
    if data is None:
        return AS_STORED
    a, b, _, c, d, *_ = np.frombuffer(data, np.int32).tolist()
    return a, b, c, d


def _shown_size(frame: av.VideoFrame) -> tuple[int, int]:
    """(width, height) of a frame as it is shown."""
    return (frame.height, frame.width) if _is_sideways(_matrix(frame)) else (frame.width, frame.height)


def _image(path: str | Path, frame: av.VideoFrame, size: tuple[int, int], form: str) -> np.ndarray:
    """The pixels of a frame, resized and turned to (width, height)."""
    import av

    matrix = _matrix(frame)
    try:
        # One thread: to start the others takes ten times as long as to convert a small frame.
        pixels = frame.to_ndarray(format=form, threads=1)
    except (av.FFmpegError, OSError, ValueError) as error:
        form = f"{frame.format.name}, colour space {frame.colorspace}"
        raise InputError(f"{path}: unreadable: its pictures ({form}) cannot be converted: {_text(error)}") from error
    # Resized first: fewer pixels to turn.
    return turn(resize(pixels, size[::-1] if _is_sideways(matrix) else size), matrix)


def _resample(path: str | Path, stamps: Sequence[int | None], stream: av.VideoStream, fps: float | None) -> tuple[float, str, np.ndarray]:
    """(frames a second or 0 where unknown, by what, which frame each step shows) of all frames with time stamps `stamps`."""
    times, rate, how = clock(stamps, stream.time_base, stream.guessed_rate or stream.average_rate)
    if not fps or not rate:
        return rate, how, np.arange(len(stamps))
    if len(stamps) > 1 and fps > MOST_REPEATS * rate:
        raise InputError(
            f"{path}: time stamps: {len(stamps)} frames in {len(stamps) / rate:.6g} s, fewer than {fps / MOST_REPEATS:g} a second"
        )
    return rate, how, pick(times, fps)


@contextlib.contextmanager
def _open(path: str | Path) -> Iterator[av.VideoStream]:
    """Open the video stream of a file (`pick_stream`), or say in one line what is wrong with it."""
    import av

    try:
        if Path(path).stat().st_size == 0:
            raise InputError(f"{path}: empty: zero bytes")
        # One HMDB51 clip has metadata that is not UTF-8, and PyAV refuses it by default.
        container = av.open(str(path), metadata_errors="ignore")
    except FileNotFoundError as error:
        raise InputError(f"{path}: absent: no such file") from error
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: unreadable: {_text(error)}") from error
    with container:
        stream = pick_stream(container)
        if stream is None:
            only = "a cover picture" if container.streams.video else "no video stream"
            raise InputError(f"{path}: audio only: {only}")
        if stream.codec_context is None:
            raise InputError(f"{path}: unreadable: its codec is not known")
        yield stream


def pick_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """The video of a file: no cover picture or preview; of several the file's default, then the largest, then the first. None where there is none."""
    from av.stream import Disposition

    aside = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    videos = [stream for stream in container.streams.video if not stream.disposition & aside]

    def rank(stream: av.VideoStream) -> tuple[bool, bool, int]:
        context = stream.codec_context
        return context is not None, bool(stream.disposition & Disposition.default), context.width * context.height if context else 0

    return max(videos, key=rank, default=None)


def _decode(path: str | Path, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Yield the frames of a video stream, at least one."""
    import av

    stream.codec_context.thread_count = 1  # videos are decoded in parallel, not frames
    container: Any = stream.container  # opened to be read, which PyAV's type hints do not know
    count = 0
    try:
        for frame in container.decode(stream):
            count += 1
            yield frame
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: unreadable: after {count} frames, {_text(error)}") from error
    if count == 0:
        raise InputError(f"{path}: empty: no frame decodes")


def _text(error: Exception) -> str:
    """Give the error without the path that PyAV repeats."""
    return getattr(error, "strerror", None) or str(error)
