import pytest
import torch

from videossl.errors import InputError
from videossl.mix.axes import AXES, Pair
from videossl.mix.pairs import Layers, draw_layers, pairs
from videossl.seeding import torch_rng

# (B, C, T, H, W) after three blocks of one encoder, and after four of another that keeps time longer.
FIRST = [(1, 8, 8, 16, 16), (1, 16, 4, 8, 8), (1, 32, 2, 4, 4)]
SECOND = [(1, 8, 8, 16, 16), (1, 16, 8, 8, 8), (1, 32, 4, 4, 4), (1, 64, 2, 2, 2)]


def test_pairs_that_may_be_drawn() -> None:
    assert pairs("here", FIRST, FIRST, AXES, "random") == [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3)]
    deeper = [(1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]  # a third of one encoder is less than half of the other
    assert pairs("here", FIRST, SECOND, AXES, "random") == deeper
    assert pairs("here", SECOND, FIRST, AXES, "random") == [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3), (4, 3)]
    assert pairs("here", SECOND, FIRST, AXES, "same") == [(1, 1), (2, 2), (3, 3)]
    assert pairs("here", FIRST, SECOND, AXES, (3, 4)) == [(3, 4)]
    assert pairs("here", FIRST, FIRST, AXES, "same", "manifold-mixup") == [(1, 1), (2, 2), (3, 3)]
    assert pairs("here", FIRST, [(9, *shape[1:]) for shape in FIRST], AXES, "same", "cm-mixup") == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize(
    ("layers", "depths", "blocks"),
    [("random", (3, 3), None), ("random", (3, 4), None), ("same", (4, 3), None), ("random", (4, 4), (2, 4)), ((3, 4), (3, 4), None)],
)
def test_what_is_drawn_is_what_may_be(layers: str | tuple[int, int], depths: tuple[int, int], blocks: tuple[int, ...] | None) -> None:
    rng, chosen = torch_rng(0), Layers("here", layers, depths, blocks)
    assert {chosen.draw(rng) for _ in range(300)} == set(chosen.pairs())


def test_layers_of_encoders_of_different_depth() -> None:
    """5 blocks and 10: after the k-th of five come those from 2 k on of ten, each as likely as the next."""
    rng = torch_rng(0)
    drawn = [draw_layers(range(1, 6), rng, range(1, 11), (5, 10)) for _ in range(5000)]
    assert set(drawn) == {(k, ell) for k in range(1, 6) for ell in range(2 * k, 11)}
    first = [ell for k, ell in drawn if k == 1]
    assert all(first.count(ell) == pytest.approx(1000 / 9, abs=40) for ell in range(2, 11))
    back = {draw_layers(range(1, 11), rng, range(1, 6), (10, 5)) for _ in range(2000)}
    assert back == {(k, ell) for k in range(1, 11) for ell in range(-(-k // 2), 6)}


def test_layers_are_uniform_and_ordered() -> None:
    rng = torch_rng(0)
    pairs = [draw_layers((1, 2, 3, 4, 5), rng) for _ in range(5000)]
    for k in range(1, 6):
        of_k = [ell for first, ell in pairs if first == k]
        assert abs(len(of_k) / 5000 - 1 / 5) < 0.02
        for ell in range(1, 6):
            expected = 0 if ell < k else 1 / (6 - k)
            assert abs(of_k.count(ell) / len(of_k) - expected) < 0.06
    assert {draw_layers((4, 2), rng) for _ in range(100)} == {(2, 2), (2, 4), (4, 4)}
    with pytest.raises(InputError, match="no block is eligible"):
        draw_layers((), rng)
    with torch.device("meta"):
        draw_layers((1, 2, 3), rng)


@pytest.mark.parametrize(
    ("layers", "blocks", "message"),
    [
        ((4, 4), None, r"^here: layers \(4, 4\): give \(k, l\) within 1..3 and 1..4$"),
        ("random", (), r"^here: blocks \[\]: give some of 1..3$"),
        ("same", (2, 4), r"^here: blocks \[2, 4\]: give some of 1..3$"),
    ],
)
def test_blocks_that_are_not_there_are_named(layers: str | tuple[int, int], blocks: tuple[int, ...] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Layers("here", layers, (3, 4), blocks)


VIDEO = [(1, 64, 16, 64, 64), (1, 192, 16, 32, 32), (1, 480, 16, 16, 16), (1, 832, 8, 8, 8), (1, 1024, 4, 4, 4)]  # S3D's blocks
SKELETON = [*[(2, 16, 50, 25)] * 4, *[(2, 32, 25, 25)] * 3, *[(2, 64, 13, 25)] * 2, (2, 256, 13, 25)]  # ST-GCN's layers
JOINT: Pair = (("channel", "time", "joint"), None)


def test_pairs_of_unlike_encoders() -> None:
    """The paper's fixed blocks, and all pairs where the second is at least as deep in its encoder."""
    assert pairs("here", VIDEO, SKELETON, AXES, (4, 8), patch=(5, 5), dims=JOINT[::-1]) == [(4, 8)]
    assert pairs("here", SKELETON, VIDEO, AXES, (8, 4), patch=(3, 3), dims=JOINT) == [(8, 4)]
    deeper = [(k, ell) for k in range(1, 6) for ell in range(2 * k, 11)]
    assert pairs("here", VIDEO, SKELETON, AXES, "random", dims=JOINT[::-1]) == deeper
    deeper = [(k, ell) for k in range(1, 11) for ell in range((k + 1) // 2, 6)]
    assert pairs("here", SKELETON, VIDEO, AXES, "random", dims=JOINT) == deeper
    with pytest.raises(InputError, match=r"^here: block 8 cannot be mixed with block 5: .*\(1024, 4, 4, 4\).*a patch of 5 x 5 is larger"):
        pairs("here", SKELETON, VIDEO, AXES, (8, 5), patch=(5, 5), dims=JOINT)
    with pytest.raises(InputError, match=r"a patch of 3 x 3 for maps .*only space that differs in kind"):
        pairs("here", VIDEO, VIDEO, AXES, (4, 4), patch=(3, 3))
    with pytest.raises(InputError, match=r"^here: block 4 cannot be mixed with block 8: .*\(64, 13, 25\) has 3 axes.*give dims"):
        pairs("here", VIDEO, SKELETON, AXES, (4, 8))


@pytest.mark.parametrize(
    "axes, layers, mixing, message",
    [
        (
            ("space", "channel"),
            "same",
            "cm-cutmix",
            r"^here: block 2 cannot be mixed with block 2: .*\(16, 4, 8, 8\) and \(16, 8, 8, 8\).*time",
        ),
        (("space",), (1, 4), "cm-cutmix", r"^here: block 1 cannot be mixed with block 4: .*\(8, 8, 16, 16\) and \(64, 2, 2, 2\).*channel"),
        (
            AXES,
            "same",
            "cm-mixup",
            r"^here: block 2 cannot be mixed with block 2: .*\(16, 4, 8, 8\) and \(16, 8, 8, 8\): they must be equal",
        ),
        (AXES, (4, 4), "cm-cutmix", r"^here: layers \(4, 4\): give \(k, l\) within 1..3 and 1..4"),
        (AXES, "random", "cm-mixup", "^here: cm-mixup with layers 'random'.*set layers to same"),
        (("space",), "same", "manifold-mixup", "^here: manifold-mixup with axes.*space, time, channel"),
        (AXES, "same", "cutout", "^here: mixing 'cutout' is unknown: choose of manifold-mixup, cm-mixup, cm-cutmix"),
        (AXES, "any", "cm-cutmix", "^here: layers 'any' is unknown: choose of random, same"),
        (("depth",), "same", "cm-cutmix", "^here: axis 'depth' is unknown: choose of space, time, channel"),
        ((), "same", "cm-cutmix", "^here: axes are empty"),
    ],
)
def test_what_cannot_be_mixed_is_one_line_that_names_it(
    axes: tuple[str, ...], layers: str | tuple[int, int], mixing: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        pairs("here", FIRST, SECOND, axes, layers, mixing)
    assert "\n" not in str(error.value)
