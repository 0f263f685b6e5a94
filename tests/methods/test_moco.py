import copy
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from videossl.encoders.build import build, build_head
from videossl.encoders.head import ProjectionHead
from videossl.errors import InputError
from videossl.methods import moco as module
from videossl.methods.losses import EMPTY, logits, mixed_cross_entropy
from videossl.methods.mixed import Mixed
from videossl.methods.moco import MoCo
from videossl.mix.cutmix import draw_aligned_box
from videossl.mix.mixup import draw_lam
from videossl.mix.strategies import mix_inputs
from videossl.seeding import torch_rng
from videossl.train import weights


def tiny(
    queue: int = 0, momentum: float = 0.9, mixing: str = "none", seed: int = 0, box: str = "batch", negatives: str = "other-videos"
) -> MoCo:
    """A MoCo on an encoder of plain torch modules, no `Encoder`, of the stream "rgb"."""
    torch.manual_seed(seed)
    encoder = nn.Sequential(
        nn.Sequential(nn.Conv3d(2, 4, 3, padding=1), nn.BatchNorm3d(4), nn.ReLU()),
        nn.Conv3d(4, 6, 3, padding=1),
    )
    return MoCo(encoder, ProjectionHead(6, 8, 5), queue, momentum, 0.2, mixing, box=box, negatives=negatives, stream="rgb")


def clips(batch: int, seed: int = 0) -> dict[str, Tensor]:
    rng = torch_rng(seed)
    x = torch.randn(batch, 2, 4, 6, 6, generator=rng)
    return {name: x + 0.1 * torch.randn(x.shape, generator=rng) for name in ("query", "key")}


def train(method: MoCo, steps: range, batch: int = 3) -> list[float]:
    """Some steps of Adam, each with its own clips and draws."""
    optimiser = torch.optim.Adam(method.trainable(), lr=1e-2)
    losses = []
    for step in steps:
        optimiser.zero_grad()
        ids = torch.arange(batch) + batch * step
        result = method.step(clips(batch, step), ids, torch_rng(0, step))
        result["loss"].backward()
        optimiser.step()
        method.update()
        losses.append(result["loss"].item())
    return losses


def test_step_is_the_loss_of_normalised_embeddings() -> None:
    method, views = tiny(), clips(4)
    with torch.no_grad():
        query = normalize(method.head(copy.deepcopy(method.encoder)(views["query"]).mean((2, 3, 4))))
        keys = normalize(method.key_head(copy.deepcopy(method.key_encoder)(views["key"]).mean((2, 3, 4))))
    result = method.step(views, torch.arange(4), torch_rng(0))
    expected = -torch.log_softmax(query @ keys.T / 0.2, dim=1).diagonal().mean()
    torch.testing.assert_close(result["loss"], expected)
    assert result["accuracy"] == ((query @ keys.T).argmax(1) == torch.arange(4)).float().mean()
    assert result["loss"].shape == result["accuracy"].shape == ()


@pytest.mark.parametrize("mixing", ["mixup", "t-cutmix", "st-cutmix", "videomix"])
def test_queries_are_mixed_in_the_input_and_keys_are_not(mixing: str) -> None:
    method, views, seen = tiny(mixing=mixing), clips(4), []
    method.encoder.register_forward_pre_hook(lambda *_: pytest.fail("blocks are run one by one"))
    method.encoder[0].register_forward_pre_hook(lambda _, x: seen.append(x[0].clone()))
    method.key_encoder[0].register_forward_pre_hook(lambda _, x: seen.append(x[0].clone()))
    loss = method.step(views, torch.arange(4), torch_rng(5))["loss"]
    rng, x = torch_rng(5), views["query"]
    r = torch.randperm(4, generator=rng)
    assert not torch.equal(r, torch.arange(4))
    if mixing == "mixup":
        lam = draw_lam(1.0, rng)
        mixed = lam * x + (1 - lam) * x[r]
    else:
        axes = {"t-cutmix": ["time"], "st-cutmix": ["time", "space"], "videomix": ["space"]}[mixing]
        _, t, h, w = draw_aligned_box((2, 4, 6, 6), rng, axes).into
        mixed = x.clone()
        mixed[:, :, t[0] : t[1], h[0] : h[1], w[0] : w[1]] = x[r][:, :, t[0] : t[1], h[0] : h[1], w[0] : w[1]]
        lam = 1 - (t[1] - t[0]) * (h[1] - h[0]) * (w[1] - w[0]) / (4 * 6 * 6)
    torch.testing.assert_close(seen[0], mixed)
    assert torch.equal(seen[1], views["key"])
    again = tiny()
    query = module.embed(again.encoder, again.head, again.encoder[1](again.encoder[0](mixed)))
    keys = module.embed(again.key_encoder, again.key_head, again.key_encoder(views["key"]))
    torch.testing.assert_close(loss, mixed_cross_entropy(logits(query, keys, None, 0.2), r, lam))


@pytest.mark.parametrize("mixing", ["mixup", "t-cutmix", "st-cutmix", "videomix"])
def test_a_mix_a_sample(mixing: str) -> None:
    """Each row has its own lam, in the input and in the loss."""
    method, reference, views = tiny(mixing=mixing, box="sample"), tiny(), clips(4)
    loss = method.step(views, torch.arange(4), torch_rng(5))["loss"]
    rng = torch_rng(5)
    r = torch.randperm(4, generator=rng)
    mixed, lam = mix_inputs(mixing, views["query"], r, rng, box="sample")
    assert isinstance(lam, Tensor) and len(set(lam.tolist())) > 1
    expected = reference.measure({"query": Mixed(reference.encoder(mixed), r, lam)}, views, torch.arange(4), torch_rng(0))["loss"]
    torch.testing.assert_close(loss, expected)


def test_gradient_reaches_query_encoder_and_head_only() -> None:
    method = tiny(queue=4, mixing="mixup")
    method.step(clips(3), torch.arange(3), torch_rng(0))["loss"].backward()
    trainable = {id(p) for p in method.trainable()}
    assert len(trainable) == 6 + 4
    for name, parameter in method.named_parameters():
        assert (id(parameter) in trainable) == name.startswith(("encoder", "head"))
        if id(parameter) in trainable:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
        else:
            assert parameter.grad is None and not parameter.requires_grad, name


def test_key_encoder_starts_equal_and_follows_by_momentum() -> None:
    """key_n = m^n key_0 + (1 - m) sum_i m^(n - 1 - i) query_(i + 1)."""
    m, n = 0.8, 5
    method = tiny(momentum=m)
    start = [p.detach().double().clone() for p in (*method.key_encoder.parameters(), *method.key_head.parameters())]
    assert all(torch.equal(a, b.detach().double()) for a, b in zip(start, method.trainable(), strict=True))
    expected = [m**n * p for p in start]
    for step in range(n):
        train(method, range(step, step + 1))
        for total, query in zip(expected, method.trainable(), strict=True):
            total += (1 - m) * m ** (n - 1 - step) * query.detach().double()
    keys = [*method.key_encoder.parameters(), *method.key_head.parameters()]
    for key, total, query in zip(keys, expected, method.trainable(), strict=True):
        torch.testing.assert_close(key.double(), total, rtol=1e-5, atol=1e-6)
        assert not torch.equal(key, query)


def test_key_encoder_has_batch_statistics_of_its_own() -> None:
    method = tiny(momentum=1.0)
    train(method, range(2))
    assert not torch.equal(method.key_encoder[0][1].running_mean, torch.zeros(4))
    assert not torch.equal(method.key_encoder[0][1].running_mean, method.encoder[0][1].running_mean)


@pytest.mark.parametrize("slots", [1, 2, 3, 7, 64])
def test_queue_is_a_ring_of_the_last_keys(slots: int) -> None:
    """Three keys a step, whether three divides the queue or not, or the queue holds fewer than a batch."""
    method = tiny(queue=slots)
    ring: list[tuple[int, Tensor]] = []
    for step in range(8):
        result = method.step(clips(3, step), torch.arange(3) + 3 * step, torch_rng(0))
        assert method._pending is not None
        keys = method._pending[0]
        torch.testing.assert_close(keys.norm(dim=1), torch.ones(3))
        assert keys.dtype == torch.float32 and not keys.requires_grad and result["loss"].requires_grad
        ring += [(3 * step + i, key) for i, key in enumerate(keys)]
        method.update()
        assert int(method.queue_ptr) == len(ring) % slots
        for position in range(slots):
            # The last key whose running number falls on this slot.
            numbers = [n for n in range(len(ring)) if n % slots == position]
            if not numbers:
                assert method.queue_ids[position] == EMPTY
                continue
            video, key = ring[numbers[-1]]
            assert method.queue_ids[position] == video and torch.equal(method.queue[:, position], key)


def test_queue_of_no_slots() -> None:
    method = tiny(queue=0)
    train(method, range(2))
    assert method.queue.shape == (5, 0)


def test_empty_slots_are_no_negatives() -> None:
    views = clips(3)
    losses = [tiny(queue=k).step(views, torch.arange(3), torch_rng(0))["loss"] for k in (0, 16)]
    torch.testing.assert_close(*losses)


def test_queue_enters_the_loss_without_keys_of_the_same_video() -> None:
    views, key = clips(2), normalize(torch.randn(5, 1), dim=0)

    def loss(video: int, negatives: str = "other-videos") -> float:
        method = tiny(queue=1, negatives=negatives)
        method.queue.copy_(key)
        method.queue_ids.fill_(video)
        return method.step(views, torch.tensor([10, 20]), torch_rng(0))["loss"].item()

    empty, stranger, same = loss(EMPTY), loss(30), loss(10)
    assert stranger > same > empty  # masked for row 0, a negative for row 1
    assert loss(10, "all") == stranger


def test_with_other_groups_a_row_is_of_its_group_whatever_its_video() -> None:
    """In the batch, in the queue and in what the queue keeps; the view "group" alone counts, and no other choice reads it."""
    views, video, group = clips(3), torch.tensor([10, 20, 30]), torch.tensor([7, 7, 8])

    def told(method: MoCo, sample: Tensor, group: Tensor) -> tuple[float, list[int]]:
        method.queue.copy_(normalize(torch.ones(5, 4), dim=0))
        method.queue_ids.copy_(torch.tensor([10, 7, 8, EMPTY]))
        loss = method.step(views | {"group": group}, sample, torch_rng(0))["loss"].item()
        method.update()
        return loss, method.queue_ids.tolist()

    by_group = told(tiny(queue=4, negatives="other-groups"), video, group)
    assert by_group == told(tiny(queue=4), group, video), "as if the videos had the numbers of their groups"
    assert by_group == told(tiny(queue=4, negatives="other-groups"), torch.arange(3), group)
    assert by_group[1] == [7, 7, 8, EMPTY]
    for negatives in ("all", "other-videos"):
        alone = told(tiny(queue=4, negatives=negatives), video, group)
        assert alone == told(tiny(queue=4, negatives=negatives), video, video) and alone[1] == [10, 20, 30, EMPTY]
        assert alone[0] != by_group[0]


def test_step_does_not_change_the_queue_and_update_needs_a_step() -> None:
    method = tiny(queue=4)
    with pytest.raises(RuntimeError, match="without a step"):
        method.update()
    method.step(clips(2), torch.arange(2), torch_rng(0))
    assert (method.queue_ids == EMPTY).all()
    method.update()
    assert method.queue_ids.tolist() == [0, 1, EMPTY, EMPTY]
    with pytest.raises(RuntimeError):
        method.update()


@pytest.mark.parametrize("mixing", ["none", "mixup"])
def test_interrupted_and_resumed_is_the_same_bytes(mixing: str, tmp_path: Path) -> None:
    """Model, queue, pointer and ids are in the state; draws depend on the step's key. SGD: no state of its
    own here."""

    def sgd(method: MoCo, steps: range) -> None:
        for step in steps:
            method.zero_grad()
            method.step(clips(3, step), torch.arange(3) + step, torch_rng(0, step))["loss"].backward()
            torch.optim.SGD(method.trainable(), lr=0.1).step()
            method.update()

    straight, first, second = (tiny(queue=7, mixing=mixing, seed=s) for s in (0, 0, 1))
    sgd(straight, range(6))
    sgd(first, range(4))
    torch.save(first.state_dict(), tmp_path / "checkpoint.pt")
    second.load_state_dict(torch.load(tmp_path / "checkpoint.pt"))
    sgd(second, range(4, 6))
    assert straight.state_dict().keys() == second.state_dict().keys()
    resumed = second.state_dict()
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed[name]), name


def test_the_generator_decides() -> None:
    views = clips(4)
    losses = [tiny(mixing="mixup").step(views, torch.arange(4), torch_rng(s))["loss"].item() for s in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_a_later_training_begins_from_everything() -> None:
    earlier = tiny(queue=4)
    train(earlier, range(3))
    later = tiny(queue=4, seed=1)
    loaded = later.begin(earlier.states())
    assert sorted(loaded) == ["encoder", "head", "key_encoder", "key_head", "queue", "queue_ids", "queue_ptr"]
    now = later.state_dict()
    for name, value in earlier.state_dict().items():
        assert torch.equal(value, now[name]), name


def test_a_later_training_begins_from_an_encoder_alone() -> None:
    """As of a method without keys: the key encoder equals it, statistics of batch-norm included; head and queue are at their start."""
    earlier, later, fresh = tiny(queue=4), tiny(queue=4, seed=1), tiny(queue=4, seed=1)
    train(earlier, range(3))
    train(later, range(1))
    train(fresh, range(1))
    state = {name: value for name, value in earlier.state_dict().items() if name.startswith("encoder.")}
    assert later.begin({"rgb": state}) == ["encoder"]
    wanted = earlier.encoder.state_dict()
    for encoder in (later.encoder, later.key_encoder):
        assert all(torch.equal(value, wanted[name]) for name, value in encoder.state_dict().items())
    assert all(value is not later.encoder.state_dict()[name] for name, value in later.key_encoder.state_dict().items())
    kept = {name: value for name, value in fresh.state_dict().items() if not name.startswith(("encoder.", "key_encoder."))}
    assert len(kept) == 8 + 3 and all(torch.equal(value, later.state_dict()[name]) for name, value in kept.items())
    assert not any(parameter.requires_grad for parameter in later.key_encoder.parameters())


def test_weights_that_do_not_fit_are_named_and_nothing_is_loaded() -> None:
    state, later = tiny(queue=4).states()["rgb"], tiny(queue=4, seed=1)
    before = copy.deepcopy(later.state_dict())
    encoder = {name: value for name, value in state.items() if name.startswith("encoder.")}

    def without(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
        return {other: value for other, value in state.items() if other != name}

    for wrong, message in [
        (without(state, "key_head.out.bias"), "of rgb: key_head.out.bias is missing"),
        ({**state, "encoder.9.weight": torch.zeros(1)}, "encoder.9.weight is unexpected"),
        (tiny(queue=8).states()["rgb"], r"queue is \(5, 8\), here \(5, 4\)"),
        ({**state, "queue_ptr": torch.zeros(2)}, "queue_ptr is"),
        (without(encoder, "encoder.1.bias"), "encoder.1.bias is missing"),
        ({**encoder, "encoder.9.weight": torch.zeros(1)}, "encoder.9.weight is unexpected"),
        ({**encoder, "encoder.1.bias": torch.zeros(2)}, r"encoder.1.bias is \(2,\), here \(6,\)"),
        ({}, "encoder.0.0.weight is missing"),
    ]:
        with pytest.raises(InputError, match=message):
            later.begin({"rgb": wrong})
    assert all(torch.equal(value, before[name]) for name, value in later.state_dict().items())


def test_states_go_through_a_file(tmp_path: Path) -> None:
    """Whatever the layout of their tensors in memory: S3D's have the channels last."""
    method = MoCo(build("s3d", 3, {"width": 0.125}, 0), build_head(128, 0), 8, 0.9, 0.1)
    assert not all(tensor.is_contiguous() for tensor in method.state_dict().values())
    weights.save(tmp_path / "weights.safetensors", method.states()[""], {})
    other = MoCo(build("s3d", 3, {"width": 0.125}, 1), build_head(128, 1), 8, 0.9, 0.1)
    other.begin({"": weights.load(tmp_path / "weights.safetensors")})
    loaded = other.state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in method.state_dict().items())


def test_what_comes_out_is_the_query_encoder_by_its_streams_name() -> None:
    method = tiny()
    assert method.encoders() == {"rgb": method.encoder} and list(method.states()) == ["rgb"]


@pytest.mark.parametrize("mixing, steps, most", [("none", 40, 0.3), ("mixup", 60, 0.6)])
def test_s3d_fits_one_batch(mixing: str, steps: int, most: float) -> None:
    """Well below ln 16 (8 keys, 8 slots); a uniform lam's targets alone have an entropy of 1/2."""
    rng = torch_rng(1)
    x = interpolate(torch.randn(8, 3, 2, 2, 2, generator=rng), size=(8, 32, 32), mode="trilinear")
    views = {name: x + 0.1 * torch.randn(x.shape, generator=rng) for name in ("query", "key")}
    encoder = build("s3d", 3, {"width": 0.125}, 0)
    method = MoCo(encoder, build_head(encoder.out_features, 0), 8, 0.9, 0.1, mixing)
    optimiser = torch.optim.Adam(method.trainable(), lr=3e-3)
    losses, accuracies = [], []
    for step in range(steps):
        optimiser.zero_grad()
        result = method.step(views, torch.arange(8), torch_rng(0, step))
        result["loss"].backward()
        optimiser.step()
        method.update()
        losses.append(result["loss"].item())
        accuracies.append(result["accuracy"].item())
    assert sum(losses[:10]) / 10 > 0.75 * math.log(16), losses
    assert sum(losses[-10:]) / 10 < most * math.log(16), losses
    assert sum(accuracies[-10:]) / 10 > 0.75, accuracies


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"queue": -1}, "queue -1"),
        ({"momentum": 1.5}, "momentum 1.5"),
        ({"temperature": 0.0}, "temperature 0.0"),
        ({"mixing": "cutout"}, "mixing of MoCo 'cutout' is unknown: choose of none, mixup, t-cutmix, st-cutmix, videomix"),
        ({"box": "row"}, "box of MoCo 'row' is unknown: choose of batch, sample"),
        ({"alpha": 0.0}, "alpha 0.0"),
        ({"negatives": "other"}, "negatives of MoCo 'other' is unknown: choose of all, other-videos, other-groups"),
    ],
)
def test_wrong_arguments_are_named(wrong: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"queue": 4, "momentum": 0.9, "temperature": 0.1, **wrong}
    with pytest.raises(InputError, match=message):
        MoCo(nn.Sequential(nn.Linear(2, 2)), ProjectionHead(2, 2, 2), **arguments)  # type: ignore[arg-type]


def test_an_encoder_that_was_a_partner_must_be_thawed() -> None:
    """Else only the head would learn, and nothing would say so."""
    encoder = tiny().encoder.requires_grad_(False)
    with pytest.raises(InputError, match=r"all of the encoder is frozen.*requires_grad_\(True\)"):
        MoCo(encoder, ProjectionHead(6, 8, 5), 0, 0.9, 0.2)
