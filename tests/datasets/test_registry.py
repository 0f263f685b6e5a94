"""The datasets that there are, and that all that speaks of them says the same."""

import dataclasses
import inspect
import re

import jsonschema
import pytest

from videossl import registry
from videossl.data import listing
from videossl.datasets import toy
from videossl.errors import InputError
from videossl.params import run_plan, schema

NAMES = ("diving48", "folder", "hmdb51", "kinetics400", "mini-kinetics", "msr-action3d", "ntu120", "ntu60", "toy", "toy-paths", "ucf101")
ALWAYS = {"about", "has", "labels", "options"}


def test_there_are_ten() -> None:
    assert registry.names("datasets") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_module_has_what_listing_asks_for(name: str) -> None:
    module = registry.module("datasets", name)
    assert list(inspect.signature(module.videos).parameters) == ["root", "split", "options"]
    assert list(inspect.signature(module.check).parameters) == ["root"]
    assert list(inspect.signature(module.expected).parameters) == ["split", "options"]
    assert name == module.NAME and module.LICENCE and "<root>/" in module.LAYOUT
    assert isinstance(module.ARCHIVES, tuple) and isinstance(module.FOLDERS, tuple) and isinstance(module.CITATION, str)


@pytest.mark.parametrize("name", NAMES)
def test_every_yaml_says_what_listing_asks_for(name: str) -> None:
    module, declared = registry.module("datasets", name), registry.declared("datasets", name)
    assert ALWAYS <= set(declared) <= ALWAYS | {"downloaded", "rendered", "approximate", "sizes"}
    assert declared["has"] in (["video"], ["skeleton"], ["video", "skeleton"])
    assert set(declared["labels"].values()) <= set(listing.KINDS) and declared["labels"]["class"] == "class"
    for option in declared["options"].values():
        jsonschema.Draft202012Validator.check_schema(option)
    assert declared.get("downloaded", False) == bool(module.ARCHIVES)
    assert declared.get("rendered", False) == hasattr(module, "download")


def test_toy_has_the_options_that_it_declares() -> None:
    declared = registry.declared("datasets", "toy")["options"]
    assert set(declared) == {field.name for field in dataclasses.fields(toy.Options)}
    assert tuple(declared["layout"]["enum"]) == toy.LAYOUTS and declared["actions"]["maximum"] == len(toy.CLASSES)


def test_an_unknown_name() -> None:
    with pytest.raises(InputError, match=r"^unknown dataset 'ucf11': did you mean 'ucf101'\?"):
        registry.module("datasets", "ucf11")


def test_what_two_datasets_share_is_none() -> None:
    with pytest.raises(InputError, match="unknown dataset 'ntu-rgbd'"):
        registry.declared("datasets", "ntu-rgbd")


def test_the_schema_knows_the_same_datasets() -> None:
    assert tuple(schema.schema()["properties"]["dataset"]["properties"]["name"]["enum"]) == NAMES


def test_what_params_looks_at_for_changes_is_what_datasets_read() -> None:
    assert set(run_plan.READ) == {*listing.SUFFIXES, ".skeleton", ".txt", ".csv", ".json"}


@pytest.mark.parametrize("name", ["ucf101", "hmdb51"])
def test_archives_can_be_checked(name: str) -> None:
    for archive in registry.module("datasets", name).ARCHIVES:
        assert archive.size and archive.sha256 and re.fullmatch("[0-9a-f]{64}", archive.sha256)
        assert archive.urls and all(url.startswith("https://") and url.endswith(f"/{archive.name}") for url in archive.urls)
