"""RAFT: the flow that torchvision's network gives, with small random weights; with torchvision's own, where they are, of textures that move."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.extract.test_flow import texture

from videossl import files
from videossl.errors import InputError
from videossl.extract import flow, raft

SMALL = {"model": "small", "updates": 2}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of RAFT, small."""
    path = tmp_path_factory.mktemp("weights") / "raft.pth"
    torch.manual_seed(0)
    torch.save(raft.untrained("small").state_dict(), path)
    return path


def settings(weights: Path, **others: Any) -> dict[str, Any]:
    return {**SMALL, "weights": str(weights), "digest": files.sha256(weights), **others}


def test_it_is_torchvisions_network_on_each_pair(weights: Path) -> None:
    """Of frames in colour whose sides are no multiples of 8."""
    pictures = np.random.default_rng(0).integers(0, 256, (3, 128, 133, 3), np.uint8)[[0, 1, 1, 2]]
    found = flow.compute("raft", settings(weights), pictures)
    assert found.shape == (3, 128, 133, 2) and found.dtype == np.float32 and not found[1].any() and found[0].any()
    network = raft.untrained("small")
    network.load_state_dict(torch.load(weights))
    for number in (0, 2):
        now, following = (torch.from_numpy(pictures[number + ahead]).permute(2, 0, 1)[None] / 127.5 - 1 for ahead in (0, 1))
        wide = [torch.cat([picture, picture[..., -1:].expand(-1, -1, -1, 3)], -1) for picture in (now, following)]
        with torch.no_grad():
            expected = network(*wide, num_flow_updates=2)[-1][0, :, :, :133].permute(1, 2, 0)
        np.testing.assert_allclose(found[number], expected.numpy(), atol=1e-4)
    np.testing.assert_array_equal(flow.compute("raft", settings(weights), pictures[2:]), found[2:])


def test_grey_frames_are_grey_in_all_colours(weights: Path) -> None:
    grey = np.stack([texture((0, 0), 128), texture((2, 1), 128)])
    np.testing.assert_array_equal(
        flow.compute("raft", settings(weights), grey), flow.compute("raft", settings(weights), np.repeat(grey[..., None], 3, 3))
    )


def test_small_frames_are_refused(weights: Path) -> None:
    with pytest.raises(InputError, match=r"no flow of 171x127 pixels by raft: it takes 128 at least; raise cache\.short_side"):
        flow.compute("raft", settings(weights), np.zeros((2, 127, 171), np.uint8))


def test_the_extractor_of_a_slice_of_params(weights: Path, tmp_path: Path) -> None:
    """Weights count by what is in them, and a rehearsal needs none."""
    copy = tmp_path / "copy.pth"
    copy.write_bytes(weights.read_bytes())
    part = {"cache": {"short_side": 128}, "index": {"fps": 25}, "flow": {"backend": "raft", "bound": 20, **SMALL}}
    one, other = (flow.make({**part, "flow": {**part["flow"], "weights": str(path)}}) for path in (weights, copy))  # type: ignore[dict-item]
    assert one.made_by() == other.made_by()
    assert one.made_by()["name"] == "raft" and one.made_by()["version"].startswith(f"torch {torch.__version__}, torchvision ")
    assert one.made_by()["params"] == {
        "short_side": 128, "fps": 25, "bound": 20.0, "model": "small", "updates": 2, "weights": files.sha256(weights),
    }  # fmt: skip
    rehearsed = flow.rehearsal({**part, "flow": {**part["flow"], "weights": "nowhere"}})  # type: ignore[dict-item]
    assert rehearsed.made_by()["params"]["weights"] == ""


@pytest.mark.parametrize(("model", "said"), [("large", r"is of another model \(\d+ tensors differ"), ("small", "raft.pth cannot be read")])
def test_weights_of_another_network_and_none(weights: Path, tmp_path: Path, model: str, said: str) -> None:
    if model == "small":
        with pytest.raises(InputError, match=said):
            raft.find_weights("small", str(tmp_path / "raft.pth"))
        return
    with pytest.raises(InputError, match=said) as caught:
        raft.network("large", str(weights), files.sha256(weights))
    assert "flow.weights must be a state dict of torchvision's raft_large" in str(caught.value) and "\n" not in str(caught.value)


def own(model: str) -> Path:
    from torchvision.models import optical_flow

    weights = getattr(optical_flow, f"Raft_{model.title()}_Weights").DEFAULT
    return Path(torch.hub.get_dir(), "checkpoints", Path(weights.url).name)


@pytest.mark.parametrize("model", ["large", "small"])
@pytest.mark.parametrize("shift", [(2.0, 0.0), (0.0, -1.5), (1.0, 1.0)])
def test_a_moving_texture(model: str, shift: tuple[float, float]) -> None:
    if not own(model).is_file():
        pytest.skip("torchvision's weights of RAFT are not in its cache")
    pictures = np.stack([texture((shift[0] * t, shift[1] * t), 128) for t in range(3)])
    found = flow.compute("raft", settings(own(model), model=model, updates=12), pictures)
    np.testing.assert_allclose(found[:, 10:-10, 10:-10].mean(axis=(0, 1, 2)), shift, atol=0.1)
