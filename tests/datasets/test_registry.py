"""Datasets by name, and that all that speaks of them speaks of the same."""

import inspect
import re

import pytest

from videossl import params
from videossl.data import listing
from videossl.datasets import registry
from videossl.errors import InputError


@pytest.mark.parametrize("name", ["folder", "hmdb51", "kinetics400", "ntu60", "ntu120", "toy", "ucf101"])
def test_every_dataset_has_what_base_asks_for(name: str) -> None:
    module = registry.get(name)
    assert list(inspect.signature(module.videos).parameters) == ["root", "split", "options"]
    assert list(inspect.signature(module.check).parameters) == ["root"]
    assert list(inspect.signature(module.expected).parameters) == ["split", "options"]
    assert name == module.NAME and module.LICENCE and "<root>/" in module.LAYOUT
    assert isinstance(module.SOURCES, tuple) and isinstance(module.FOLDERS, tuple) and isinstance(module.CITATION, str)


def test_an_unknown_name() -> None:
    with pytest.raises(InputError, match=r"'ucf11': did you mean 'ucf101'.*folder, hmdb51, kinetics400, ntu120, ntu60, toy, ucf101"):
        registry.get("ucf11")


def test_the_schema_knows_the_same_datasets() -> None:
    assert set(params.schema()["properties"]["dataset"]["properties"]["name"]["enum"]) == set(registry.DATASETS)


def test_what_is_downloaded_or_made_is_what_params_says() -> None:
    assert {name for name, module in registry.DATASETS.items() if module.SOURCES or hasattr(module, "download")} == set(params.FILLED)


def test_what_params_looks_at_for_changes_is_what_datasets_read() -> None:
    assert set(params.READ) == {*listing.SUFFIXES, ".skeleton", ".txt", ".csv"}


@pytest.mark.parametrize("name", ["ucf101", "hmdb51"])
def test_archives_can_be_checked(name: str) -> None:
    for archive in registry.get(name).SOURCES:
        assert archive.size and archive.sha256 and re.fullmatch("[0-9a-f]{64}", archive.sha256)
        assert archive.urls and all(url.startswith("https://") and url.endswith(f"/{archive.name}") for url in archive.urls)
