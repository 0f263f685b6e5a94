import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn.functional import interpolate, normalize

from videossl.encoders.build import build, build_head
from videossl.encoders.head import ProjectionHead
from videossl.errors import InputError
from videossl.methods.cmmc import CMMC
from videossl.methods.mixed import Mixed
from videossl.methods.moco import MoCo
from videossl.mix.adapters import draw_patch
from videossl.mix.cutmix import draw_box, keep_mask
from videossl.mix.mixup import draw_lam
from videossl.mix.pairs import draw_layers
from videossl.seeding import torch_rng

VIDEO, SKELETON = ("channel", "time", "height", "width"), ("channel", "time", "joint")


def blocks(in_channels: int, seed: int) -> nn.Sequential:
    """Three plain blocks: channels grow, time and space shrink."""
    torch.manual_seed(seed)

    def block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv3d(inputs, outputs, 3, stride, 1), nn.BatchNorm3d(outputs), nn.ReLU())

    return nn.Sequential(block(in_channels, 4, 1), block(4, 6, 2), block(6, 8, 1))


def tiny(queue: int = 5, negatives: str = "other-videos", **options: object) -> CMMC:
    """With a partner, but for manifold mixup."""
    torch.manual_seed(2)
    moco = MoCo(blocks(3, 0), ProjectionHead(8, 8, 5), queue, 0.9, 0.2, stream="rgb", negatives=negatives)
    partner = None if options.get("mixing") == "manifold-mixup" else blocks(2, 1)
    return CMMC(moco, partner, **options)  # type: ignore[arg-type]


def clips(batch: int = 4, seed: int = 0) -> dict[str, Tensor]:
    rng = torch_rng(seed)
    return {name: torch.randn(batch, channels, 4, 6, 6, generator=rng) for name, channels in (("query", 3), ("key", 3), ("partner", 2))}


def test_with_other_groups_rows_are_told_apart_by_their_groups() -> None:
    """Also after mixing: neither a row's group nor its partner's is pushed away."""
    group = torch.tensor([5, 5, 6, 6])
    chosen, same = tiny(negatives="other-groups"), tiny()
    losses = [
        chosen.step(clips() | {"group": group}, torch.arange(4), torch_rng(0))["loss"],
        same.step(clips() | {"group": torch.arange(4)}, group, torch_rng(0))["loss"],
        tiny().step(clips() | {"group": group}, torch.arange(4), torch_rng(0))["loss"],
    ]
    chosen.update()
    assert losses[0] == losses[1] != losses[2] and chosen.core.queue_ids.tolist() == [5, 5, 6, 6, -1]


def run(x: Tensor, encoder: nn.Sequential, start: int, stop: int) -> Tensor:
    for index in range(start, stop):
        x = encoder[index](x)
    return x


@pytest.mark.parametrize("layers", ["random", "same", (1, 3)])
@pytest.mark.parametrize("box", ["batch", "sample"])
@pytest.mark.parametrize("seed", range(3))
def test_step_is_algorithm_1_written_out(layers: str | tuple[int, int], box: str, seed: int) -> None:
    """Masks multiplied (eq. 7), one sample after the other, each key and target by hand (eq. 6)."""
    method, views = tiny(queue=0, layers=layers, box=box), clips()
    reference = copy.deepcopy(method)
    loss = method.step(views, torch.arange(4), torch_rng(seed))["loss"]

    rng, f1, f2 = torch_rng(seed), reference.core.encoder, reference.partner
    assert f2 is not None
    k, ell = layers if isinstance(layers, tuple) else draw_layers((1, 2, 3), rng)
    ell = k if layers == "same" else ell
    r = torch.randperm(4, generator=rng)
    g1, g2 = run(views["query"], f1, 0, k), run(views["partner"], f2.eval(), 0, ell)
    boxes = [draw_box(g1.shape[1:], g2.shape[1:], rng) for _ in range(4 if box == "sample" else 1)]
    mixed, lams = [], []
    for i in range(4):
        one = boxes[i % len(boxes)]
        m = keep_mask(one, g1.shape[1:]).float()
        placed = torch.zeros(g1.shape[1:])
        placed[m == 0] = g2[r[i]][tuple(slice(*span) for span in one.source)].flatten()
        mixed.append(m * g1[i] + (1 - m) * placed)
        lams.append(m.mean().item())
    z = normalize(reference.core.head(run(torch.stack(mixed), f1, k, 3).mean((2, 3, 4))))
    keys = normalize(reference.core.key_head(reference.core.key_encoder(views["key"]).mean((2, 3, 4)))).detach()
    log_p = torch.log_softmax(z @ keys.T / 0.2, dim=1)
    expected = -sum(lams[i] * log_p[i, i] + (1 - lams[i]) * log_p[i, r[i]] for i in range(4)) / 4
    torch.testing.assert_close(loss, expected)
    assert any(0 < lam < 1 for lam in lams) or layers == "same"


def test_gradient_reaches_modality_1_only() -> None:
    method, views = tiny(), clips()
    for view in views.values():
        view.requires_grad_()
    method.step(views, torch.arange(4), torch_rng(0))["loss"].backward()
    assert views["query"].grad is not None
    assert views["key"].grad is None and views["partner"].grad is None
    trainable = {id(p) for p in method.trainable()}
    for name, parameter in method.named_parameters():
        learns = name.startswith(("core.encoder", "core.head"))
        assert (id(parameter) in trainable) == parameter.requires_grad == (parameter.grad is not None) == learns, name


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"box": "sample"},
        {"axes": ("space",), "layers": "same"},
        {"layers": (1, 3)},
        {"mixing": "cm-mixup", "layers": "same"},
        {"mixing": "cm-mixup", "layers": "same", "box": "sample"},
    ],
    ids=str,
)
def test_partner_is_bit_identical_after_training(options: dict[str, object]) -> None:
    method = tiny(**options)
    assert method.partner is not None
    before = copy.deepcopy(method.partner.state_dict())
    start = copy.deepcopy(method.core.state_dict())
    method.train()
    assert method.core.encoder.training and not any(m.training for m in method.partner.modules())
    # Even an optimiser that is given every parameter.
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-2, weight_decay=0.1)
    for step in range(4):
        optimiser.zero_grad()
        method.step(clips(4, step), torch.arange(4), torch_rng(0, step))["loss"].backward()
        optimiser.step()
        method.update()
        method.train()
    after = method.partner.state_dict()
    assert before.keys() == after.keys() and any("running_mean" in name for name in before)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not torch.equal(start["encoder.0.0.weight"], method.core.state_dict()["encoder.0.0.weight"])
    assert int(method.core.queue_ptr) == 16 % 5


def test_partner_rows_follow_the_permutation() -> None:
    """With a box that covers g1 whole, row i is sample r(i) of the partner, and lam is 0."""
    method, views = tiny(layers=(2, 2), axes=("time",)), clips()
    seen: list[Tensor] = []
    assert method.partner is not None
    method.partner[0].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    method.step(views, torch.arange(4), torch_rng(1))
    r = torch.randperm(4, generator=torch_rng(1))
    assert not torch.equal(r, torch.arange(4)) and torch.equal(seen[0], views["partner"][r])


def skeletons(batch: int) -> dict[str, Tensor]:
    rng = torch_rng(0)
    joint = torch.randn(batch, 3, 9, 25, 2, generator=rng)
    motion = joint.diff(dim=2)
    noisy = {name: joint[:, :, :8] + 0.05 * torch.randn(batch, 3, 8, 25, 2, generator=rng) for name in ("query", "key")}
    return {**noisy, "partner": motion}


def test_a_box_a_sample_on_bodies_takes_their_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = build("st-gcn", 3, {"width": 0.125}, 0)
    method = CMMC(MoCo(encoder, build_head(128, 0, 16), 0, 0.9, 0.1), build("st-gcn", 3, {"width": 0.125}, 1), box="sample")
    lams: list[Tensor] = []
    monkeypatch.setattr(method.core, "measure", lambda mixed, views, sample, rng: lams.append(mixed["query"].lam) or {})
    method.step(skeletons(3), torch.arange(3), torch_rng(4))
    rng = torch_rng(4)
    k, ell = draw_layers(range(1, 11), rng)
    torch.randperm(3, generator=rng)
    shapes = encoder.shapes((3, 3, 8, 25, 2))
    each = [draw_box(shapes[k - 1][1:], shapes[ell - 1][1:], rng, dims=SKELETON).lam(shapes[k - 1][1:]) for _ in range(6)]
    assert lams[0].tolist() == pytest.approx([(each[2 * i] + each[2 * i + 1]) / 2 for i in range(3)])


def video_and_skeleton(trained: str, **options: object) -> tuple[CMMC, dict[str, Tensor]]:
    """S3D with ST-GCN, small, the first or the second of them trained; three clips of each."""
    rng = torch_rng(0)
    encoders = {"rgb": build("s3d", 3, {"width": 0.0625}, 0), "joint": build("st-gcn", 3, {"width": 0.0625}, 1)}
    views = {
        "rgb": torch.randn(2, 3, 3, 16, 64, 64, generator=rng),
        "joint": torch.randn(2, 3, 3, 12, 25, 2, generator=rng),
    }
    (partner,) = set(encoders) - {trained}
    encoder = encoders[trained]
    method = CMMC(MoCo(encoder, build_head(encoder.out_features, 0, 16), 0, 0.9, 0.1), encoders[partner], **options)  # type: ignore[arg-type]
    return method, {"query": views[trained][0], "key": views[trained][1], "partner": views[partner][0]}


@pytest.mark.parametrize("box", ["batch", "sample"])
@pytest.mark.parametrize(("trained", "layers", "patch"), [("rgb", (4, 8), (5, 5)), ("joint", (8, 4), (3, 3))])
def test_a_video_with_a_skeleton_written_out(trained: str, layers: tuple[int, int], patch: tuple[int, int], box: str) -> None:
    """P appendix 3.iii, one row after the other: bodies averaged into a video, a video's map given to each body."""
    method, views = video_and_skeleton(trained, layers=layers, patch=patch, box=box)
    reference, (k, ell) = copy.deepcopy(method), layers
    result = method.step(views, torch.arange(3), torch_rng(5))
    result["loss"].backward()

    rng, f1, f2 = torch_rng(5), reference.core.encoder, reference.partner
    assert f2 is not None
    r = torch.randperm(3, generator=rng)
    g1, g2 = run(views["query"], f1, 0, k), run(views["partner"], f2.eval(), 0, ell)
    bodies = len(g1) // 3
    rows = []
    for row in range(len(g1)):
        sample = int(r[row // bodies])
        rows.append((g2[2 * sample] + g2[2 * sample + 1]) / 2 if bodies == 1 else g2[sample])
    dims = (VIDEO, SKELETON) if trained == "rgb" else (SKELETON, VIDEO)
    drawn = [draw_patch(g1.shape[1:], rows[0].shape, rng, patch=patch, dims=dims) for _ in range(len(g1) if box == "sample" else 1)]
    mixed = g1.clone()
    for row, other in enumerate(rows):
        cut, place = drawn[row % len(drawn)]
        laid = other[(..., *(slice(*span) for span in cut.spans))].reshape(*other.shape[:2], *cut.shape)
        mixed[(row, *(slice(*span) for span in place.into))] = laid[tuple(slice(*span) for span in place.source)]
    lam = torch.tensor([drawn[row % len(drawn)][1].lam(g1.shape[1:]) for row in range(len(g1))]).view(3, bodies).mean(1)
    expected = reference.core.measure({"query": Mixed(run(mixed, f1, k, len(f1)), r, lam)}, views, torch.arange(3), rng)
    torch.testing.assert_close(result["loss"], expected["loss"], rtol=1e-4, atol=1e-5)
    assert 0 < float(lam.min()) < 1


def sound(seed: int, **options: object) -> CMMC:
    """Encoders of maps (B, C, T, F), which could be a skeleton's as well, and which do not say what they are."""
    torch.manual_seed(seed)
    first, second = (nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1), nn.Conv2d(4, 6, 3, 2, 1)) for _ in range(2))
    return CMMC(MoCo(first, ProjectionHead(6, 8, 5), 0, 0.9, 0.2), second, **options)  # type: ignore[arg-type]


def test_maps_are_known_by_the_names_of_their_axes() -> None:
    """An encoder of the library says them; for another they are given, where their number leaves them open."""
    spectrograms = {name: torch.randn(3, 1, 8, 8, generator=torch_rng(0, name)) for name in ("query", "key", "partner")}
    with pytest.raises(InputError, match="has 3 axes, which can be several things: give dims"):
        sound(0).step(spectrograms, torch.arange(3), torch_rng(0))
    dims = ("channel", "time", "frequency")
    result = sound(0, dims=(dims, dims)).step(spectrograms, torch.arange(3), torch_rng(0))
    assert result["loss"].isfinite()
    method, views = video_and_skeleton("rgb")
    assert method.dims == (VIDEO, SKELETON) and method.step(views, torch.arange(3), torch_rng(0))["loss"].isfinite()
    other = build("st-gcn", 3, {"width": 0.0625}, 2)
    alone = CMMC(MoCo(other, build_head(other.out_features, 0, 16), 0, 0.9, 0.1), None, mixing="manifold-mixup", layers="same")
    assert alone.dims == (SKELETON, SKELETON)


@pytest.mark.parametrize("trained", ["rgb", "joint"])
def test_a_frozen_partner_of_another_kind_is_bit_identical(trained: str) -> None:
    """Random blocks and patches; the trained side moves, the frozen one does not, statistics included."""
    method, views = video_and_skeleton(trained)
    assert method.partner is not None
    frozen, before = copy.deepcopy(method.partner.state_dict()), copy.deepcopy(method.core.encoder.state_dict())
    optimiser = torch.optim.Adam(method.trainable(), lr=1e-2)
    drawn = set()
    for seed in range(3):
        drawn.add(method.draw_layers(torch_rng(seed)))
        optimiser.zero_grad()
        method.train().step(views, torch.arange(3), torch_rng(seed))["loss"].backward()
        optimiser.step()
        method.update()
    assert len(drawn) > 1
    assert all(torch.equal(value, frozen[name]) for name, value in method.partner.state_dict().items())
    moved = [name for name, parameter in method.core.encoder.named_parameters() if not torch.equal(parameter, before[name])]
    assert len(moved) > len(before) // 4


@pytest.mark.parametrize("box", ["batch", "sample"])
@pytest.mark.parametrize("mixing", ["cm-mixup", "manifold-mixup"])
def test_mixups_blend_whole_maps_of_one_block(mixing: str, box: str) -> None:
    """Written out, with the gradient: manifold mixup learns through both parts of g1, the partner of cm-mixup not at all."""
    method, views = tiny(queue=0, mixing=mixing, layers="same", box=box), clips()
    reference = copy.deepcopy(method)
    f1, f2 = reference.core.encoder, reference.partner
    result = method.step(views, torch.arange(4), torch_rng(1))
    result["loss"].backward()

    rng = torch_rng(1)
    k, _ = draw_layers((1, 2, 3), rng)
    r = torch.randperm(4, generator=rng)
    lam = torch.tensor([draw_lam(1.0, rng) for _ in range(4 if box == "sample" else 1)])
    g1 = run(views["query"], f1, 0, k)
    g2 = g1[r] if f2 is None else run(views["partner"][r], f2.eval(), 0, k)
    share = lam.view(-1, 1, 1, 1, 1)
    maps = run(share * g1 + (1 - share) * g2, f1, k, 3)
    expected = reference.core.measure({"query": Mixed(maps, r, lam)}, views, torch.arange(4), rng)
    expected["loss"].backward()
    torch.testing.assert_close(result["loss"], expected["loss"], rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(method.trainable(), reference.trainable(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-5)
    assert f2 is None or all(parameter.grad is None for parameter in method.partner.parameters())  # type: ignore[union-attr]


def test_manifold_mixup_moves_bodies_together() -> None:
    """Without a partner, a map is mixed with its own batch's; both sides take gradient."""
    encoder = build("st-gcn", 3, {"width": 0.125}, 0)
    moco = MoCo(encoder, build_head(128, 0, 16), 0, 0.9, 0.1)
    method = CMMC(moco, None, mixing="manifold-mixup", layers="same")
    g1 = torch.arange(6.0)[:, None].requires_grad_()
    g2 = method._partner_map({}, g1, torch.tensor([2, 0, 1]), 1)
    assert g2.flatten().tolist() == [4, 5, 0, 1, 2, 3] and g2.requires_grad
    assert method.step(skeletons(3), torch.arange(3), torch_rng(0))["loss"].isfinite()


@pytest.mark.parametrize(
    "options", [{}, {"box": "sample"}, {"mixing": "cm-mixup", "layers": "same"}, {"mixing": "manifold-mixup", "layers": "same"}], ids=str
)
def test_compiled_blocks_train_the_same(options: dict[str, object]) -> None:
    """Each block compiled by itself, so that any k and l can be drawn: the losses of eager mode, step by step."""
    torch._dynamo.reset()
    eager, compiled = tiny(**options), tiny(**options)
    counter = CompileCounterWithBackend("aot_eager")
    for encoder in (compiled.core.encoder, compiled.core.key_encoder, compiled.partner or []):
        for block in encoder:
            block.compile(backend=counter)
    losses, graphs = {}, []
    for method in (eager, compiled):
        optimiser, losses[method] = torch.optim.SGD(method.trainable(), lr=0.05), []
        for step in range(12):
            optimiser.zero_grad()
            result = method.step(clips(4, step), torch.arange(4) + 4 * step, torch_rng(0, step))
            result["loss"].backward()
            optimiser.step()
            method.update()
            losses[method].append(result["loss"].item())
            graphs.append(counter.frame_count)
    assert losses[compiled] == pytest.approx(losses[eager], rel=1e-3)
    assert graphs[11] == 0 and 0 < graphs[-1] <= 3 * 3 * 2, "of three encoders' blocks, no box among them"
    torch._dynamo.reset()


def fit(method: CMMC, views: dict[str, Tensor], steps: int) -> list[float]:
    optimiser = torch.optim.Adam(method.trainable(), lr=3e-3)
    losses = []
    for step in range(steps):
        optimiser.zero_grad()
        result = method.step(views, torch.arange(8), torch_rng(0, step))
        result["loss"].backward()
        optimiser.step()
        method.update()
        losses.append(result["loss"].item())
    return losses


def test_rgb_with_flow_fits_one_batch() -> None:
    rng = torch_rng(1)
    x, y = (interpolate(torch.randn(8, c, 2, 2, 2, generator=rng), size=(8, 32, 32), mode="trilinear") for c in (3, 2))
    views = {name: x + 0.1 * torch.randn(x.shape, generator=rng) for name in ("query", "key")}
    views["partner"] = y
    encoder, partner = build("s3d", 3, {"width": 0.125}, 0), build("s3d", 2, {"width": 0.125}, 1)
    method = CMMC(MoCo(encoder, build_head(encoder.out_features, 0), 8, 0.9, 0.1), partner)
    losses = fit(method, views, 40)
    assert sum(losses[:5]) / 5 > 0.75 * math.log(16), losses
    assert sum(losses[-10:]) / 10 < 0.55 * math.log(16), losses  # of which lam's entropy is up to 1/2


def test_joint_with_motion_fits_one_batch() -> None:
    encoder, partner = build("st-gcn", 3, {"width": 0.0625}, 0), build("st-gcn", 3, {"width": 0.0625}, 1)
    head = build_head(encoder.out_features, 0)
    method = CMMC(MoCo(encoder, head, 8, 0.9, 0.1), partner)
    losses = fit(method, skeletons(8), 40)
    assert losses[0] > 0.6 * math.log(16), losses
    assert sum(losses[-10:]) / 10 < 0.55 * math.log(16), losses  # of which lam's entropy is up to 1/2


def test_it_begins_from_a_moco_and_passes_on_all_of_it() -> None:
    earlier = tiny().core
    earlier.step(clips(), torch.arange(4), torch_rng(0))
    earlier.update()
    later = tiny()
    assert "queue" in later.begin(earlier.states())
    state, passed = earlier.states()["rgb"], later.states()["rgb"]
    assert passed.keys() == state.keys() and all(torch.equal(value, passed[name]) for name, value in state.items())
    assert later.encoders() == {"rgb": later.core.encoder}


def test_maps_that_can_not_be_mixed_are_named() -> None:
    method = tiny(layers=(1, 3), axes=("space",))
    with pytest.raises(InputError, match=r"\(4, 4, 6, 6\) and \(8, 2, 3, 3\).*channel is not cut"):
        method.step(clips(), torch.arange(4), torch_rng(0))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"mixing": "cutout"}, "mixing 'cutout' is unknown: choose of manifold-mixup, cm-mixup, cm-cutmix"),
        ({"mixing": "mixup", "layers": "same"}, "mixing 'mixup' is unknown"),
        ({"box": "pixel"}, "'pixel' is unknown: choose of batch, sample"),
        ({"layers": "any"}, "'any'"),
        ({"axes": ("depth",)}, "depth"),
        ({"axes": ()}, "empty"),
        ({"blocks": (0, 1)}, r"blocks \[0, 1\].*1..3"),
        ({"blocks": (2, 4)}, r"blocks \[2, 4\].*1..3"),
        ({"blocks": ()}, "blocks"),
        ({"alpha": -1.0}, "alpha -1"),
        ({"mixing": "cm-mixup"}, "cm-mixup with layers 'random'.*set layers to same"),
        ({"mixing": "cm-mixup", "layers": (2, 2)}, r"cm-mixup with layers \(2, 2\)"),
        ({"mixing": "manifold-mixup", "layers": (2, 2)}, r"manifold-mixup with layers \(2, 2\)"),
        ({"mixing": "cm-mixup", "layers": "same", "axes": ("space", "time")}, "cm-mixup with axes.*space, time, channel"),
        ({"layers": (0, 2)}, "layers"),
        ({"layers": (2, 4)}, "layers"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny(**options)


def test_a_partner_is_needed_but_for_manifold_mixup() -> None:
    moco = tiny().core
    with pytest.raises(InputError, match="give partner None, or mixing cm-mixup"):
        CMMC(moco, blocks(2, 1), mixing="manifold-mixup", layers="same")
    for options in ({}, {"mixing": "cm-mixup", "layers": "same"}):
        with pytest.raises(InputError, match=r"needs a partner.*or mixing manifold-mixup"):
            CMMC(moco, None, **options)  # type: ignore[arg-type]


def test_a_moco_that_mixes_its_inputs_is_refused() -> None:
    moco = MoCo(blocks(3, 0), ProjectionHead(8, 8, 5), 4, 0.9, 0.2, mixing="mixup")
    with pytest.raises(InputError, match="mixing 'mixup'"):
        CMMC(moco, blocks(2, 1))
