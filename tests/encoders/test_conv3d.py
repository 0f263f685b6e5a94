from collections.abc import Callable

import pytest
import torch
from torch import nn

from videossl.encoders.conv3d import FEW, Conv3d
from videossl.encoders.i3d import I3D
from videossl.encoders.r2plus1d_18 import R2Plus1D18
from videossl.encoders.r3d_18 import R3D18
from videossl.encoders.s3d import S3D


@pytest.mark.parametrize("clips", [1, 3])
@pytest.mark.parametrize("laid_out", [torch.contiguous_format, torch.channels_last_3d])
def test_few_clips_are_convolved_as_many_are(clips: int, laid_out: torch.memory_format) -> None:
    """Each convolution of the encoders, many as a 2D one, gives what nn.Conv3d gives, and the same gradients."""
    torch.manual_seed(0)
    encoders = [make(width=0.125).double() for make in (S3D, I3D, R3D18, R2Plus1D18)]
    layers = [layer for encoder in encoders for layer in encoder.modules() if isinstance(layer, Conv3d)]
    kinds = {(each.kernel_size, each.stride, each.padding): each for each in layers}
    assert len(kinds) >= 12 and clips < FEW
    for each in kinds.values():
        x = torch.randn(clips, each.in_channels, 9, 11, 12, dtype=torch.double).to(memory_format=laid_out).requires_grad_()
        ours, theirs = each(x), nn.Conv3d.forward(each, x)
        torch.testing.assert_close(ours, theirs)
        weights = torch.randn_like(theirs)
        gradients = [torch.autograd.grad((y * weights).sum(), (x, each.weight)) for y in (ours, theirs)]
        torch.testing.assert_close(*gradients)


SHORT = [(lambda: S3D(width=0.25).block1, 3, 4, 32, frames) for frames in (5, 6, 7, 8)]
SHORT += [(lambda make=make: make(width=0.25).layer2[0], 16, 16, 8, frames) for make in (R3D18, R2Plus1D18) for frames in (1, 2, 3)]


@pytest.mark.parametrize(("make", "channels", "clips", "size", "frames"), SHORT)
def test_short_clips_learn_as_in_double_precision(make: Callable[[], nn.Module], channels: int, clips: int, size: int, frames: int) -> None:
    """With a stride over time and clips no longer than the kernel torch 2.15 crashes in the backward pass: S3D's kernel is 7, of 5 to 7 frames."""
    torch.manual_seed(0)
    block, exact = make(), make()
    exact.load_state_dict(block.state_dict())
    exact.double()
    x = torch.randn(clips, channels, frames, size, size)
    for _ in range(10):  # what is written beyond memory shows late
        for module, clip in ((block, x), (exact, x.double())):
            module.zero_grad()
            module(clip).square().mean().backward()
    for mine, theirs in zip(block.parameters(), exact.parameters(), strict=True):
        scale = float(theirs.grad.abs().max())
        torch.testing.assert_close(mine.grad.double() / scale, theirs.grad / scale, rtol=0, atol=1e-4)
