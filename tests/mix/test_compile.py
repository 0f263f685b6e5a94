"""The mixes under torch.compile and autocast: the values of eager mode, and no compilation for each box or lam."""

import shutil
from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn.functional import linear

from videossl.mix import cutmix as module
from videossl.mix.axes import AXES
from videossl.mix.cutmix import Box, cutmix, draw_box
from videossl.mix.mixup import blend, draw_lam
from videossl.mix.strategies import BOXES, FEATURES, INPUT, mix_features, mix_inputs
from videossl.seeding import torch_rng

SHAPE1, SHAPE2 = (4, 3, 6, 5), (7, 2, 3, 3)
Counter = CompileCounterWithBackend
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda x: x,
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last_3d),
    "every second column": lambda x: x.repeat_interleave(2, -1)[..., ::2],
    "axes moved": lambda x: x.transpose(1, 3).contiguous().transpose(1, 3),
}


@pytest.fixture
def eager_graphs() -> Iterator[Counter]:
    """A backend that counts the graphs it is given and runs them as they are."""
    torch._dynamo.reset()
    yield Counter("aot_eager")
    torch._dynamo.reset()


@pytest.fixture
def generated_code() -> Iterator[Counter]:
    """The same with code made by a compiler."""
    if shutil.which("g++") is None:
        pytest.skip("no g++ here")
    torch._dynamo.reset()
    yield Counter("inductor")
    torch._dynamo.reset()


def boxes(count: int = 20) -> list[Box]:
    """Drawn boxes, and by hand the whole map, a cell in the first corner and one in the last."""
    rng = torch_rng(0)
    corners = [((0, 1),) * 4, tuple((n - 1, n) for n in SHAPE1)]
    fixed = [Box(corner, ((1, 2),) * 4) for corner in corners]
    return [
        *fixed,
        Box(((0, 4), (0, 2), (0, 3), (0, 3)), ((3, 7), (0, 2), (0, 3), (0, 3))),
        *(draw_box(SHAPE1, SHAPE2, rng) for _ in range(count)),
    ]


def maps(layout: str = "contiguous") -> tuple[Tensor, Tensor]:
    rng = torch_rng(1)
    return LAYOUTS[layout](torch.randn(3, *SHAPE1, generator=rng)), LAYOUTS[layout](torch.randn(3, *SHAPE2, generator=rng))


def run(function: Callable[..., tuple[Tensor, float | Tensor]], x: Tensor, *rest: object) -> tuple[Tensor, Tensor, Tensor]:
    """What `function` makes of a leaf `x`, lam as a tensor, and the gradient of `x` under uneven weights."""
    leaf = x.detach().requires_grad_()
    mixed, lam = function(leaf, *rest)
    (mixed * torch.linspace(1, 2, mixed.numel(), dtype=mixed.dtype).view_as(mixed)).sum().backward()
    assert leaf.grad is not None
    return mixed.detach(), torch.as_tensor(lam, dtype=torch.float64), leaf.grad


def compare(
    counter: Counter, function: Callable[..., tuple[Tensor, float | Tensor]], calls: Sequence[tuple[object, ...]], graphs: int
) -> None:
    """The compiled function against the function, call by call; at most so many graphs for all calls."""
    compiled = torch.compile(function, backend=counter, fullgraph=True)
    for x, *rest in calls:
        assert isinstance(x, Tensor)
        (mixed, lam, grad), (expected, expected_lam, expected_grad) = run(compiled, x, *rest), run(function, x, *rest)
        torch.testing.assert_close(mixed, expected, rtol=2e-6, atol=1e-6, check_stride=True)
        torch.testing.assert_close(grad, expected_grad, rtol=2e-6, atol=1e-6)
        assert torch.equal(lam, expected_lam)
    assert counter.frame_count <= graphs


def paste(x: Tensor, g2: Tensor, box: Box | Sequence[Box]) -> tuple[Tensor, float | Tensor]:
    """Cutmix between what a compiler can fuse."""
    mixed, lam = cutmix(x * 2, g2, box)
    return mixed + 1, lam


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cutmix_is_compiled_once_for_all_boxes(layout: str, eager_graphs: Counter) -> None:
    x, g2 = maps(layout)
    compare(eager_graphs, cutmix, [(x, g2, box) for box in boxes()], graphs=1)


def test_cutmix_of_a_box_a_sample_is_compiled_once(eager_graphs: Counter) -> None:
    x, g2 = maps()
    each = boxes(22)
    compare(eager_graphs, paste, [(x, g2, each[i : i + 3]) for i in range(0, len(each) - 2)], graphs=1)


def test_generated_code_mixes_the_same(generated_code: Counter) -> None:
    x, g2 = maps("channels last")
    compare(generated_code, paste, [(x, g2, box) for box in boxes()], graphs=1)


@pytest.mark.parametrize("other", ["given", "picked"])
def test_mixup_is_not_compiled_for_each_lam(other: str, eager_graphs: Counter) -> None:
    """Twice at most: the first number is taken for a constant, until there is a second."""
    rng, (x, _) = torch_rng(2), maps()
    flipped, r = x.flip(0), torch.randperm(3, generator=rng)

    def mix(x: Tensor, lam: float | Tensor) -> tuple[Tensor, float | Tensor]:
        return blend(x, flipped if other == "given" else x[r], lam), lam

    lams = [0.0, 1.0, *(draw_lam(1.0, rng) for _ in range(12))]
    compare(eager_graphs, mix, [(x, lam) for lam in lams], graphs=2)
    torch._dynamo.reset()
    a_sample = Counter("aot_eager")
    compare(a_sample, mix, [(x, torch.rand(3, generator=rng)) for _ in range(4)], graphs=1)


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("strategy", [*INPUT, *FEATURES])
def test_a_strategy_with_its_draws_settles(strategy: str, box: str, eager_graphs: Counter) -> None:
    """Draws end a graph; what they drew is in none, so after the second call nothing is compiled any more."""
    x, g2 = maps()

    def mix(x: Tensor, rng: torch.Generator) -> tuple[Tensor, float | Tensor]:
        if strategy in INPUT:
            return mix_inputs(strategy, x * 2, torch.tensor([2, 0, 1]), rng, 1.0, box)
        return mix_features(strategy, x * 2, g2 if strategy == "cm-cutmix" else x.flip(0), rng, AXES, 1.0, box)

    compiled, graphs = torch.compile(mix, backend=eager_graphs), []
    for seed in range(5):
        result, expected = run(compiled, x, torch_rng(seed)), run(mix, x, torch_rng(seed))
        for one, other in zip(result, expected, strict=True):
            torch.testing.assert_close(one, other)
        graphs.append(eager_graphs.frame_count)
    assert len(set(graphs[2:])) == 1, graphs


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("a_sample", [False, True])
def test_under_autocast(dtype: torch.dtype, a_sample: bool, eager_graphs: Counter) -> None:
    """The trained map is of half precision there, the partner's may be of single: the mix is of half, lam exact."""
    (x, g2), weight = maps(), torch.randn(5, 5, generator=torch_rng(3))

    def mix(x: Tensor, box: Box | Sequence[Box]) -> tuple[Tensor, float | Tensor]:
        with torch.autocast("cpu", dtype=dtype):
            g1 = linear(x, weight)
            mixed, lam = cutmix(g1, g2, box)
            return linear(mixed, weight), lam

    chosen = boxes(9)
    calls = [chosen[i : i + 3] if a_sample else chosen[i] for i in range(0, 12, 3)]
    for box in calls:
        with torch.autocast("cpu", dtype=dtype):
            g1 = linear(x, weight)
            mixed, lam = cutmix(g1, g2, box)
        each = box if isinstance(box, list) else [box] * 3
        assert mixed.dtype == dtype
        for row, one in enumerate(each):
            into, source = ((row, *(slice(*span) for span in spans)) for spans in (one.into, one.source))
            expected = g1.clone()
            expected[into] = g2[source].to(dtype)
            assert torch.equal(mixed[row], expected[row])
        assert torch.as_tensor(lam, dtype=torch.float64).tolist() == (
            [one.lam(SHAPE1) for one in each] if a_sample else each[0].lam(SHAPE1)
        )
    compare(eager_graphs, mix, [(x, box) for box in calls], graphs=1)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("a_sample", [False, True])
def test_the_operators_keep_torchs_rules(layout: str, a_sample: bool) -> None:
    """Schema, no aliasing, shapes and strides known before they run, by torch's own check."""
    x, g2 = maps(layout)
    cells = torch.stack([box.cells for box in boxes()[: 3 if a_sample else 1]])
    torch.library.opcheck(module._paste_op, (x, g2, cells))
    torch.library.opcheck(module._erase_op, (x, cells))
