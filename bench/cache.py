"""Reading a clip of 32 frames at a short side of 128 from the cache, as a ratio to decoding its video again with PyAV.

    python bench/cache.py [VIDEO]

Without a video: an MPEG-4 of 320x240 and 250 frames, made up. Clips start at random; all in this process on one thread, in
turn, with the files in the memory of the operating system; the mean of a round, the best of three rounds. Decoding again
means to seek to the key frame before the clip, and to decode and resize up to its end; the video needs true time stamps (those of
HMDB51's AVI files with B-frames are made up, and frames found by them are the wrong ones, which ends this script).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

from videossl.data import cache, jpeg, video
from videossl.data.cache import Cache
from videossl.data.toy.render import write_video

FRAMES, SIDE, QUALITY = 32, 128, 90


def made_up(path: Path) -> None:
    """A drifting texture."""
    down, right = np.mgrid[:240, :320].astype(float)
    waves = (128 + 60 * np.sin((right - t) / 5) * np.cos((down - t / 2) / 7) + 40 * np.sin(right * down / 3000) for t in range(250))
    write_video(path, np.stack([np.uint8(wave)[..., None].repeat(3, 2) for wave in waves]))


def decode_again(path: Path, start: int, stop: int) -> np.ndarray:
    """(stop - start, H, W, 3): frames of a video of constant rate."""
    with av.open(str(path), metadata_errors="ignore") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        assert stream.time_base and stream.average_rate
        ticks = 1 / (stream.time_base * stream.average_rate)  # of the stream's clock, a frame
        first = stream.start_time or 0
        container.seek(int(first + start * ticks), stream=stream)
        frames = []
        for frame in container.decode(stream):
            position = round((frame.pts - first) / ticks) if frame.pts is not None else 0
            if position >= start:
                frames.append(video.resize(frame.to_ndarray(format="rgb24", threads=1), video.target_size(frame.width, frame.height, SIDE)))
            if position >= stop - 1:
                break
    return np.stack(frames)


def milliseconds(read: Callable[[int], np.ndarray], starts: list[int]) -> float:
    """A clip, on average; the best of three rounds."""
    rounds = []
    for _ in range(3):
        begun = time.perf_counter()
        for start in starts:
            read(start)
        rounds.append(time.perf_counter() - begun)
    return 1000 * min(rounds) / len(starts)


def main() -> None:
    """Print one line a codec."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "made up.avi"
        if len(sys.argv) < 2:
            made_up(path)
        frames = video.frames(path, SIDE)
        starts = np.random.default_rng(0).integers(0, len(frames) - FRAMES + 1, 20).tolist()
        caches = {}
        for codec, attrs in (("raw", {}), ("jpeg", {"quality": QUALITY})):
            shard = Path(folder) / f"{codec}.h5"
            values = frames if codec == "raw" else jpeg.encode(frames, QUALITY)
            cache.write_shard(shard, "rgb", "bench", [("a", "", values)], {}, codec=codec, **attrs)
            caches[codec] = Cache([shard]), shard.stat().st_size
        for start in starts:
            np.testing.assert_array_equal(caches["raw"][0].read("a", start, start + FRAMES), decode_again(path, start, start + FRAMES))
        again = milliseconds(lambda start: decode_again(path, start, start + FRAMES), starts)
        size = f"{FRAMES}x{frames.shape[2]}x{frames.shape[1]}"
        print(f"{size} decoded again: {again:.2f} ms, {path.stat().st_size / len(frames):.0f} bytes a frame")
        for codec, (read, written) in caches.items():
            taken = milliseconds(lambda start: read.read("a", start, start + FRAMES), starts)  # noqa: B023
            print(f"{size} {codec}: {taken:.2f} ms, {written / len(frames):.0f} bytes a frame; ratio {again / taken:.1f}")


if __name__ == "__main__":
    main()
