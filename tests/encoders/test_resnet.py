"""R3D-18 and R(2+1)D-18 against torchvision's, and I3D by its numbers."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torchvision.models import video

from videossl.encoders.base import Encoder
from videossl.encoders.i3d import I3D
from videossl.encoders.r2plus1d_18 import R2Plus1D18
from videossl.encoders.r3d_18 import R3D18
from videossl.mix.pairs import pairs

OF_TORCHVISION = [(R3D18, video.r3d_18), (R2Plus1D18, video.r2plus1d_18)]
# Parameters, block by block, for RGB at width 1.
SIZES = [
    (R2Plus1D18, (15_473, 444_032, 1_470_360, 5_874_736, 23_495_524), 31_300_125),
    (R3D18, (28_352, 442_880, 1_557_760, 6_228_480, 24_908_800), 33_166_272),
]


@pytest.mark.parametrize(("make", "blocks", "total"), SIZES)
def test_parameters_and_shapes_of_the_paper(make: Callable[[], Encoder], blocks: tuple[int, ...], total: int) -> None:
    encoder = make()
    assert tuple(sum(p.numel() for p in block.parameters()) for block in encoder) == blocks and sum(blocks) == total
    assert encoder.out_features == 512 and list(dict(encoder.named_children())) == ["stem", "layer1", "layer2", "layer3", "layer4"]
    assert encoder.shapes((1, 3, 16, 112, 112)) == [
        (1, 64, 16, 56, 56),
        (1, 64, 16, 56, 56),
        (1, 128, 8, 28, 28),
        (1, 256, 4, 14, 14),
        (1, 512, 2, 7, 7),
    ]


def test_parameters_and_shapes_of_i3d() -> None:
    encoder = I3D()
    assert sum(p.numel() for p in encoder.parameters()) == 12_287_264 and encoder.out_features == 1024
    shapes = [(1, 64, 8, 64, 64), (1, 192, 8, 32, 32), (1, 480, 8, 16, 16), (1, 832, 4, 8, 8), (1, 1024, 2, 4, 4)]
    assert encoder.shapes((1, 3, 16, 128, 128)) == shapes, "at 224 pixels 112, 56, 28, 14 and 7 of them"


@pytest.mark.parametrize(("ours", "theirs"), OF_TORCHVISION)
@pytest.mark.parametrize("training", [False, True])
def test_every_block_equals_torchvision(ours: Callable[[], Encoder], theirs: Callable[[], nn.Module], training: bool) -> None:
    torch.manual_seed(0)
    other = theirs()
    for module in other.modules():
        if isinstance(module, nn.BatchNorm3d):  # not the trivial ones
            for values, low, high in ((module.weight, 0.5, 1.5), (module.bias, -0.5, 0.5), (module.running_var, 0.5, 1.5)):
                nn.init.uniform_(values, low, high)
    encoder = ours()
    encoder.load_state_dict({name: value for name, value in other.state_dict().items() if not name.startswith("fc.")})
    encoder.double().train(training)
    other.double().train(training)
    x = y = torch.randn(2, 3, 5, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        for name, block in encoder.named_children():
            x, y = block(x), getattr(other, name)(y)
            torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-9)
    for name, value in encoder.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("make", [R3D18, R2Plus1D18, I3D])
@pytest.mark.parametrize("width", [0.125, 0.5])
def test_width_scales_every_map(make: Callable[..., Encoder], width: float) -> None:
    full = [shape[1] for shape in make().shapes((1, 3, 5, 17, 17))]
    encoder = make(2, width)
    assert [shape[1] for shape in encoder.shapes((1, 2, 5, 17, 17))] == [channels * width for channels in full]
    assert encoder.pool(encoder.eval()(torch.zeros(3, 2, 5, 17, 17))).shape == (3, encoder.out_features)


@pytest.mark.parametrize("make", [R3D18, R2Plus1D18])
def test_one_frame_of_one_pixel_is_enough(make: Callable[..., Encoder]) -> None:
    assert make(3, 0.125).shapes((1, 3, 1, 1, 1))[-1] == (1, 64, 1, 1, 1)


def test_maps_of_all_video_encoders_can_be_mixed() -> None:
    """Between any two, at random blocks: rgb by one, flow by the other."""
    shapes = [make(channels, 0.125).shapes((1, channels, 8, 32, 32)) for make in (R3D18, R2Plus1D18, I3D) for channels in (3, 2)]
    for first in shapes:
        for second in shapes:
            assert len(pairs("rgb with flow", first, second, ("space", "time", "channel"), "random")) == 15
