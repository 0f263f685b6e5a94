"""The arithmetic of a training: bfloat16 against float32 over many steps, in each method, and what it is set by."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.methods import several
from tests.methods.several import BATCH, CASES, batches
from torch import Tensor, nn

from videossl import parallel, seeding
from videossl.params.recipes import Params
from videossl.train import assemble, job
from videossl.train.checkpoint import Checkpoint
from videossl.train.loop import Batches, Training, fit

STEPS, EPOCHS = 20, 10


def videos(number: int, start: int = 0) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    """Batches of an epoch: two noisy views of each of BATCH * 4 pictures, which are the same in all epochs."""
    whole = torch.randn(4 * BATCH, *several.SHAPES["rgb"], generator=torch.Generator().manual_seed(0))
    for step in range(start, STEPS):
        draw = seeding.torch_rng(0, number, step, "views")
        sample = torch.randperm(len(whole), generator=draw)[:BATCH]
        yield {name: whole[sample] + 0.3 * torch.randn(whole[sample].shape, generator=draw) for name in ("query", "key")}, sample


def losses(precision: str, folder: Path, mixing: str) -> list[float]:
    """The mean loss of each epoch of STEPS steps."""
    training = Training(EPOCHS, BATCH, "adam", 0.002, 0.0, "cosine", precision=precision)
    method = several.moco("rgb", norm="batch", mixing=mixing)
    history = fit(method, Batches(STEPS, videos), training, 0, Checkpoint(folder / "none", math.inf), precision)
    assert all(parameter.dtype == torch.float32 for parameter in method.parameters())
    return [row["loss"] for row in history]


@pytest.mark.parametrize("mixing", ["none", "st-cutmix"])
def test_two_hundred_steps_in_bfloat16_learn_what_float32_learns(tmp_path: Path, mixing: str) -> None:
    full, half = (torch.tensor(losses(precision, tmp_path, mixing)) for precision in ("float32", "bf16"))
    assert not torch.equal(full, half), "it is another arithmetic"
    assert full[-1] < full[0] - 0.3, "and it learns"
    assert (full - half).abs().max() < 0.15 and (full - half).abs().mean() < 0.05


@pytest.mark.parametrize("case", CASES)
def test_each_method_trains_in_bfloat16(tmp_path: Path, case: str) -> None:
    modality, partner, make = CASES[case]
    method, seen = make(), set[torch.dtype]()
    for part in method.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d | nn.Linear):
            part.register_forward_hook(lambda part, given, made: seen.add(made.dtype))
    training = Training(2, BATCH, "sgd", 0.001, 0.0, "constant", precision="bf16")
    history = fit(method, batches(modality, partner), training, 0, Checkpoint(tmp_path / "none", math.inf), case)  # type: ignore[arg-type]
    assert torch.bfloat16 in seen
    assert all(math.isfinite(row["loss"]) for row in history)
    assert {tensor.dtype for tensor in method.state_dict().values() if tensor.is_floating_point()} == {torch.float32}


def test_statistics_of_several_processes_are_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two processes with the same rows, as if there were one: a batch-norm far from zero, whose variance bfloat16 can't hold."""
    monkeypatch.setattr(parallel, "size", lambda: 2)
    monkeypatch.setattr(parallel, "_stacked", lambda x: torch.stack([x, x]))
    x = (100 + torch.randn(64, 3, 4, generator=torch.Generator().manual_seed(0))).bfloat16()
    several_processes, one = parallel.SyncBatchNorm(3), nn.BatchNorm1d(3)
    found = several_processes(x)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), one(x.float()), atol=0.02, rtol=0.01)
    torch.testing.assert_close(several_processes.running_mean, one.running_mean)


@pytest.fixture
def as_before() -> Iterator[None]:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32
    yield
    cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32 = before


@pytest.mark.parametrize(
    ("given", "tf32", "deterministic"),
    [({}, False, True), ({"precision": "tf32"}, True, True), ({"precision": "bf16", "deterministic": False}, True, False)],
    ids=str,
)
@pytest.mark.usefixtures("as_before")
def test_what_a_job_sets(given: Params, tf32: bool, deterministic: bool) -> None:
    job.start({"threads": 1, **given})
    cudnn = torch.backends.cudnn
    assert (cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == (tf32, tf32)
    assert (cudnn.deterministic, cudnn.benchmark) == (deterministic, not deterministic)
    assemble.device()
    assert not cudnn.allow_tf32 and cudnn.deterministic, "what is measured is in full, whatever trained it"
