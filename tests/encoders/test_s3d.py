import pytest
import torch
from torchvision.models.video import s3d

from videossl.encoders.s3d import S3D


def test_parameters_and_shapes_of_the_paper() -> None:
    encoder = S3D()
    assert sum(p.numel() for p in encoder.parameters()) == 7_910_048
    assert encoder.out_features == 1024
    assert encoder.shapes((2, 3, 32, 128, 128)) == [
        (2, 64, 16, 64, 64),
        (2, 192, 16, 32, 32),
        (2, 480, 16, 16, 16),
        (2, 832, 8, 8, 8),
        (2, 1024, 4, 4, 4),
    ]


@pytest.mark.parametrize("training", [False, True])
def test_every_block_equals_torchvision(training: bool) -> None:
    torch.manual_seed(0)
    theirs = s3d().features
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm3d):  # not the trivial ones
            module.momentum = 0.1
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    ours = S3D()
    assert [v.shape for v in ours.state_dict().values()] == [v.shape for v in theirs.state_dict().values()]
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    ours.double().train(training)  # in single precision rounding grows from block to block
    theirs.double().train(training)
    x = y = torch.randn(2, 3, 8, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        for block, (start, stop) in zip(ours, [(0, 1), (1, 4), (4, 7), (7, 13), (13, 16)], strict=True):
            x, y = block(x), theirs[start:stop](y)
            torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-9)
    for mine, other in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("width", [0.125, 0.25, 0.5, 2.0])
def test_width_scales_every_map(width: float) -> None:
    encoder = S3D(in_channels=2, width=width)
    channels = [shape[1] for shape in encoder.shapes((1, 2, 8, 32, 32))]
    for scaled, full in zip(channels, (64, 192, 480, 832, 1024), strict=True):
        assert scaled % 4 == 0 and scaled == pytest.approx(full * width, abs=2 * 4)
    assert channels == sorted(channels)
    assert encoder.pool(encoder.eval()(torch.zeros(3, 2, 8, 32, 32))).shape == (3, encoder.out_features)


def test_batch_norm_momentum_is_passed_on() -> None:
    norms = [m for m in S3D(width=0.125, bn_momentum=0.01).modules() if isinstance(m, torch.nn.BatchNorm3d)]
    assert norms and all(m.momentum == 0.01 and m.eps == 1e-3 for m in norms)


def test_layout_of_weights_and_input_does_not_matter() -> None:
    torch.manual_seed(0)
    encoder = S3D(width=0.125).eval()
    x = torch.randn(2, 3, 8, 32, 32)
    expected = encoder(x)
    torch.testing.assert_close(encoder(x.contiguous(memory_format=torch.channels_last_3d)), expected)
    encoder.to(memory_format=torch.contiguous_format)
    torch.testing.assert_close(encoder(x), expected, rtol=1e-4, atol=1e-5)
