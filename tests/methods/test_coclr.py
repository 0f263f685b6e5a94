import copy
import math

import pytest
import torch
from tests.methods.several import encoder
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from videossl.encoders.build import build_head
from videossl.encoders.head import ProjectionHead
from videossl.errors import InputError
from videossl.methods import coclr
from videossl.methods.cmmc import CMMC
from videossl.methods.coclr import CoCLR, positives
from videossl.methods.losses import EMPTY
from videossl.methods.moco import MoCo
from videossl.mix.mixup import draw_lam
from videossl.seeding import torch_rng


def blocks(channels: int, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Sequential(nn.Conv3d(channels, 4, 3), nn.ReLU()), nn.Sequential(nn.Conv3d(4, 6, 1)))


def tiny(queue: int = 9, negatives: str = "all", mixing: str = "none", box: str = "batch", **options: object) -> CoCLR:
    torch.manual_seed(3)
    moco = MoCo(blocks(3, 0), ProjectionHead(6, 8, 5), queue, 0.9, 0.2, mixing, box=box, negatives=negatives, stream="rgb")
    chosen = {"topk": 2, "hide_own": 0.0, "fill": False} | options
    return CoCLR(moco, blocks(2, 1), ProjectionHead(6, 8, 7), **chosen)  # type: ignore[arg-type]


def clips(batch: int = 4, seed: int = 0) -> dict[str, Tensor]:
    rng = torch_rng(seed)
    return {name: torch.randn(batch, channels, 4, 6, 6, generator=rng) for name, channels in (("query", 3), ("key", 3), ("miner", 2))}


def run(method: CoCLR, steps: int, batch: int = 4) -> CoCLR:
    """With queues that hold `steps` batches of other videos."""
    for step in range(steps):
        method.step(clips(batch, 10 + step), 100 + torch.arange(batch) + batch * step, torch_rng(1, step))
        method.update()
    return method


def embedded(encoder: nn.Module, head: nn.Module, x: Tensor) -> Tensor:
    return normalize(head(encoder(x).mean((2, 3, 4))))


def brute_force(method: CoCLR, views: dict[str, Tensor], sample: list[int]) -> list[set[int]]:
    """What is mined for each row: columns, one similarity after the other."""
    found = embedded(method.miner, method.miner_head, views["miner"])
    ids = sample + method.moco.queue_ids.tolist()
    columns = [*found, *method.mined_queue.T]
    result = []
    for row, video in enumerate(sample):
        others = [column for column in range(len(ids)) if ids[column] not in (video, EMPTY)]
        others.sort(key=lambda column: -float(found[row] @ columns[column]))
        result.append(set(others[: method.topk]) | {column for column in range(len(ids)) if ids[column] == video})
    return result


@pytest.mark.parametrize("queue", [3, 5, 9, 30])
@pytest.mark.parametrize("topk", [1, 3])
def test_mining_is_brute_force(queue: int, topk: int) -> None:
    """In queues that are too small for a batch, full, turned over, and not full; videos come again, and are no discovery."""
    method = run(tiny(queue, topk=topk), 3)
    views, sample = clips(), [101, 0, 103, 110]
    expected = brute_force(method, views, sample)
    mined = method.mine(embedded(method.miner, method.miner_head, views["miner"]).detach(), torch.tensor(sample))
    assert [set(row.nonzero().flatten().tolist()) for row in mined] == expected
    assert all(row in expected[row] and len(expected[row]) >= 1 + topk for row in range(4))


def test_a_sample_would_find_itself() -> None:
    """Without the mask the nearest key of every row is its own: the miner sees the same clip."""
    method, views = tiny(), clips()
    found = embedded(method.miner, method.miner_head, views["miner"])
    assert (found @ found.T).argmax(1).tolist() == [0, 1, 2, 3]
    mined = method.mine(found.detach(), torch.arange(4))
    assert mined[:, :4].sum(1).tolist() == [3, 3, 3, 3] and mined.diagonal().all(), "two others, and itself as its own positive"


@pytest.mark.parametrize("negatives", ["all", "other-videos"])
@pytest.mark.parametrize("mixing, box", [("none", "batch"), ("mixup", "batch"), ("mixup", "sample")])
@pytest.mark.parametrize("hidden", [0.0, 1.0])
def test_a_step_written_out(negatives: str, mixing: str, box: str, hidden: float) -> None:
    """-log of the positives' share of the softmax, weighted by lam for the two videos of a mix, one row after the other."""
    method, views, sample = run(tiny(9, negatives, mixing, box, hide_own=hidden), 2), clips(), [101, 0, 103, 2]
    reference = copy.deepcopy(method)
    loss = method.step(views, torch.tensor(sample), torch_rng(6))["loss"]
    rng, moco = torch_rng(6), reference.moco
    r = torch.randperm(4, generator=rng).tolist() if mixing == "mixup" else [0, 1, 2, 3]
    lam = [1.0] * 4
    if mixing == "mixup":
        lam = [draw_lam(1.0, rng) for _ in range(4)] if box == "sample" else [draw_lam(1.0, rng)] * 4
    x = views["query"]
    z = embedded(moco.encoder, moco.head, torch.stack([lam[i] * x[i] + (1 - lam[i]) * x[r[i]] for i in range(4)]))
    columns = torch.cat([embedded(moco.key_encoder, moco.key_head, views["key"]), moco.queue.T])
    ids, mined, total = sample + moco.queue_ids.tolist(), brute_force(reference, views, sample), torch.zeros(())
    for i in range(4):
        left_out = {column for column, video in enumerate(ids) if video == EMPTY}
        if negatives == "other-videos":
            left_out |= {column for column, video in enumerate(ids) if video in (sample[i], sample[r[i]]) and column not in (i, r[i])}
        p = torch.tensor(
            [-math.inf if column in left_out else z[i].detach() @ columns[column] / 0.2 for column in range(len(ids))]
        ).softmax(0)
        for video, weight in ((i, lam[i]), (r[i], 1 - lam[i])):
            chosen = mined[video] - left_out - {video}
            chosen |= set() if chosen and hidden else {video}
            total = total - weight * math.log(sum(float(p[column]) for column in chosen))
    torch.testing.assert_close(loss, total / 4, rtol=1e-5, atol=1e-5)


def test_positives_by_hand() -> None:
    similarities = torch.tensor([[0.0, 1.0, -math.inf, 2.0], [0.0, 1.0, 0.0, -math.inf]])
    mined = torch.tensor([[1, 0, 1, 1], [0, 1, 0, 1]]).bool()
    rows = torch.tensor([0, 1])
    assert positives(similarities, rows, mined, False).tolist() == [[True, False, False, True], [False, True, False, False]]
    assert positives(similarities, rows, mined, True).tolist() == [[False, False, False, True], [False, True, False, False]]


def test_how_often_the_own_key_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A share of the steps, for a whole batch and both videos of a mix at once."""
    method, views, hidden = run(tiny(hide_own=0.75, mixing="mixup"), 1), clips(), []

    def noted(similarities: Tensor, rows: Tensor, mined: Tensor, hide_own: bool) -> Tensor:
        hidden.append(hide_own)
        return positives(similarities, rows, mined, hide_own)

    monkeypatch.setattr(coclr, "positives", noted)
    for step in range(400):
        method.step(views, torch.arange(4), torch_rng(0, step))
    assert hidden[::2] == hidden[1::2] and sum(hidden) / 800 == pytest.approx(0.75, abs=3 * math.sqrt(0.75 * 0.25 / 400))


def test_until_the_queue_is_full_nothing_is_mined() -> None:
    method = tiny(8, fill=True)
    found = torch.eye(7)[:4]
    for step, full in enumerate((False, False, True)):
        mined = method.mine(found, torch.arange(4) + 10 * step)
        assert bool((mined.sum(1) > 1).all()) == full
        method.step(clips(4, step), torch.arange(4) + 10 * step, torch_rng(step))
        method.update()


def test_both_queues_hold_the_same_videos() -> None:
    """Slot by slot, also after the queues were turned over; what the miner makes of a video is what it made when that came."""
    method = tiny(6)
    made: dict[int, Tensor] = {}
    for step in range(5):
        views, sample = clips(4, step), torch.arange(4) + 4 * step
        made |= dict(zip(sample.tolist(), embedded(method.miner, method.miner_head, views["miner"]).detach(), strict=True))
        method.step(views, sample, torch_rng(step))
        method.update()
        for slot, video in enumerate(method.moco.queue_ids.tolist()):
            wanted = torch.zeros(7) if video == EMPTY else made[video]
            torch.testing.assert_close(method.mined_queue[:, slot], wanted, rtol=1e-5, atol=1e-6)
    with pytest.raises(RuntimeError, match="without a step"):
        method.update()


def test_the_miner_is_bit_identical_after_training() -> None:
    method = run(tiny(), 2)
    before = copy.deepcopy({name: tensor for name, tensor in method.state_dict().items() if name.startswith("miner")})
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-2, weight_decay=0.1)
    for step in range(3):
        optimiser.zero_grad()
        method.train().step(clips(4, step), torch.arange(4), torch_rng(0, step))["loss"].backward()
        optimiser.step()
        method.update()
    assert before and all(torch.equal(tensor, method.state_dict()[name]) for name, tensor in before.items())
    assert (
        not any(module.training for part in (method.miner, method.miner_head) for module in part.modules()) and method.moco.encoder.training
    )
    learns = {id(parameter) for parameter in method.trainable()}
    assert learns == {id(parameter) for name, parameter in method.named_parameters() if name.startswith(("moco.encoder", "moco.head"))}


def test_it_begins_from_a_moco_with_empty_queues_and_leaves_one() -> None:
    earlier, later = run(tiny(), 1).moco, run(tiny(queue=5), 1)
    loaded = later.begin(earlier.states())
    assert loaded[:4] == ["encoder", "head", "key_encoder", "key_head"] and loaded[4].startswith("queues start empty")
    assert (later.moco.queue_ids == EMPTY).all() and later.encoders() == {"rgb": later.moco.encoder}
    assert later.states()["rgb"].keys() == earlier.states()["rgb"].keys()
    assert torch.equal(later.moco.key_head.out.weight, earlier.key_head.out.weight) and later.moco.queue.shape == (5, 5)


def test_cmmc_mixes_maps_into_it() -> None:
    partner = blocks(2, 5)
    method = CMMC(run(tiny(), 2), partner)
    views = clips() | {"partner": torch.randn(4, 2, 4, 6, 6)}
    method.step(views, torch.arange(4), torch_rng(2))["loss"].backward()
    method.update()
    assert partner[0][0].weight.grad is None and method.core.encoder[0][0].weight.grad is not None  # type: ignore[index]


def test_it_fits_one_batch() -> None:
    """Noisy views of eight videos, which come again: the miner's neighbour and earlier keys of its own are positives."""
    rng = torch_rng(1)
    x, y = (interpolate(torch.randn(8, c, 2, 2, 2, generator=rng), size=(8, 16, 16), mode="trilinear") for c in (3, 2))
    views = {name: x + 2.0 * torch.randn(x.shape, generator=rng) for name in ("query", "key")} | {"miner": y}
    moco = MoCo(encoder("rgb"), build_head(16, 0, 32, 16, "batch"), 16, 0.9, 0.1)
    method = CoCLR(moco, encoder("flow"), build_head(16, 1, 32, 16), topk=1, hide_own=0.5)
    optimiser, measured = torch.optim.Adam(method.trainable(), lr=3e-3), []
    for step in range(120):
        optimiser.zero_grad()
        measures = method.step(views, torch.arange(8), torch_rng(0, step))
        measures["loss"].backward()
        optimiser.step()
        method.update()
        measured.append({key: value.item() for key, value in measures.items()})
    losses = [row["loss"] for row in measured]
    assert sum(losses[:5]) / 5 > math.log(24) > 2 * sum(losses[-20:]) / 20, "24 keys; its own is hidden every other time"
    assert measured[-1]["spread"] > 0.3


@pytest.mark.parametrize(
    "options, message",
    [
        ({"queue": 1}, "CoCLR: topk 2 with a queue of 1: give 1 or more, and a queue of that many"),
        ({"topk": 0}, "topk 0"),
        ({"hide_own": 1.5}, "hide_own 1.5"),
        ({"mixing": "x"}, "mixing of MoCo 'x' is unknown"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny(**options)  # type: ignore[arg-type]
