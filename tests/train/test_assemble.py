"""A job's slice of the params turned into objects: encoders, frozen ones too, names of views, batches, which clips are negatives of which."""

from __future__ import annotations

import logging
import math
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.made import row, shard
from tests.train.conftest import MakeRun, tiny
from torch import Tensor, nn

from videossl import registry, seeding
from videossl.data.clips import ClipDataset
from videossl.encoders.base import Encoder
from videossl.errors import InputError
from videossl.methods import losses
from videossl.methods.base import Given
from videossl.methods.mixed import Mixed
from videossl.methods.moco import MoCo
from videossl.params import recipes, slices
from videossl.train import assemble, job, weights
from videossl.train.checkpoint import Checkpoint
from videossl.train.loop import fit

CPU = torch.device("cpu")
GROUPS = {"a1": "a", "a2": "a", "b": "b"}  # two videos of one recording, and one of its own
E = math.e


class Plain:
    """An augmentation that changes nothing."""

    def train(self, clips: Tensor, sizes: Tensor, rngs: Sequence[np.random.Generator]) -> Tensor:
        return clips.float()

    def train_with_geometry(self, clips: Tensor, sizes: Tensor, rngs: Sequence[np.random.Generator]) -> tuple[Tensor, dict[str, Tensor]]:
        return clips.float(), {}

    def evaluate(self, clips: Tensor, sizes: Tensor) -> Tensor:
        return clips.float()

    def crops(self, clips: Tensor, sizes: Tensor, views: int) -> Iterator[Tensor]:
        yield clips.float()


# Negatives: by hand, from rows of the index to the loss.


@pytest.fixture
def dataset(tmp_path: Path) -> ClipDataset:
    """Pixels tell which video it is."""
    arrays = [(id, np.full((4, 16, 16, 3), 10 + n, np.uint8)) for n, id in enumerate(GROUPS)]
    caches = assemble.opened([shard(tmp_path / "rgb.h5", "rgb", arrays)])
    settings = {"modality": "rgb", "clip": {"frames": 2, "stride": 1, "size": 16}}
    rows = [row(id, group=group) for id, group in GROUPS.items()]
    return ClipDataset(rows, None, [assemble.source("rgb", settings, caches, ("query", "key"))], 0)


def numbers(dataset: ClipDataset, epoch: int = 0) -> dict[str, tuple[int, int]]:
    """The numbers that each video of a batch is given: its own, and that of its group."""
    ((views, sample),) = assemble.views(dataset, {"query": Plain(), "key": Plain()}, 3, 0, CPU).epoch(epoch)
    ids = [list(GROUPS)[int(pixel) - 10] for pixel in views["query"].flatten(1)[:, 0]]
    return dict(zip(ids, zip(sample.tolist(), views["group"].tolist(), strict=True), strict=True))


def test_a_row_has_the_number_of_its_video_and_of_its_group(dataset: ClipDataset) -> None:
    wanted = {id: (seeding.derive(0, id), seeding.derive(0, group)) for id, group in GROUPS.items()}
    assert numbers(dataset) == numbers(dataset, 3) == wanted


QUERY = torch.tensor([[1.0, 0], [0, 1], [1, 0]])  # a1, a2, b
KEYS = torch.tensor([[1.0, 0], [0, 1], [-1, 0]])
QUEUE = torch.tensor([[0.0, 1], [1, 0]]).T  # a1 of an earlier batch, a stranger; the third slot is empty


class Answer(nn.Module):
    """A head that says the same whatever it is given."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Tensor) -> Tensor:
        return self.answer


@pytest.mark.parametrize(
    ("negatives", "expected"),  # a row: minus the logit of its own key, 1, 1 and -1, and the log of the sum over the keys that count
    [
        #       a1: keys a1, a2, b, queue a1, stranger          a2: a1, a2, b, a1, stranger         b
        ("all", [-1 + math.log(E + 1 + 1 / E + 1 + E), -1 + math.log(1 + E + 1 + E + 1), 1 + math.log(E + 1 + 1 / E + 1 + E)]),
        ("other-videos", [-1 + math.log(E + 1 + 1 / E + E), -1 + math.log(1 + E + 1 + E + 1), 1 + math.log(E + 1 + 1 / E + 1 + E)]),
        ("other-groups", [-1 + math.log(E + 1 / E + E), -1 + math.log(E + 1 + 1), 1 + math.log(E + 1 + 1 / E + 1 + E)]),
    ],
)
def test_losses_of_two_videos_of_a_group_in_a_batch_and_the_queue_by_hand(
    dataset: ClipDataset, negatives: str, expected: list[float]
) -> None:
    """From the embeddings on: the method itself looks at them, told of `negatives` by the params."""
    known, params = numbers(dataset), tiny()
    params["streams"]["rgb"]["train"] |= {"negatives": negatives, "queue": 3, "temperature": 1.0}
    params["streams"]["rgb"]["head"]["out"] = 2
    method = assemble.method(slices.training(params, recipes.training(params, "videomix", "rgb")), 0, assemble.Weights())
    assert isinstance(method, MoCo)
    sample, group = (torch.tensor([known[id][which] for id in GROUPS]) for which in (0, 1))
    a1 = known["a1"][1 if negatives == "other-groups" else 0]
    method.queue_ids.copy_(torch.tensor([a1, seeding.derive(0, "stranger"), losses.EMPTY]))
    method.queue.copy_(torch.cat([QUEUE, torch.ones(2, 1)], dim=1))
    method.head, method.key_head, method.key_encoder = Answer(QUERY), Answer(KEYS), nn.Sequential()  # type: ignore[assignment]
    maps, r = torch.zeros(3, method.encoder.out_features, 1, 1, 1), torch.arange(3)
    compared = method.compare(maps, maps, method.origin({"group": group}, sample), r)
    assert (-compared.logits.log_softmax(1).diagonal()).tolist() == pytest.approx(expected, abs=1e-6)
    loss = method.measure({"query": Mixed(maps, r, 1.0)}, {"key": maps, "group": group}, sample, seeding.torch_rng(0))["loss"]
    assert loss.item() == pytest.approx(sum(expected) / 3, abs=1e-6)


def trained(make_run: MakeRun, name: str, negatives: str, groups: list[str]) -> list[dict[str, Tensor]]:
    """The weights of a short training of each kind, by the script; groups: of the eight videos."""
    run = make_run([row(f"v{n}", group=group or f"v{n}") for n, group in enumerate(groups)], name)
    run.params["streams"]["rgb"]["train"]["negatives"] = negatives
    return [weights.load(run.train(experiment, training)) for experiment, training in (("mixup", "rgb"), ("manifold-mixup", "rgb-1"))]


def test_trainings_leave_out_what_the_params_say(make_run: MakeRun) -> None:
    """Groups of one video are videos; a group of several leaves out more."""
    alone, shared = [""] * 8, ["a"] * 4 + ["b"] * 4
    cases = [("other-videos", shared), ("other-groups", alone), ("other-groups", shared)]
    made = [trained(make_run, str(n), *case) for n, case in enumerate(cases)]
    for videos, single, groups in zip(*made, strict=True):
        assert all(torch.equal(videos[name], single[name]) for name in videos)
        assert not all(torch.equal(videos[name], groups[name]) for name in videos if name.startswith("rgb/encoder."))


# Names of views.


def made_up(monkeypatch: pytest.MonkeyPatch, module: Any = None, **declared: Any) -> None:
    """A method of the name made-up, as if it were in the registry."""
    known, modules = registry.declared, registry.module

    def declared_(kind: str, name: str) -> dict[str, Any]:
        return declared if (kind, name) == ("methods", "made-up") else known(kind, name)

    def module_(kind: str, name: str) -> Any:
        return (module or SimpleNamespace()) if (kind, name) == ("methods", "made-up") else modules(kind, name)

    monkeypatch.setattr(registry, "declared", declared_)
    monkeypatch.setattr(registry, "module", module_)


def part(streams: Sequence[str], frozen: Mapping[str, str] | None = None, **settings: Any) -> dict[str, Any]:
    """The slice of a training by the made-up method."""
    chosen, loop = (
        tiny(),
        {"batch": 4, "optimiser": "sgd", "lr": 0.1, "weight_decay": 0.0, "schedule": "constant", "warmup": 0.0, "decay_norms": True}
        | {"accumulate": 1, "max_gradient": None},
    )
    plan = {"name": "+".join(streams), "streams": list(streams), "frozen": dict(frozen or {}), "draws": [], "epochs": 1, "keep": 0}
    return {
        "method": "made-up",
        "training": plan,
        "streams": {name: chosen["streams"][name] for name in [*streams, *plan["frozen"].values()]},
        "settings": dict.fromkeys(streams, loop | settings),
    }


@pytest.mark.parametrize(
    ("streams", "frozen", "clips", "expected"),
    [
        (["rgb"], {}, {"query": 1, "key": 1}, {"rgb": ("query", "key")}),
        (["rgb"], {}, {"view": 3}, {"rgb": ("view-1", "view-2", "view-3")}),
        (["rgb"], {}, {"query": 1, "other": "crops"}, {"rgb": ("query", "other-1", "other-2")}),
        (["rgb"], {}, {"query": "one"}, {"rgb": ("query",)}),
        (
            ["joint", "motion"],
            {},
            {"query": 1, "key": "crops"},
            {"joint": ("joint/query", "joint/key-1", "joint/key-2"), "motion": ("motion/query", "motion/key-1", "motion/key-2")},
        ),
        (["rgb"], {"partner": "flow"}, {"query": 1}, {"rgb": ("query",), "flow@partner": ("partner",)}),
        (
            ["rgb"],
            {"teacher": "rgb", "partner": "flow"},
            {"query": 1},
            {"rgb": ("query",), "rgb@teacher": ("teacher",), "flow@partner": ("partner",)},
        ),
    ],
    ids=["one stream", "several clips", "a number that is a setting", "a setting of one", "several streams", "a frozen role", "two roles"],
)
def test_the_names_of_views(
    monkeypatch: pytest.MonkeyPatch,
    streams: list[str],
    frozen: dict[str, str],
    clips: dict[str, Any],
    expected: dict[str, tuple[str, ...]],
) -> None:
    made_up(monkeypatch, clips=clips)
    assert assemble.clip_names(part(streams, frozen, crops=2, one=1)) == expected


def test_the_names_of_the_papers_methods() -> None:
    params = tiny()

    def names(experiment: str, training: str) -> dict[str, tuple[str, ...]]:
        return assemble.clip_names(slices.training(params, recipes.training(params, experiment, training)))

    assert names("mixup", "flow") == {"flow": ("query", "key")}
    assert names("stc-mix", "flow-1") == {"flow": ("query", "key"), "rgb@partner": ("partner",)}
    assert names("manifold-mixup", "rgb-1") == {"rgb": ("query", "key")}, "mixed with itself"
    assert names("crossclr", "joint+motion") == {
        "joint": ("joint/query", "joint/key"),
        "motion": ("motion/query", "motion/key"),
    }
    assert assemble.clip_names(slices.finetune(params, "finetune", "rgb")) == {"rgb": ("query",)}


# Batches.


def batch(make_run: MakeRun, params: dict[str, Any], streams: Sequence[str], labels: dict[str, int] | None = None) -> dict[str, Tensor]:
    """The views of the first batch, with "sample"."""
    run = make_run()
    caches = assemble.opened(run.shards(streams))
    views, sample = next(iter(assemble.batches(params, 0, run.rows, caches, CPU, labels=labels).epoch(0)))
    return views | {"sample": sample}


SIZES = {"rgb": (4, 3, 8, 32, 32), "flow": (4, 2, 8, 32, 32), "joint": (4, 3, 8, 25, 2), "motion": (4, 3, 8, 25, 2)}


def test_a_batch_has_all_views_that_the_method_declares(monkeypatch: pytest.MonkeyPatch, make_run: MakeRun) -> None:
    made_up(monkeypatch, clips={"query": 1, "more": "crops"})
    found = batch(make_run, part(["rgb", "joint"], {"partner": "flow"}, crops=2), ["rgb", "flow", "joint"], {"a": 5})
    views = {f"{stream}/{name}": SIZES[stream] for stream in ("rgb", "joint") for name in ("query", "more-1", "more-2")}
    assert {name: tuple(view.shape) for name, view in found.items()} == views | {"partner": SIZES["flow"]} | dict.fromkeys(
        ("label", "group", "sample"), (4,)
    )
    assert found["label"].tolist() == [5] * 4
    assert len({view.sum().item() for name, view in found.items() if name in views}) == len(views), "each drawn by itself"


def test_without_classes_no_video_has_a_label(monkeypatch: pytest.MonkeyPatch, make_run: MakeRun) -> None:
    made_up(monkeypatch, clips={"query": 1})
    assert batch(make_run, part(["joint"]), ["joint"])["label"].tolist() == [-1] * 4


def test_geometry_comes_along_where_the_method_asks_for_it(monkeypatch: pytest.MonkeyPatch, make_run: MakeRun) -> None:
    """Beside each view its crop, flip and time, of frozen streams, too; the views themselves are the same without."""
    made_up(monkeypatch, clips={"query": 1, "key": 1}, geometry=True)
    found = batch(make_run, part(["rgb"], {"partner": "joint"}), ["rgb", "joint"])
    for name in ("query", "key", "partner"):
        box, flip, span = (found[f"{name}.{what}"] for what in ("box", "flip", "span"))
        assert (box.shape, flip.shape, span.shape) == ((4, 4), (4,), (4, 2)) and flip.dtype == torch.bool
        assert bool((box >= 0).all()) and bool((box[:, :2] + box[:, 2:] <= 1 + 1e-6).all())
        assert bool((span[:, 0] >= 0).all()) and bool((span[:, 0] < span[:, 1]).all())
    areas = found["query.box"][:, 2] * found["query.box"][:, 3]
    assert bool(((areas > 0.6) & (areas <= 1)).all()) and len(areas.unique()) > 1, "the crops of the params, an area from 0.75 to 1"
    assert (found["query.span"][:, 1] - found["query.span"][:, 0]).tolist() == pytest.approx([8 / 12.5] * 4), "8 of 10 steps in 0.8 s"
    assert found["partner.box"].tolist() == [[0, 0, 1, 1]] * 4 and not found["partner.flip"].any()
    assert found["partner.span"].tolist() == [pytest.approx([0, 0.8])] * 4, "the whole video: 20 frames, 25 a second"

    made_up(monkeypatch, clips={"query": 1, "key": 1})
    plain = make_run(name="plain")
    views, _ = next(
        iter(
            assemble.batches(
                part(["rgb"], {"partner": "joint"}), 0, plain.rows, assemble.opened(plain.shards(["rgb", "joint"])), CPU
            ).epoch(0)
        )
    )
    assert set(views) == {"query", "key", "partner", "label", "group"}
    assert all(torch.equal(found[name], view) for name, view in views.items())


def test_times_are_drawn_together_where_the_method_asks_for_it(monkeypatch: pytest.MonkeyPatch, make_run: MakeRun) -> None:
    """The k-th clips of rgb and flow begin at one moment, to half a step; drawn apart they do not."""

    def apart(name: str, **declared: Any) -> Tensor:
        made_up(monkeypatch, clips={"query": 1, "key": 1}, geometry=True, **declared)
        run = make_run(name=name)
        for stream in ("rgb", "flow"):
            run.params["streams"][stream]["clip"]["frames"] = 3
        chosen = part(["rgb", "flow"])
        chosen["streams"] = {name: run.params["streams"][name] for name in chosen["streams"]}
        batches = assemble.batches(chosen, 0, run.rows, assemble.opened(run.shards(["rgb", "flow"])), CPU)
        firsts = [
            torch.stack([views[f"{stream}/{clip}.span"][:, 0] for clip in ("query", "key")])
            for views, _ in batches.epoch(0)
            for stream in ("rgb", "flow")
        ]
        return torch.stack([one - other for one, other in zip(firsts[::2], firsts[1::2], strict=True)]).abs()

    step = 1 / 12.5
    assert bool((apart("together", together=True) <= step / 2 + 1e-9).all())
    assert bool((apart("apart") > step).any())


def test_a_method_may_draw_strides(monkeypatch: pytest.MonkeyPatch, make_run: MakeRun) -> None:
    """By the setting that it names, of the stream that it trains: of 10 steps, clips of 4 are 1, 2 or 3 apart, and 4 does not fit."""
    made_up(monkeypatch, clips={"query": 1}, geometry=True, strides="strides")
    run, chosen = make_run(), part(["rgb"])
    run.params["streams"]["rgb"]["clip"]["frames"] = 4
    chosen["streams"] = {"rgb": run.params["streams"]["rgb"]}
    chosen["settings"]["rgb"]["strides"] = [1, 2, 3, 4]
    batches = assemble.batches(chosen, 0, run.rows, assemble.opened(run.shards(["rgb"])), CPU)
    seconds = torch.cat([views["query.span"] for epoch in range(4) for views, _ in batches.epoch(epoch)])
    lengths = {round(float(last - first) * 12.5) for first, last in seconds}
    assert lengths == {4, 7, 10}


def test_a_method_may_change_the_augmentation(monkeypatch: pytest.MonkeyPatch, make_run: MakeRun) -> None:
    """Of trained streams and of frozen ones, by `adapt` of its module."""
    seen = []

    def adapt(augment: Any, settings: Any) -> Plain:
        seen.append(type(augment).__name__)
        assert settings["batch"]
        return Plain()

    made_up(monkeypatch, SimpleNamespace(adapt=adapt), clips={"query": 1})
    found = batch(make_run, part(["rgb"], {"partner": "joint"}), ["rgb", "joint"])
    assert seen == ["VideoAugment", "SkeletonAugment"]
    assert found["query"].shape == (4, 8, 32, 32, 3), "clips as they are in the cache"


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(make_run: MakeRun, workers: int) -> None:
    run = make_run()
    params = slices.training(run.params, run.training("stc-mix", "rgb-1"))
    made = [
        list(assemble.batches(params, 3, run.rows, assemble.opened(run.shards(["rgb", "flow"])), CPU, count).epoch(1))
        for count in (0, workers)
    ]
    assert len(made[0]) == 2
    for (views, sample), (others, again) in zip(*made, strict=True):
        assert torch.equal(sample, again) and list(views) == list(others)
        assert all(torch.equal(view, others[name]) for name, view in views.items())


@pytest.mark.parametrize(("experiment", "name", "streams"), [("stc-mix", "rgb-1", ["rgb", "flow"]), ("mixup", "joint", ["joint"])])
def test_frames_that_are_held_in_memory_change_nothing(
    make_run: MakeRun, experiment: str, name: str, streams: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Workers are not begun for them. Skeletons are read as ever."""
    run = make_run()
    params = slices.training(run.params, run.training(experiment, name))
    made = []
    for resident in (0, 1):
        with caplog.at_level(logging.INFO):
            batches = assemble.batches(params, 3, run.rows, assemble.opened(run.shards(streams)), CPU, 1, None, resident)
        made.append(list(batches.epoch(1)))
        batches.close()
    for (views, sample), (others, again) in zip(*made, strict=True):
        assert torch.equal(sample, again) and list(views) == list(others)
        assert all(torch.equal(view, others[name]) for name, view in views.items())
    assert ("0.000393 GB of rgb and flow are held on the cpu" in caplog.text) == (streams == ["rgb", "flow"])


def test_an_epoch_goes_on_in_its_middle(make_run: MakeRun) -> None:
    run = make_run()
    batches = assemble.batches(
        slices.training(run.params, run.training("mixup", "joint")), 0, run.rows, assemble.opened(run.shards(["joint"])), CPU
    )
    whole, rest = list(batches.epoch(2)), list(batches.epoch(2, 1))
    assert batches.steps == len(whole) == 2 and len(rest) == 1
    assert torch.equal(whole[1][0]["query"], rest[0][0]["query"]) and torch.equal(whole[1][1], rest[0][1])


def test_a_loader_can_be_handed_to_another_process(make_run: MakeRun) -> None:
    """Under whatever start method of processes."""
    run = make_run()
    settings = run.params["streams"]["motion"]
    cache = assemble.cache_of(settings, assemble.opened([run.shard("joint")]))
    loader = assemble.Loader(settings)
    assert np.array_equal(pickle.loads(pickle.dumps(loader))(cache, "v0", 0), loader(cache, "v0", 0))


def test_caches_are_told_apart_by_what_they_hold(make_run: MakeRun) -> None:
    run, elsewhere = make_run(), make_run(name="elsewhere")
    caches = assemble.opened([run.shard("joint"), elsewhere.shard("rgb")])
    assert list(caches) == ["joint", "rgb"]
    assert assemble.cache_of(run.params["streams"]["motion"], caches) is caches["joint"], "motion is read from joints"
    with pytest.raises(InputError, match=r"no shards of flow are given, which flow is read from; extract them first"):
        assemble.cache_of(run.params["streams"]["flow"], caches)
    with pytest.raises(InputError, match=r"have 25 joints, and the stream's graph coco has 17"):
        assemble.cache_of(run.params["streams"]["motion"] | {"graph": "coco"}, caches)


# Encoders and methods.


def test_initial_weights_are_of_the_seed_and_the_streams_name() -> None:
    """So two streams on one modality differ."""
    settings = tiny()["streams"]["joint"]
    first = assemble.encoder("joint", settings, 0).state_dict()
    for name, seed, same in (("joint", 0, True), ("joint-b", 0, False), ("joint", 1, False)):
        other = assemble.encoder(name, settings, seed).state_dict()
        assert all(torch.equal(tensor, other[key]) for key, tensor in first.items()) is same, (name, seed)


def test_how_long_and_how_fast() -> None:
    """The epochs are those of the training, a share of the recipe's; a task that trains has its own."""
    params = tiny()
    params["streams"]["rgb"]["train"]["finetune"] = {"epochs": 7, "lr": 0.5, "schedule": [0.8]}
    params["streams"]["joint"]["train"]["cmmc"] = {"lr": 0.25}
    training = assemble.loop(slices.training(params, recipes.training(params, "stc-mix-skeleton", "joint-1")))
    assert (training.epochs, training.batch, training.optimiser, training.lr, training.schedule) == (12, 4, "adam", 0.25, "cosine")
    tuned = assemble.loop(slices.finetune(params, "finetune", "rgb"))
    assert (tuned.epochs, tuned.lr, tuned.schedule, tuned.batch) == (7, 0.5, [0.8], 4)


def frozen_trainings() -> list[tuple[str, str]]:
    """All trainings of the smallest run that are handed a frozen encoder, by whichever method."""
    params = tiny()
    every = [training for experiment in params["experiments"] for training in recipes.trainings(params, experiment)]
    return [(training.experiment, training.name) for training in every if recipes.frozen_streams(params, training)]


@pytest.mark.parametrize(("experiment", "name"), [("stc-mix", "rgb-1"), ("stc-mix", "flow-1"), ("stc-mix-skeleton", "motion-1")])
def test_frozen_encoders_are_bit_identical_after_a_training(
    experiment: str, name: str, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All of their state, running statistics too, in evaluation mode all along, and none of it among what is optimised or passed on."""
    assert (experiment, name) in frozen_trainings()
    run = make_run()
    training = run.training(experiment, name)
    params = slices.training(run.params, training)
    params["training"]["epochs"] = 2
    ((role, stream),) = params["training"]["frozen"].items()
    given = handed(monkeypatch, params["method"])
    path = weights_of_another_seed(tmp_path, stream, params)
    method: Any = assemble.method(params, 0, assemble.Weights(frozen={role: path}))
    (partner,) = (one.encoder for one in given[0].frozen.values())
    before, wanted = {key: tensor.clone() for key, tensor in partner.state_dict().items()}, weights.load(path, f"{stream}/encoder.")
    assert before.keys() == wanted.keys() and all(torch.equal(tensor, wanted[key]) for key, tensor in before.items())
    modes = []
    run_blocks = type(partner).run

    def observed(encoder: Encoder, x: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        if encoder is partner and start == 0:
            modes.append(any(one.training for one in encoder.modules()))
        return run_blocks(encoder, x, start, stop)

    monkeypatch.setattr(type(partner), "run", observed)
    batches = assemble.batches(params, 0, run.rows, assemble.opened(run.shards([*training.streams, stream])), CPU)
    start = {key: tensor.clone() for key, tensor in method.encoders()[training.streams[0]].state_dict().items()}
    fit(method, batches, assemble.loop(params), 0, Checkpoint(tmp_path / "none", math.inf), "r")
    assert modes == [False] * 4 and not any(one.training for one in partner.modules())
    assert all(torch.equal(tensor, before[key]) for key, tensor in partner.state_dict().items())
    assert any("running_mean" in key for key in before) and any(one.training for one in method.modules())
    frozen = {id(parameter) for parameter in partner.parameters()}
    assert not frozen & {id(parameter) for parameter in method.trainable()} and not any(one.requires_grad for one in partner.parameters())
    after = method.encoders()[training.streams[0]].state_dict()
    assert len([key for key in start if not torch.equal(start[key], after[key])]) > len(start) // 2
    assert {key.split("/")[0] for key in job.flat(method.states())} == {training.streams[0]}


def handed(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Given]:
    """What a method's `build` is given from now on."""
    module, given = registry.module("methods", name), []
    build: Callable[..., Any] = module.build

    def noted(what: Given, *framework: Any) -> Any:
        given.append(what)
        return build(what, *framework)

    monkeypatch.setattr(module, "build", noted)
    return given


def weights_of_another_seed(folder: Path, stream: str, params: dict[str, Any]) -> Path:
    """A weights file as a training of two streams leaves it, with statistics of batch-norm that are not the initial ones."""
    encoder = assemble.encoder(stream, params["streams"][stream], 9)
    state = {f"encoder.{name}": tensor + 0.5 if "running" in name else tensor for name, tensor in encoder.state_dict().items()}
    weights.save(folder / "w.safetensors", job.flat({stream: state, "another": {"encoder.w": torch.zeros(1)}}), {})
    return folder / "w.safetensors"


def test_a_frozen_encoder_without_weights_is_at_its_initial_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    params = tiny()
    part = slices.training(params, recipes.training(params, "stc-mix-skeleton", "joint-1"))
    given = handed(monkeypatch, "cmmc")
    assemble.method(part, 0, assemble.Weights())
    wanted = assemble.encoder("motion", params["streams"]["motion"], 0).state_dict()
    assert given[0].frozen["partner"].stream == "motion"
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in given[0].frozen["partner"].encoder.state_dict().items())


def test_what_a_method_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its settings, the parts of a stream that it uses, a seed for each stream, the run's seed and the number of classes."""
    given: list[Given] = []
    made_up(monkeypatch, SimpleNamespace(build=lambda what: given.append(what)), clips={"query": 1}, uses=["head"])
    assemble.method(part(["joint", "motion"], crops=2), 7, assemble.Weights(), 5)
    assert (given[0].classes, given[0].seed, dict(given[0].frozen)) == (5, 7, {})
    assert list(given[0].streams) == ["joint", "motion"]
    joint, motion = given[0].streams.values()
    assert joint.settings["crops"] == 2 and joint.settings["head"] == {"hidden": 16, "out": 8} and joint.seed != motion.seed
