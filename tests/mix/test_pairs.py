import pytest

from videossl.errors import InputError
from videossl.mix.cutmix import AXES
from videossl.mix.pairs import pairs

# (B, C, T, H, W) after three blocks of one encoder, and after four of another that keeps time longer.
FIRST = [(1, 8, 8, 16, 16), (1, 16, 4, 8, 8), (1, 32, 2, 4, 4)]
SECOND = [(1, 8, 8, 16, 16), (1, 16, 8, 8, 8), (1, 32, 4, 4, 4), (1, 64, 2, 2, 2)]


def test_pairs_that_may_be_drawn() -> None:
    assert pairs("here", FIRST, SECOND, AXES, "random") == [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3)]
    assert pairs("here", SECOND, FIRST, AXES, "same") == [(1, 1), (2, 2), (3, 3)]
    assert pairs("here", FIRST, SECOND, AXES, (3, 4)) == [(3, 4)]
    assert pairs("here", FIRST, FIRST, AXES, "same", "manifold-mixup") == [(1, 1), (2, 2), (3, 3)]
    assert pairs("here", FIRST, [(9, *shape[1:]) for shape in FIRST], AXES, "same", "cm-mixup") == [(1, 1), (2, 2), (3, 3)]


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
