import pytest

from videossl.errors import InputError
from videossl.mix.cutmix import AXES
from videossl.mix.pairs import pairs

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


VIDEO = [(1, 64, 16, 64, 64), (1, 192, 16, 32, 32), (1, 480, 16, 16, 16), (1, 832, 8, 8, 8), (1, 1024, 4, 4, 4)]  # S3D's blocks
SKELETON = [*[(2, 16, 50, 25)] * 4, *[(2, 32, 25, 25)] * 3, *[(2, 64, 13, 25)] * 2, (2, 256, 13, 25)]  # ST-GCN's layers


def test_pairs_of_unlike_encoders() -> None:
    """The paper's fixed blocks, and all pairs of which the second is at least as deep in its encoder."""
    assert pairs("here", VIDEO, SKELETON, AXES, (4, 8), patch=(5, 5)) == [(4, 8)]
    assert pairs("here", SKELETON, VIDEO, AXES, (8, 4), patch=(3, 3)) == [(8, 4)]
    assert pairs("here", VIDEO, SKELETON, AXES, "random") == [(k, ell) for k in range(1, 6) for ell in range(2 * k, 11)]
    assert pairs("here", SKELETON, VIDEO, AXES, "random") == [(k, ell) for k in range(1, 11) for ell in range((k + 1) // 2, 6)]
    with pytest.raises(InputError, match=r"^here: block 8 cannot be mixed with block 5: .*\(1024, 4, 4, 4\).*a patch of 5 x 5 is larger"):
        pairs("here", SKELETON, VIDEO, AXES, (8, 5), patch=(5, 5))
    with pytest.raises(InputError, match=r"a patch of 3 x 3 for maps .*only space that differs in kind"):
        pairs("here", VIDEO, VIDEO, AXES, (4, 4), patch=(3, 3))


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
