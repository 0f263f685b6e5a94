"""What tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole pipelines last, so that what is quick to tell is told first."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_clips() -> Path:
    """Real UCF101 and HMDB51 clips and the official lists, beside the repository; not part of it."""
    for parent in REPOSITORY.parents:
        if (parent / "shared" / "real" / "splits").is_dir():
            return parent / "shared" / "real"
    pytest.skip("the real clips (../shared/real) are not here")
