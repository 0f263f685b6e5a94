import pytest
import torch

from videossl.encoders.st_gcn import STGCN, Fold, GraphLayer, adjacency, build
from videossl.errors import InputError
from videossl.skeleton_graphs import GRAPHS


def test_shapes_and_channels_of_the_paper() -> None:
    encoder = STGCN()
    channels = [16] * 4 + [32] * 3 + [64] * 2 + [256]
    times = [50] * 4 + [25] * 3 + [13] * 3
    assert encoder.shapes((2, 3, 50, 25, 2)) == [(4, c, t, 25) for c, t in zip(channels, times, strict=True)]
    assert encoder.out_features == 256
    assert [name for name, _ in encoder.named_children()] == [f"layer{n}" for n in range(1, 11)]


def test_bodies_are_folded_in_order_and_averaged() -> None:
    torch.manual_seed(0)
    encoder = STGCN(width=0.125).eval()
    x = torch.randn(3, 3, 8, 25, 2)
    maps = encoder(x)
    for sample in range(3):
        for body in range(2):
            alone = encoder(x[sample : sample + 1, ..., body : body + 1].expand(-1, -1, -1, -1, 2))
            torch.testing.assert_close(maps[2 * sample + body], alone[0], rtol=1e-4, atol=1e-5)
    expected = torch.stack([maps[2 * i : 2 * i + 2].mean((0, 2, 3)) for i in range(3)])
    torch.testing.assert_close(encoder.pool(maps), expected)
    swapped = encoder.pool(encoder(x.flip(-1)))
    torch.testing.assert_close(swapped, encoder.pool(maps), rtol=1e-4, atol=1e-5)


def test_fold_puts_every_number_in_its_place() -> None:
    x = torch.randn(3, 3, 8, 25, 2)
    y = Fold(3, 25, 2).eval()(x)  # in eval mode a new norm changes nothing but the eps
    for sample in range(3):
        for body in range(2):
            torch.testing.assert_close(y[2 * sample + body], x[sample, ..., body], rtol=1e-4, atol=1e-4)


def test_input_norm_has_a_mean_for_each_joint_and_coordinate() -> None:
    fold = Fold(3, 25, 2).train()
    offsets = torch.randn(3, 1, 25, 1) * 5
    x = torch.randn(16, 3, 10, 25, 2) * 0.3 + offsets
    y = fold(x)
    assert y.shape == (32, 3, 10, 25)
    torch.testing.assert_close(y.mean((0, 2)), torch.zeros(3, 25), atol=1e-4, rtol=0)
    torch.testing.assert_close(y.std((0, 2)), torch.ones(3, 25), atol=1e-2, rtol=0)


@pytest.mark.parametrize(("partition", "counts"), [("paper", [25, 24, 24]), ("public", [25, 40, 8])])
def test_the_partitions_in_numbers(partition: str, counts: list[int]) -> None:
    """And edge by edge, with the steps to the centre counted by hand: joint 21 is the centre, 2, 3, 5 and 9 are beside it."""
    weights = adjacency(GRAPHS["ntu-rgb+d"], partition)
    assert [int((subset > 0).sum()) for subset in weights] == counts
    torch.testing.assert_close(weights.sum((0, 1)), torch.ones(25))
    steps = dict(zip(range(1, 26), [2, 1, 1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 3, 4, 5, 6, 3, 4, 5, 6, 0, 6, 5, 6, 5], strict=True))
    far = {joint: min(step, 2) if partition == "public" else step for joint, step in steps.items()}
    for a, b in GRAPHS["ntu-rgb+d"].edges:
        for start, end in ((a, b), (b, a)):
            subset = 1 if far[start] >= far[end] else 2
            assert [bool(weights[number, start - 1, end - 1] > 0) for number in range(3)] == [number == subset for number in range(3)]


def test_dropout_is_a_setting_and_off_where_nothing_is_said() -> None:
    x = torch.randn(2, 3, 8, 25, 2)
    for settings, same in (({}, True), ({"dropout": 0.5}, False)):
        encoder = build(3, {"width": 0.125, **settings}).train()
        torch.manual_seed(0)
        once = encoder(x)
        assert torch.equal(once, encoder(x)) == same
        assert torch.equal(encoder.eval()(x), encoder(x))


def test_graph_layer_equals_naive_loops() -> None:
    """Graph convolution written as sums over subsets and joints, with importance that is not 1."""
    torch.manual_seed(0)
    a = adjacency(GRAPHS["ntu-rgb+d"])
    layer = GraphLayer(2, 4, 2, a, dropout=0.0).eval()
    torch.nn.init.uniform_(layer.importance, 0.5, 1.5)
    x = torch.randn(2, 2, 6, 25)
    weight = layer.spread.weight.view(3, 4, 2)
    bias = layer.spread.bias.view(3, 4)
    y = torch.zeros(2, 4, 6, 25)
    for w in range(25):
        for v in range(25):
            for k in range(3):
                edge = a[k, v, w] * layer.importance[k, v, w]
                if a[k, v, w] > 0:
                    y[..., w] += edge * (torch.einsum("oc,nct->not", weight[k], x[..., v]) + bias[k, :, None])
    expected = torch.relu(layer.temporal(y) + layer.residual(x))
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)
    assert expected.shape == (2, 4, 3, 25)


def test_each_layer_learns_its_edges_importance() -> None:
    encoder = STGCN(width=0.125)
    encoder(torch.randn(2, 3, 8, 25, 2)).square().mean().backward()
    a = adjacency(GRAPHS["ntu-rgb+d"])
    importances = [p for name, p in encoder.named_parameters() if name.endswith("importance")]
    assert len(importances) == 10
    for importance in importances:
        assert torch.equal(importance.detach(), torch.ones(3, 25, 25))
        assert (importance.grad[a == 0] == 0).all() and importance.grad[a > 0].abs().sum() > 0


@pytest.mark.parametrize("shape", [(2, 3, 8, 24, 2), (2, 2, 8, 25, 2), (2, 3, 8, 25, 1), (2, 3, 8, 25)])
def test_wrong_skeletons_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"skeletons of shape .* \(B, 3, T, 25, 2\)"):
        STGCN(width=0.125)(torch.zeros(shape))


def test_unknown_graph_is_named() -> None:
    with pytest.raises(InputError, match=r"'kinect'.*ntu-rgb\+d, ntu-rgb\+d-hands, msr-action3d, coco"):
        STGCN(graph="kinect")
    with pytest.raises(InputError, match=r"'mine'.*paper, public"):
        STGCN(partition="mine")
