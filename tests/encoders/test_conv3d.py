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
