"""Few labels: which videos are used, by hand and by properties; and that probe, finetuning and estimates use them alone."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import REPOSITORY
from tests.tasks.conftest import TRAINING, CallStage, MakeDataset, settings
from tests.tasks.test_scripts import FUSED, PROBE, random_files, score

from videossl import seeding
from videossl.errors import InputError
from videossl.params import cross_checks, load, schema, slices
from videossl.tasks import base, features, few, linear
from videossl.train import assemble

CLASSES = {"jump": 40, "run": 7, "sit": 1}
LABELS = {f"{name}/{number}": name for name, count in CLASSES.items() for number in range(count)}


@pytest.fixture
def tiny() -> dict[str, Any]:
    return load.load(REPOSITORY / "tests/pipeline/tiny.yaml")


@pytest.mark.parametrize(
    ("share", "sizes"),
    [
        (0.01, {"jump": 1, "run": 1, "sit": 1}),  # 0.4, 0.07, 0.01, and at least one
        (0.1, {"jump": 4, "run": 1, "sit": 1}),
        (0.25, {"jump": 10, "run": 2, "sit": 1}),  # 1.75 of 7
        (1.0, CLASSES),
    ],
)
def test_every_class_has_its_share_and_at_least_one(share: float, sizes: dict[str, int]) -> None:
    used = few.chosen(LABELS, share, 0)
    assert Counter(LABELS[id] for id in used) == sizes
    assert {name: few.size(count, share) for name, count in CLASSES.items()} == sizes


def test_a_smaller_share_is_a_part_of_a_larger_one() -> None:
    shares = [few.chosen(LABELS, number / 50, 3) for number in range(1, 51)]
    assert all(smaller <= larger for smaller, larger in itertools.pairwise(shares)) and shares[-1] == set(LABELS)


def test_the_order_of_the_index_has_no_part_in_it_and_the_seed_has() -> None:
    turned = {id: LABELS[id] for id in reversed(LABELS)}
    assert few.chosen(turned, 0.25, 5) == few.chosen(LABELS, 0.25, 5) != few.chosen(LABELS, 0.25, 6)
    by_hand = sorted((id for id in LABELS if LABELS[id] == "run"), key=lambda id: seeding.derive(5, id, "few labels"))[:2]
    assert {id for id in few.chosen(LABELS, 0.25, 5) if LABELS[id] == "run"} == set(by_hand)


def test_over_seeds_each_video_is_as_likely() -> None:
    counts = Counter(id for seed in range(400) for id in few.chosen({str(n): "a" for n in range(10)}, 0.3, seed))
    assert len(counts) == 10 and all(abs(count - 120) < 4 * np.sqrt(400 * 0.3 * 0.7) for count in counts.values())


def test_a_new_video_changes_at_most_one_of_a_class() -> None:
    before, after = few.chosen(LABELS, 0.25, 0), few.chosen(LABELS | {"jump/new": "jump"}, 0.25, 0)
    assert len(before - after) <= 1 and len(after - before) <= 1


def test_features_keep_all_test_videos_and_the_order(tmp_path: Path) -> None:
    whole = features.read(random_files(tmp_path)[0])
    part = few.features(whole, {"share": 0.2}, 0)
    assert [id for id in whole.ids if id in part.ids] == part.ids
    assert part.targets("test").tolist() == whole.targets("test").tolist() and part.classes == whole.classes
    assert Counter(part.targets("train").tolist()) == {0: 3, 1: 3, 2: 3}  # of 15 each
    assert few.features(whole, {}, 0) is whole and few.features(whole, {"share": 1}, 0) is whole


def test_all_labels_are_the_linear_probe_to_the_bit(tmp_path: Path, call_stage: CallStage) -> None:
    paths = random_files(tmp_path)
    whole, part = score(call_stage, "linear", paths, PROBE), score(call_stage, "linear-few", paths, PROBE | {"share": 1.0})
    assert all(whole[key] == part[key] for key in ("values", "chance", "counts"))
    given = features.read(paths[0])
    assert (
        linear.predict(few.features(given, {"share": 1.0}, 0), PROBE).probabilities.tobytes()
        == linear.predict(given, PROBE).probabilities.tobytes()
    )


def test_a_share_is_the_probe_of_features_that_have_no_other_videos(tmp_path: Path, call_stage: CallStage) -> None:
    path = random_files(tmp_path)[0]
    result = score(call_stage, "linear-few", [path], PROBE | {"share": 0.2}, seed=4)
    assert result["counts"] == {"train": 9, "test": 15, "classes": 3} and result["chance"] == {"accuracy": pytest.approx(100 / 3)}
    whole = features.read(path)
    train = {id: label for id, label, split in zip(whole.ids, whole.labels, whole.split, strict=True) if split == "train"}
    used = few.chosen(train, 0.2, 4)
    alone = whole.select([i for i, id in enumerate(whole.ids) if whole.split[i] == "test" or id in used])
    assert result["values"]["rgb"] == base.scores(base.load("linear"), [linear.predict(alone, PROBE)], alone).numbers
    assert result["provenance"]["params"]["evaluate"] == FUSED | {"tasks": {"linear-few": PROBE | {"share": 0.2}}}


def test_finetuning_sees_the_videos_of_the_probe_and_no_others(
    tmp_path: Path, make_dataset: MakeDataset, call_stage: CallStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, chosen = make_dataset("toy", ["jump", "run"], 32, 32, 20.0), {"share": 0.5, "overlap": 0.0, "crops": 1}
    seen: list[list[str]] = []
    batches = assemble.batches
    monkeypatch.setattr(assemble, "batches", lambda *given: seen.append([row.id for row in given[2]]) or batches(*given))
    params = {
        "method": "supervised",
        "streams": {"rgb": settings("rgb")},
        "settings": {"rgb": TRAINING | {"dropout": 0.0}},
        "evaluate": {"tasks": {"finetune-few": chosen}},
    }
    arguments: dict[str, Any] = {"experiment": "untrained", "seed": 2, "index": dataset.index, "cache": [dataset.caches["rgb"]]}
    arguments |= {"task": "finetune-few", "scratch": tmp_path / "scratch"}
    made = call_stage("finetune", params, "rgb/toy.h5", **arguments)
    train = {row.id: row.label for row in dataset.rows if row.split == "train"}
    assert len(train) == 8 and [set(ids) for ids in seen] == [few.chosen(train, 0.5, 2)] and len(seen[0]) == 4
    part = few.features(features.read(made), chosen, 2)
    assert len(part.ids) == 8 and {part.ids[i] for i in part.rows("train")} == set(seen[0])
    result = score(call_stage, "finetune-few", [made], chosen, experiment="untrained", seed=2)
    assert result["counts"] == {"train": 4, "test": 4, "classes": 2}


def test_what_counts_alone_say() -> None:
    assert [few.expected(140, 14, share) for share in (0.01, 0.1, 0.25, 1.0)] == [14, 14, 35, 140]
    assert few.expected(3, 14, 0.5) == 3


@pytest.mark.parametrize("share", [0, -0.1, 1.5, "all"])
def test_a_share_is_above_0_and_at_most_1(tiny: dict[str, Any], share: Any) -> None:
    tiny["evaluate"]["tasks"]["linear-few"] = {"share": share, "weight_decay": 0.001, "iterations": 20}
    with pytest.raises(InputError, match=r"^evaluate\.tasks\.linear-few\.share"):
        schema.check(tiny)


def test_the_batches_of_a_share_are_its_own(tiny: dict[str, Any]) -> None:
    tiny["evaluate"]["tasks"]["finetune-few"] = {"share": 0.4, "overlap": 0.5, "crops": 2, "experiments": []}
    tiny["streams"]["joint"]["train"] = tiny["streams"]["joint"]["train"] | {"finetune-few": {"epochs": 3, "batch": 2}}
    cross_checks.check(tiny)
    part = slices.measurable(tiny, "toy")
    assert part["shares"] == {"finetune-few": 0.4} and part["batches"]["finetune-few"]["streams.joint.train.finetune-few.batch"] == 2
    assert slices.finetune(tiny, "finetune-few", "joint")["settings"]["joint"]["epochs"] == 3
    assert "streams.joint.train.finetune-few.batch" in slices.measurable_keys(tiny, "toy")
