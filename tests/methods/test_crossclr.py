"""Cross-stream mining against loops written out, and what it must not do: move queues apart, let one stream's gradient into the other."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from videossl.encoders.head import ProjectionHead
from videossl.errors import InputError
from videossl.methods.crossclr import CrosSCLR
from videossl.methods.losses import EMPTY
from videossl.methods.moco import MoCo
from videossl.seeding import torch_rng

CHANNELS = {"joint": 3, "motion": 2}
OUT = {"joint": 5, "motion": 4}  # embeddings of two sizes never meet


def moco(stream: str, queue: int = 6, **options: object) -> MoCo:
    torch.manual_seed(CHANNELS[stream])
    encoder = nn.Sequential(nn.Conv1d(CHANNELS[stream], 6, 3), nn.Sequential(nn.ReLU(), nn.Conv1d(6, 7, 1)))
    return MoCo(encoder, ProjectionHead(7, 8, OUT[stream]), queue, 0.9, 0.2, **options)  # type: ignore[arg-type]


def method(neighbours: int = 1, queue: int = 6, own_keys: str = "candidates", fill: bool = False, **options: object) -> CrosSCLR:
    return CrosSCLR({stream: moco(stream, queue, **options) for stream in CHANNELS}, neighbours, own_keys, fill)


def clips(batch: int, seed: int) -> dict[str, Tensor]:
    rng = torch_rng(seed)
    return {
        f"{stream}/{name}": torch.randn(batch, channels, 8, generator=rng)
        for stream, channels in CHANNELS.items()
        for name in ("query", "key")
    }


def train(chosen: CrosSCLR, steps: range, batch: int = 4, videos: int = 7) -> list[dict[str, Tensor]]:
    """Steps of gradient descent on clips of `videos` videos, some of them more than once in a batch or the queue."""
    optimiser = torch.optim.SGD(chosen.trainable(), lr=0.05)
    told = []
    for step in steps:
        sample = torch.randint(0, videos, (batch,), generator=torch_rng(0, step, "sample"))
        optimiser.zero_grad()
        told.append(chosen.step(clips(batch, step), sample, torch_rng(step)))
        told[-1]["loss"].backward()
        optimiser.step()
        chosen.update()
    return told


def embeddings(one: MoCo, views: dict[str, Tensor], stream: str) -> tuple[Tensor, Tensor]:
    """Queries and keys, (B, D) each, by copies."""
    with torch.no_grad():
        query = one.head(copy.deepcopy(one.encoder)(views[f"{stream}/query"]).mean(2))
        key = one.key_head(copy.deepcopy(one.key_encoder)(views[f"{stream}/key"]).mean(2))
    return normalize(query, dim=1), normalize(key, dim=1)


def written_out(chosen: CrosSCLR, views: dict[str, Tensor], sample: Tensor) -> dict[str, float]:
    """Each stream's loss: one row, one key, one positive after the other."""
    mocos: dict[str, MoCo] = dict(zip(chosen.names, chosen.mocos, strict=True))  # type: ignore[arg-type]
    found, columns = {}, {}
    for stream, one in mocos.items():
        query, key = embeddings(one, views, stream)
        found[stream], columns[stream] = query, [*key, *one.queue.T]
    videos = [*sample.tolist(), *mocos["joint"].queue_ids.tolist()]
    losses = {}
    for stream, other in (("joint", "motion"), ("motion", "joint")):
        total = 0.0
        for i in range(len(sample)):
            same = [] if mocos["joint"].negatives == "all" else [int(sample[i])]
            usable = [j for j, video in enumerate(videos) if j == i or video not in (EMPTY, *same)]
            candidates = [j for j in usable if j != i and (chosen.own_keys == "candidates" or videos[j] != int(sample[i]))]
            ranked = sorted(candidates, key=lambda j: -float(found[other][i] @ columns[other][j]))
            positives = [i, *ranked[: 0 if chosen.fill and EMPTY in videos else chosen.neighbours]]
            scores = {j: math.exp(float(found[stream][i] @ columns[stream][j]) / 0.2) for j in usable}
            total -= sum(math.log(scores[j] / sum(scores.values())) for j in positives) / len(positives)
        losses[stream] = total / len(sample)
    return losses


@pytest.mark.parametrize("neighbours", [1, 3, 50])
@pytest.mark.parametrize("before", [0, 1, 4])
def test_a_step_is_the_sum_of_both_streams_losses_written_out(neighbours: int, before: int) -> None:
    """With an empty queue, a part of one and a full one; of more neighbours than candidates all are taken."""
    chosen = method(neighbours)
    train(chosen, range(before))
    views, sample = clips(4, 99), torch.tensor([2, 0, 2, 5])
    expected = written_out(chosen, views, sample)
    told = chosen.step(views, sample, torch_rng(0))
    for stream, loss in expected.items():
        assert told[f"loss/{stream}"].item() == pytest.approx(loss, rel=1e-5)
    assert told["loss"].item() == pytest.approx(sum(expected.values()), rel=1e-5)


@pytest.mark.parametrize("own_keys", ["candidates", "left out"])
@pytest.mark.parametrize("fill", [False, True])
@pytest.mark.parametrize("before", [0, 1, 4])
def test_own_earlier_keys_and_queues_to_be_filled(own_keys: str, fill: bool, before: int) -> None:
    """Where all keys are negatives, a video's own earlier ones are in the queue, and the most similar of all."""
    chosen = method(1, own_keys=own_keys, fill=fill, negatives="all")
    train(chosen, range(before), videos=3)
    views, sample = clips(4, 99), torch.tensor([2, 0, 2, 1])
    expected = written_out(chosen, views, sample)
    told = chosen.step(views, sample, torch_rng(0))
    for stream, loss in expected.items():
        assert told[f"loss/{stream}"].item() == pytest.approx(loss, rel=1e-5)
    other = written_out(method_like(chosen, own_keys="left out" if own_keys == "candidates" else "candidates"), views, sample)
    assert before < 4 or other != pytest.approx(expected), "the settings differ here"


def method_like(chosen: CrosSCLR, **changes: str) -> CrosSCLR:
    """The same encoders and queues with other settings."""
    other = copy.copy(chosen)
    for name, value in changes.items():
        setattr(other, name, value)
    return other


def test_measures_of_the_whole_are_those_of_its_streams() -> None:
    told = train(method(), range(3))[-1]
    each = ("loss", "accuracy", "spread", "rank", "positive", "negative")
    assert set(told) == {"loss", "accuracy", "spread", *(f"{key}/{of}" for key in each for of in ("joint", "motion"))}
    assert all(value.shape == () for value in told.values())
    assert told["accuracy"] == (told["accuracy/joint"] + told["accuracy/motion"]) / 2
    assert told["spread"] == min(told["spread/joint"], told["spread/motion"]), "of the worse: a collapse of either is noticed"
    assert [key for key, value in told.items() if value.requires_grad] == ["loss"]


def test_without_a_candidate_it_is_moco_twice_bit_by_bit() -> None:
    """One video alone, no queue: no key but its own may be a positive, so each stream's loss is its MoCo's."""
    chosen, views, sample = method(queue=0), clips(4, 1), torch.full((4,), 3)
    alone = {stream: moco(stream, 0) for stream in CHANNELS}
    told = chosen.step(views, sample, torch_rng(0))
    for stream, one in alone.items():
        own = {name.split("/")[1]: clip for name, clip in views.items() if name.startswith(stream)}
        expected = one.step(own, sample, torch_rng(0))
        assert all(torch.equal(told[f"{key}/{stream}"], expected[key].detach()) for key in ("loss", "accuracy", "spread"))
        one.step(own, sample, torch_rng(0))["loss"].backward()
    chosen.step(views, sample, torch_rng(0))["loss"].backward()
    wanted = [parameter.grad for one in alone.values() for parameter in one.trainable()]
    for parameter, grad in zip(chosen.trainable(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, grad)


def test_a_neighbour_is_of_the_other_stream() -> None:
    """Two of four videos are alike in motion and in nothing else: in joints, and there alone, they become each other's positives."""
    chosen = method(queue=0)
    sample, views = torch.arange(4), clips(4, 5)
    views["motion/query"][2] = views["motion/key"][1]
    with torch.no_grad():
        chosen.mocos[chosen.names.index("motion")].key_encoder.load_state_dict(
            chosen.mocos[chosen.names.index("motion")].encoder.state_dict()
        )
        chosen.mocos[chosen.names.index("motion")].key_head.load_state_dict(chosen.mocos[chosen.names.index("motion")].head.state_dict())
    compared = {stream: chosen._compare(stream, one, views, sample) for stream, one in chosen._streams()}
    assert int(compared["motion"].logits[2].argmax()) == 1
    log_p = compared["joint"].logits.log_softmax(1)
    pulled = -(log_p[2, 2] + log_p[2, 1]) / 2
    mined = chosen._mined(dict(chosen._streams())["motion"], compared["motion"])[2:3]
    one_row = chosen._measures(compared["joint"]._replace(logits=compared["joint"].logits[2:3], own=slice(2, 3)), mined, 0.2)
    torch.testing.assert_close(one_row["loss"], pulled)


def test_queues_of_earlier_stages_are_left_and_the_new_ones_stay_aligned() -> None:
    """Slot by slot of the same samples, round the end of the queue, too."""
    earlier = {stream: moco(stream) for stream in CHANNELS}
    for number, one in enumerate(earlier.values()):
        one.queue.normal_()
        one.queue_ids.copy_(torch.arange(6) + number)
        one.queue_ptr.fill_(2 + number)
    before = copy.deepcopy({stream: one.encoder.state_dict() for stream, one in earlier.items()})
    chosen = CrosSCLR(earlier)
    for stream, one in earlier.items():
        assert bool((one.queue_ids == EMPTY).all()) and int(one.queue_ptr) == 0 and not one.queue.any()
        assert all(torch.equal(tensor, before[stream][name]) for name, tensor in one.encoder.state_dict().items())
    for step in range(5):
        train(chosen, range(step, step + 1))
        joint, motion = earlier.values()
        assert torch.equal(joint.queue_ids, motion.queue_ids) and torch.equal(joint.queue_ptr, motion.queue_ptr)
    assert not (joint.queue_ids == EMPTY).any()


def test_it_begins_from_all_of_a_moco_but_its_queue_or_from_an_encoder_alone() -> None:
    """Of each stream; what comes out is a MoCo's state again, which any later training begins from."""
    earlier, later = {stream: moco(stream) for stream in CHANNELS}, method()
    for one in earlier.values():
        with torch.no_grad():
            for tensor in one.state_dict().values():
                tensor.copy_(torch.rand(tensor.shape) * 5)
    states = {stream: {name: tensor.clone() for name, tensor in one.state_dict().items()} for stream, one in earlier.items()}
    alone = {name: tensor for name, tensor in states["motion"].items() if name.startswith("encoder.")}
    said = later.begin({"joint": states["joint"], "motion": alone})
    parts = ["joint/encoder", "joint/head", "joint/key_encoder", "joint/key_head", "motion/encoder"]
    assert said[:-1] == parts and said[-1].startswith("queues start empty")
    found = later.states()
    assert list(found) == list(CHANNELS) and list(later.encoders()) == list(CHANNELS)
    queues = [name for name in found["joint"] if name.startswith("queue")]
    assert all(torch.equal(found["joint"][name], states["joint"][name]) for name in found["joint"] if name not in queues)
    for stream, state in found.items():
        assert bool((state["queue_ids"] == EMPTY).all()) and int(state["queue_ptr"]) == 0 and not state["queue"].any(), stream
    for name, tensor in alone.items():
        assert torch.equal(found["motion"][name], tensor) and torch.equal(found["motion"][f"key_{name}"], tensor)
    assert moco("joint").begin({"": found["joint"]})[0] == "queue"


def test_with_other_groups_neighbours_are_of_other_groups() -> None:
    """In both streams a row is of its group; two of one group are no candidates of each other."""
    sample, group, views = torch.arange(4), torch.tensor([3, 3, 4, 5]), clips(4, 1)
    chosen, same = method(negatives="other-groups"), method()
    told, wanted = chosen.step(views | {"group": group}, sample, torch_rng(0)), same.step(views | {"group": sample}, group, torch_rng(0))
    assert all(torch.equal(value, wanted[name]) for name, value in told.items())
    assert told["loss"] != method().step(views | {"group": group}, sample, torch_rng(0))["loss"]
    chosen.update()
    assert all(one.queue_ids.tolist() == [3, 3, 4, 5, EMPTY, EMPTY] for _, one in chosen._streams())


def test_both_encoders_learn_and_their_keys_follow() -> None:
    chosen = method()
    before = copy.deepcopy(chosen.state_dict())
    train(chosen, range(1))
    after = chosen.state_dict()
    assert [name for name in before if torch.equal(before[name], after[name])] == []
    assert len(chosen.trainable()) == len({id(one) for one in chosen.parameters() if one.requires_grad})


def test_the_loss_is_in_single_precision_under_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        told = method().step(clips(4, 0), torch.arange(4), torch_rng(0))
    assert told["loss"].dtype == torch.float32 and bool(told["loss"].isfinite())


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: method(neighbours=0), "CrosSCLR: 0 neighbours: give at least 1"),
        (lambda: method(mixing="mixup"), "the MoCo of joint has mixing 'mixup': set it to none"),
        (lambda: CrosSCLR({"joint": moco("joint")}), "1 streams: give two MoCo"),
        (lambda: CrosSCLR({"joint": moco("joint", 4), "motion": moco("motion", 6)}), "queues of 4 keys of joint, 6 of motion: give both"),
        (
            lambda: CrosSCLR({"joint": moco("joint", negatives="all"), "motion": moco("motion")}),
            "negatives differ between joint and motion",
        ),
    ],
)
def test_what_cannot_be_mined_is_named(made, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=said):
        made()
