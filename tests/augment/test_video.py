"""VideoAugment against a naive version that works frame by frame and pixel by pixel."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from videossl import seeding
from videossl.augment import video
from videossl.augment.video import Boxes, VideoAugment
from videossl.data.clips import collate
from videossl.errors import InputError

GREY = (0.299, 0.587, 0.114)
WAYS = ["_frame_by_frame", "_at_once"]  # of the CPU, and of GPUs


def clip(seed: int, t: int, h: int, w: int, c: int = 3, low: int = 0, high: int = 256) -> np.ndarray:
    return seeding.numpy_rng(seed, "clip").integers(low, high, (t, h, w, c)).astype(np.uint8)


def rngs(*samples: int) -> list[np.random.Generator]:
    return [seeding.numpy_rng(7, 0, sample, "augment") for sample in samples]


def draws(sample: int) -> dict[str, float]:
    """The numbers a sample's view is made of, read from its generator independently of the library's batching."""
    return dict(zip(video.DRAWS, rngs(sample)[0].random(len(video.DRAWS)).tolist(), strict=True))


# --- the naive version -------------------------------------------------------------------------------------------


def naive_box(u: dict[str, float], h: int, w: int, area: tuple[float, float]) -> tuple[int, int, int, int]:
    share = area[0] + (area[1] - area[0]) * u["area"]
    feasible_low, feasible_high = share * w / h, w / (share * h)
    low = min(max(3 / 4, feasible_low), feasible_high)
    high = min(max(4 / 3, feasible_low), feasible_high)
    aspect = low * (high / low) ** u["aspect"]
    ch = min(max(round(math.sqrt(share * h * w / aspect)), 1), h)
    cw = min(max(round(math.sqrt(share * h * w * aspect)), 1), w)
    return int(u["top"] * (h - ch + 1)), int(u["left"] * (w - cw + 1)), ch, cw


def naive_crop(frame: np.ndarray, box: tuple[int, int, int, int], flip: bool, size: int) -> Tensor:
    """One frame (H, W, C) -> (C, size, size), levels."""
    top, left, h, w = box
    part = torch.from_numpy(frame[top : top + h, left : left + w].astype(np.float32)).permute(2, 0, 1)
    part = F.interpolate(part[None], size=(size, size), mode="bilinear", align_corners=False)[0]
    return TF.hflip(part) if flip else part


def naive_colour(frames: list[Tensor], u: dict[str, float], jitter: tuple[float, ...], jitter_p: float, grey_p: float) -> list[Tensor]:
    """Colours in 0..1, each operation in turn on each pixel."""
    names = ("brightness", "contrast", "saturation", "hue")
    order = sorted(range(4), key=lambda i: u[("first", "second", "third", "fourth")[i]])
    for step in order if u["jitter"] < jitter_p else ():
        by = jitter[step] * (2 * u[names[step]] - 1)
        greys = [naive_grey(frame) for frame in frames]
        mean = float(torch.stack(greys).double().mean())
        for i, frame in enumerate(frames):
            if names[step] == "brightness":
                frames[i] = frame * (1 + by)
            elif names[step] == "contrast":
                frames[i] = (1 + by) * frame + (1 - (1 + by)) * mean
            elif names[step] == "saturation":
                frames[i] = (1 + by) * frame + (1 - (1 + by)) * greys[i]
            else:
                frames[i] = naive_hue(frame, by)
    if u["grey"] < grey_p:
        frames = [naive_grey(frame).expand(3, -1, -1) for frame in frames]
    return [frame.clamp(0, 1) for frame in frames]


def naive_grey(frame: Tensor) -> Tensor:
    weights = torch.tensor(GREY)[:, None, None]
    return (weights * frame).sum(0)


def naive_hue(frame: Tensor, turn: float) -> Tensor:
    to_yiq = np.array([GREY, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])
    result = frame.clone()
    for row in range(frame.shape[1]):
        for column in range(frame.shape[2]):
            y, i, q = to_yiq @ frame[:, row, column].double().numpy()
            chroma = complex(i, q) * complex(math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn))
            result[:, row, column] = torch.from_numpy(np.linalg.solve(to_yiq, [y, chroma.real, chroma.imag]))
    return result


def naive_view(augment: VideoAugment, frames: np.ndarray, sample: int) -> Tensor:
    u = draws(sample)
    box = naive_box(u, frames.shape[1], frames.shape[2], augment.area)
    crops = [naive_crop(frame, box, u["flip"] < augment.flip, augment.size) for frame in frames]
    coloured = naive_colour([crop / 255 for crop in crops], u, augment.jitter, augment.jitter_p, augment.grey_p)
    if u["blur"] < augment.blur_p:
        low, high = augment.blur_sigma
        kernel = 2 * math.ceil(3 * high) + 1
        coloured = [TF.gaussian_blur(frame, [kernel] * 2, [low + (high - low) * u["sigma"]] * 2) for frame in coloured]
    return torch.stack([(frame - 0.5) / 0.25 for frame in coloured], dim=1)


# --- crop, resize, flip -------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_resample_is_interpolation_of_each_frames_crop(data: st.DataObject) -> None:
    """Crops anywhere, touching the border too, of clips padded with 255s, which must never be read."""
    sides = st.integers(1, 45)
    shapes = [(data.draw(sides), data.draw(sides)) for _ in range(data.draw(st.integers(1, 3)))]
    size = data.draw(st.integers(1, 40))
    clips = [clip(i, 2, h, w) for i, (h, w) in enumerate(shapes)]
    batch, _ = collate(clips)
    for padded, (h, w) in zip(batch, shapes, strict=True):
        padded[:, h:], padded[:, :, w:] = 255, 255
    boxes = []
    for h, w in shapes:
        ch, cw = data.draw(st.integers(1, h)), data.draw(st.integers(1, w))
        boxes.append((data.draw(st.integers(0, h - ch)), data.draw(st.integers(0, w - cw)), ch, cw))
    flips = [data.draw(st.booleans()) for _ in shapes]
    top, left, height, width = np.array(boxes, dtype=np.float64).T
    crops = Boxes(top, left, height, width, np.array(flips))
    out = video.resample(batch, crops, size)
    plain = VideoAugment("rgb", size, normalise=(0, 1))._frame_by_frame(batch, crops, video.Colours.same(len(clips)))
    for b, frames in enumerate(clips):
        expected = torch.stack([naive_crop(frame, boxes[b], flips[b], size) for frame in frames], dim=1)
        assert torch.allclose(out[b] / 255, expected / 255, atol=1e-4), (boxes[b], flips[b])
        assert torch.allclose(plain[b], expected / 255, atol=1e-4), (boxes[b], flips[b])


def test_a_whole_frame_at_its_own_size_is_unchanged() -> None:
    frames = clip(0, 3, 24, 24)
    zero, whole = np.array([0.0]), np.array([24.0])
    box = Boxes(zero, zero, whole, whole, np.array([False]))
    out = video.resample(torch.from_numpy(frames)[None], box, 24)
    assert torch.equal(out[0], torch.from_numpy(frames).permute(3, 0, 1, 2).float())


@settings(max_examples=60, deadline=None)
@given(
    h=st.integers(1, 400),
    w=st.integers(1, 400),
    low=st.floats(0.05, 1),
    high=st.floats(0.05, 1),
    seed=st.integers(0, 99),
)
def test_random_boxes_fit_the_frame_and_have_the_area(h: int, w: int, low: float, high: float, seed: int) -> None:
    area = (min(low, high), max(low, high))
    u = dict(zip(video.DRAWS, seeding.numpy_rng(seed).random((len(video.DRAWS), 8)), strict=True))
    boxes = video.random_boxes(u, torch.tensor([[h, w]] * 8), area, 0.5)
    assert (boxes.top >= 0).all() and (boxes.left >= 0).all()
    assert (boxes.top + boxes.height <= h).all() and (boxes.left + boxes.width <= w).all()
    rounding = (boxes.height + 1) * (boxes.width + 1) - boxes.height * boxes.width
    share = area[0] + (area[1] - area[0]) * u["area"]
    assert (np.abs(boxes.height * boxes.width - share * h * w) <= rounding).all()
    if area[1] <= 0.5 and min(h, w) >= 100 and max(h, w) / min(h, w) <= 1.5:
        aspect = boxes.width / boxes.height
        assert (aspect > 0.75 * 0.97).all() and (aspect < 4 / 3 * 1.03).all()


def test_random_boxes_cover_places_and_aspects() -> None:
    u = dict(zip(video.DRAWS, seeding.numpy_rng(3).random((len(video.DRAWS), 4000)), strict=True))
    boxes = video.random_boxes(u, torch.tensor([[120, 120]] * 4000), (0.2, 0.5), 0.25)
    assert boxes.flip.mean() == pytest.approx(0.25, abs=0.03)
    aspect = np.log(boxes.width / boxes.height)
    assert aspect.mean() == pytest.approx(0, abs=0.02) and aspect.std() == pytest.approx(math.log(16 / 9) / math.sqrt(12), abs=0.02)
    centre = boxes.left + boxes.width / 2
    assert centre.mean() == pytest.approx(60, abs=1.5)
    assert (boxes.left == 0).any() and (boxes.left + boxes.width == 120).any()


@given(h=st.integers(1, 300), w=st.integers(1, 300), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_random_squares_are_shares_of_the_short_side(h: int, w: int, seed: int) -> None:
    u = dict(zip(video.DRAWS, seeding.numpy_rng(seed).random((len(video.DRAWS), 300)), strict=True))
    shares = (1, 112 / 128, 112 / 144)
    boxes = video.random_squares(u, torch.tensor([[h, w]] * 300), shares, 0.5)
    assert (boxes.height == boxes.width).all() and (boxes.top >= 0).all() and (boxes.left >= 0).all()
    assert (boxes.top + boxes.height <= h).all() and (boxes.left + boxes.width <= w).all()
    sides = [max(1, round(share * min(h, w))) for share in shares]
    assert set(boxes.height) <= set(sides)
    if len(set(sides)) == 3:
        assert all(abs((boxes.height == side).mean() - 1 / 3) < 0.15 for side in sides)
    assert (boxes.left + boxes.width == w).any() or len(set(boxes.left)) > 30


@pytest.mark.parametrize("way", WAYS)
def test_views_of_squares_normalised_by_colour(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same views as with one mean and deviation for all, colour by colour."""
    monkeypatch.setattr(VideoAugment, "_views", getattr(VideoAugment, way))
    batch, sizes = batch_of_five()
    levels = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    own = VideoAugment("rgb", 16, squares=(1.0, 0.8), normalise=levels).train(batch, sizes, rngs(*range(5)))
    for colour, (mean, deviation) in enumerate(zip(*levels, strict=True)):
        one = VideoAugment("rgb", 16, squares=(1.0, 0.8), normalise=(mean, deviation)).train(batch, sizes, rngs(*range(5)))
        torch.testing.assert_close(own[:, colour], one[:, colour], atol=1e-5, rtol=0)
    with pytest.raises(InputError, match=r"augment squares \(1.2,\): give shares of the short side, above 0 and at most 1"):
        VideoAugment("rgb", 16, squares=(1.2,))


# --- colour and blur ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", range(6))
@pytest.mark.parametrize("strength", [(0.4, 0, 0, 0), (0, 0.4, 0, 0), (0, 0, 0.4, 0), (0, 0, 0, 0.1), (0.4, 0.4, 0.4, 0.1)])
def test_jitter_is_each_operation_in_turn(sample: int, strength: tuple[float, float, float, float]) -> None:
    augment = VideoAugment("rgb", 6, jitter=strength, jitter_p=1, grey_p=0, blur_p=0)
    frames = clip(sample, 2, 9, 8)
    out = augment.train(*collate([frames]), rngs(sample))[0]
    assert torch.allclose(out, naive_view(augment, frames, sample), atol=5e-4)


@pytest.mark.parametrize("factor", [-1.0, -0.3, 0.6])
def test_brightness_contrast_and_saturation_are_torchvisions(factor: float) -> None:
    """Colours in mid-range, so that torchvision's clamping after each operation does nothing; one frame a clip."""
    frames = clip(1, 1, 8, 8, low=100, high=150)
    image = torch.from_numpy(frames[0]).permute(2, 0, 1).float() / 255
    calls = {
        "brightness": TF.adjust_brightness,
        "contrast": TF.adjust_contrast,
        "saturation": TF.adjust_saturation,
    }
    for place, (name, call) in enumerate(calls.items()):
        u = {key: np.array([0.5]) for key in video.DRAWS} | {name: np.array([(1 + factor) / 2])}
        strength = [0.0, 0.0, 0.0, 0.0]
        strength[place] = 0.4
        maps = video.colour_maps(u, strength, 1.0, 0.0)
        levels = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float()
        out = video.recolour(levels, *maps)[0, :, 0]
        assert torch.allclose(out, call(image, 1 + 0.4 * factor), atol=1e-3), name


def test_a_hue_turn_keeps_greys_and_the_grey_value() -> None:
    turn = video.turned(np.array([0.07, -0.1, 0.5]))
    assert np.allclose(turn @ np.full(3, 0.3), 0.3)
    assert np.allclose(np.array(GREY) @ turn, GREY)
    assert np.allclose(video.turned(np.array([1.0])), np.eye(3))


def test_grey_has_equal_channels_and_the_luma() -> None:
    augment = VideoAugment("rgb", 8, area=(1, 1), flip=0, jitter_p=0, grey_p=1, blur_p=0)
    frames = clip(2, 2, 8, 8)
    out = augment.train(*collate([frames]), rngs(0))[0] * 0.25 + 0.5
    expected = torch.from_numpy(frames @ np.array(GREY) / 255).float()
    for channel in out:
        assert torch.allclose(channel, expected, atol=1e-5)


@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
def test_blur_is_torchvisions_on_each_frame(sigma: float) -> None:
    views = torch.rand(2, 3, 4, 16, 20, generator=torch.Generator().manual_seed(0))
    out = video.blur(views, np.array([sigma, 1.1]), 6)
    for b, own in enumerate((sigma, 1.1)):
        for t in range(4):
            assert torch.allclose(out[b, :, t], TF.gaussian_blur(views[b, :, t], [13, 13], [own, own]), atol=1e-5)


@pytest.mark.parametrize("sample", range(12))
@pytest.mark.parametrize("way", WAYS)
def test_a_view_is_the_naive_view(sample: int, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VideoAugment, "_views", getattr(VideoAugment, way))
    augment = VideoAugment("rgb", 14, jitter=(0.4, 0.4, 0.4, 0.1), jitter_p=0.8, grey_p=0.2, blur_p=0.5)
    frames = clip(sample, 2, 19, 27)
    out = augment.train(*collate([frames]), rngs(sample))[0]
    assert torch.allclose(out, naive_view(augment, frames, sample), atol=8e-4)


# --- what holds of every view --------------------------------------------------------------------------------------


def batch_of_five() -> tuple[Tensor, Tensor]:
    return collate([clip(i, 4, h, w) for i, (h, w) in enumerate([(20, 31), (33, 17), (64, 64), (9, 70), (20, 31)])])


@pytest.mark.parametrize("kind", ["rgb", "flow"])
@pytest.mark.parametrize("way", WAYS)
def test_a_view_is_bitwise_independent_of_the_other_samples(kind: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, in a padded batch, in another order."""
    monkeypatch.setattr(VideoAugment, "_views", getattr(VideoAugment, way))
    clips, sizes = batch_of_five()
    clips = clips if kind == "rgb" else clips[..., :2].contiguous()
    augment = VideoAugment("rgb" if kind == "rgb" else "flow", 16, blur_p=0.7)
    together = augment.train(clips, sizes, rngs(*range(5)))
    turned = augment.train(clips.flip(0), sizes.flip(0), rngs(*reversed(range(5))))
    assert torch.equal(together, turned.flip(0))
    for b in range(5):
        h, w = sizes[b].tolist()
        alone = augment.train(clips[b : b + 1, :, :h, :w], sizes[b : b + 1], rngs(b))
        assert torch.equal(alone[0], together[b]), b
    assert torch.equal(together, augment.train(clips, sizes, rngs(*range(5))))
    assert not torch.equal(together[0], augment.train(clips, sizes, rngs(5, 1, 2, 3, 4))[0])


@settings(max_examples=25, deadline=None)
@given(sample=st.integers(0, 10**6), kind=st.sampled_from(["rgb", "flow"]))
def test_a_still_clip_stays_still(sample: int, kind: str) -> None:
    """Clip consistency: equal frames are equal after any draw."""
    still = np.repeat(clip(0, 1, 21, 18, 3 if kind == "rgb" else 2), 5, axis=0)
    augment = VideoAugment("rgb" if kind == "rgb" else "flow", 12)
    out = augment.train(*collate([still]), rngs(sample))
    assert torch.equal(out, out[:, :, :1].expand_as(out))


@pytest.mark.parametrize("kind", ["rgb", "flow"])
@pytest.mark.parametrize("way", WAYS)
def test_the_geometry_is_that_of_the_crop(kind: Literal["rgb", "flow"], way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ramps, whose levels say where they were taken from; of one video in a batch that is padded for the other."""
    monkeypatch.setattr(VideoAugment, "_views", getattr(VideoAugment, way))
    sizes = [(120, 200), (90, 150)]
    ramps = [np.stack(np.broadcast_arrays(np.arange(h)[:, None], np.arange(w)[None], 0), -1).astype(np.uint8)[None] for h, w in sizes]
    batch = collate(ramps if kind == "rgb" else [ramp[..., :2] for ramp in ramps])
    augment = VideoAugment(kind, 64, (0.1, 0.5), 0.5, jitter_p=0, grey_p=0, blur_p=0, normalise=(0, 1), bound=1, flow_scale=1)
    flips = set()
    for sample in range(20):
        views, geometry = augment.train_with_geometry(*batch, rngs(sample, sample + 100))
        assert torch.equal(views, augment.train(*batch, rngs(sample, sample + 100))), "nothing is drawn for it"
        assert geometry["box"].shape == (2, 4) and geometry["box"].dtype == torch.float32
        assert geometry["flip"].shape == (2,) and geometry["flip"].dtype == torch.bool
        u = [draws(sample), draws(sample + 100)]
        assert geometry["flip"].tolist() == [one["flip"] < 0.5 for one in u]
        for b, (h, w) in enumerate(sizes):
            top, left, height, width = naive_box(u[b], h, w, (0.1, 0.5))
            box = geometry["box"][b].double() * torch.tensor([h, w, h, w])
            assert torch.allclose(box, torch.tensor([top, left, height, width], dtype=torch.float64), atol=1e-4)
            flips.add(bool(geometry["flip"][b]))
            if kind == "rgb":  # where the view's rows and columns lie in the frame, by what the ramps say and by the box
                across = views[b, 1, 0, 0].flip(0) if geometry["flip"][b] else views[b, 1, 0, 0]
                for seen, start, length in ((views[b, 0, 0, :, 0], box[0], box[2]), (across, box[1], box[3])):
                    place = (torch.arange(64, dtype=torch.float64) + 0.5) * length / 64 - 0.5
                    assert torch.allclose(seen.double() * 255, start + place.clamp(min=0).minimum(length - 1), atol=0.02)
    assert flips == {False, True}


def test_switching_one_operation_off_leaves_the_draws_of_the_others() -> None:
    augment = VideoAugment("rgb", 16)
    clips, sizes = batch_of_five()
    kept: list[bool] = []
    dropped: list[bool] = []
    for sample in range(20):
        same = torch.equal(
            augment.train(clips[:1], sizes[:1], rngs(sample)),
            augment.without_blur().train(clips[:1], sizes[:1], rngs(sample)),
        )
        (dropped if draws(sample)["blur"] < 0.5 else kept).append(same)
    assert kept and all(kept) and dropped and not any(dropped)
    plain = replace(augment, jitter_p=0.0, grey_p=0.0, blur_p=0.0)
    for sample in range(5):
        assert torch.allclose(
            plain.train(clips[:1], sizes[:1], rngs(sample))[0],
            naive_view(plain, clips[0, :, :20, :31].numpy(), sample),
            atol=5e-4,
        )


def test_output_form() -> None:
    clips, sizes = batch_of_five()
    out = VideoAugment("rgb", 16).train(clips, sizes, rngs(*range(5)))
    assert out.shape == (5, 3, 4, 16, 16) and out.dtype == torch.float32 and out.is_contiguous()
    assert out.min() >= -2 and out.max() <= 2
    before = clips.clone()
    VideoAugment("rgb", 16).evaluate(clips, sizes)
    assert torch.equal(before, clips)


# --- flow ----------------------------------------------------------------------------------------------------------


def test_flow_by_hand() -> None:
    """2 px right, 1 px up in a frame 32 x 16, all of it resized to 64 x 64: 2 * 64/32 = 4, -1 * 64/16 = -4, over 4."""
    levels = np.empty((3, 16, 32, 2), np.uint8)
    levels[..., 0], levels[..., 1] = (
        128 + 2 * 12.7,
        128 - 12.7,
    )  # bound 10: 12.7 levels a px; stored 153 and 115
    u, v = (153 - 128) / 12.7 * 2 / 4, (115 - 128) / 12.7 * 4 / 4
    for flip, sign in ((0.0, 1), (1.0, -1)):
        augment = VideoAugment("flow", 64, area=(1, 1), flip=flip, bound=10, flow_scale=4)
        out = augment.train(*collate([levels]), rngs(0))
        assert out.shape == (1, 2, 3, 64, 64)
        assert torch.allclose(out[:, 0], torch.tensor(sign * u), atol=1e-5)
        assert torch.allclose(out[:, 1], torch.tensor(v), atol=1e-5)


@pytest.mark.parametrize("sample", range(8))
@pytest.mark.parametrize("way", WAYS)
def test_flow_is_the_naive_flow(sample: int, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VideoAugment, "_views", getattr(VideoAugment, way))
    augment = VideoAugment("flow", 10, area=(0.3, 1), bound=20, flow_scale=4)
    frames, u = clip(sample, 3, 22, 15, c=2, low=1), draws(sample)
    top, left, h, w = naive_box(u, 22, 15, augment.area)
    flip = u["flip"] < 0.5
    expected = []
    for frame in frames:
        field = torch.from_numpy((frame.astype(np.float32) - 128) * 20 / 127)[top : top + h, left : left + w]
        field = F.interpolate(field.permute(2, 0, 1)[None], size=(10, 10), mode="bilinear")[0]
        field = torch.stack([field[0] * 10 / w, field[1] * 10 / h])
        if flip:
            field = torch.stack([-TF.hflip(field[0]), TF.hflip(field[1])])
        expected.append(field.clamp(-20, 20) / 4)
    out = augment.train(*collate([frames]), rngs(sample))[0]
    assert torch.allclose(out, torch.stack(expected, dim=1), atol=2e-3)  # up to 40 px between neighbours


def test_no_motion_is_zero_and_large_motion_is_clamped() -> None:
    augment = VideoAugment("flow", 16, bound=20, flow_scale=4)
    still = collate([np.full((2, 9, 12, 2), 128, np.uint8), np.full((2, 16, 16, 2), 128, np.uint8)])
    assert torch.equal(augment.train(*still, rngs(0, 1)), torch.zeros(2, 2, 2, 16, 16))
    fast = augment.evaluate(*collate([np.full((2, 4, 4, 2), 255, np.uint8)]))
    assert torch.equal(fast, torch.full((1, 2, 2, 16, 16), 5.0))


@pytest.mark.parametrize("sample", range(3))
def test_zero_mean_takes_the_mean_displacement_of_each_step_off(sample: int) -> None:
    """So that a moving camera leaves no trace: the same flow with other displacements of whole steps gives the same views."""
    frames = clip(sample, 3, 22, 15, c=2, low=60, high=190)
    moved = (frames + np.array([[3, -7], [0, 20], [-11, 4]])[:, None, None]).astype(np.uint8)
    plain, centred = (VideoAugment("flow", 10, area=(0.3, 1), bound=20, flow_scale=4, zero_mean=zero_mean) for zero_mean in (False, True))
    for views in (
        lambda augment, frames: augment.train(*collate([frames]), rngs(sample)),
        lambda augment, frames: augment.evaluate(*collate([frames])),
    ):
        flow, result = views(plain, frames), views(centred, frames)
        for step in range(3):
            for way in range(2):
                expected = flow[0, way, step] - flow[0, way, step].double().mean()
                assert torch.allclose(result[0, way, step].double(), expected.double(), atol=1e-5)
        assert torch.allclose(views(centred, moved), result, atol=1e-4) and not torch.allclose(views(plain, moved), flow, atol=0.1)


# --- test time ------------------------------------------------------------------------------------------------------


def test_evaluation_is_the_resized_centre_crop() -> None:
    clips, sizes = batch_of_five()
    out = VideoAugment("rgb", 16).evaluate(clips, sizes)
    for b, (h, w) in enumerate(sizes.tolist()):
        side = min(h, w)
        box = ((h - side) // 2, (w - side) // 2, side, side)
        expected = torch.stack([naive_crop(frame, box, False, 16) for frame in clips[b].numpy()], dim=1)
        assert torch.allclose(out[b], (expected / 255 - 0.5) / 0.25, atol=5e-4)


def test_evaluation_draws_nothing() -> None:
    clips, sizes = batch_of_five()
    state, numpy_state = torch.get_rng_state(), str(np.random.get_state())
    first = list(VideoAugment("rgb", 16).crops(clips, sizes, 10))
    second = list(VideoAugment("rgb", 16).crops(clips, sizes, 10))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(state, torch.get_rng_state()) and numpy_state == str(np.random.get_state())


def test_ten_crops_are_centre_and_corners_each_flipped() -> None:
    frames = clip(5, 2, 16, 24)
    batch = collate([frames])
    side = 14
    boxes = [(1, 5, side, side)] + [(top, left, side, side) for top in (0, 2) for left in (0, 10)]
    expected = [torch.stack([naive_crop(frame, box, flip, 8) for frame in frames], dim=1) for box in boxes for flip in (False, True)]
    crops = list(VideoAugment("rgb", 8).crops(*batch, 10))
    assert len(crops) == 10
    for crop, levels in zip(crops, expected, strict=True):
        assert torch.allclose(crop[0], (levels / 255 - 0.5) / 0.25, atol=5e-4)
    one, mirrored = VideoAugment("rgb", 8).crops(*batch, 2)
    assert torch.equal(one.flip(-1), mirrored)
    assert torch.equal(one, VideoAugment("rgb", 8).evaluate(*batch))
    u, mirrored_u = VideoAugment("flow", 8).crops(batch[0][..., :2], batch[1], 2)
    assert torch.equal(-u[:, 0].flip(-1), mirrored_u[:, 0]) and torch.equal(u[:, 1].flip(-1), mirrored_u[:, 1])


def test_mistakes_are_named() -> None:
    with pytest.raises(InputError, match="depth"):
        VideoAugment("depth", 16)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="area"):
        VideoAugment("rgb", 16, area=(0.5, 0.2))
    with pytest.raises(InputError, match="sigma"):
        VideoAugment("rgb", 16, blur_sigma=(0, 1))
    with pytest.raises(InputError, match="3 test crops"):
        list(VideoAugment("rgb", 16).crops(*batch_of_five(), 3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", ["rgb", "flow"])
def test_a_gpu_gives_the_same_views(kind: str) -> None:
    clips, sizes = batch_of_five()
    clips = clips if kind == "rgb" else clips[..., :2].contiguous()
    augment = VideoAugment("rgb" if kind == "rgb" else "flow", 16)
    host = augment.train(clips, sizes, rngs(*range(5)))
    assert torch.allclose(augment.train(clips.cuda(), sizes.cuda(), rngs(*range(5))).cpu(), host, atol=1e-3)
