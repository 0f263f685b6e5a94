"""Datasets by name."""

import inspect

import pytest

from videossl.data.datasets import registry
from videossl.errors import InputError


@pytest.mark.parametrize("name", ["folder", "hmdb51", "kinetics400", "toy", "ucf101"])
def test_every_dataset_has_its_functions(name: str) -> None:
    module = registry.get(name)
    assert list(inspect.signature(module.videos).parameters) == ["root", "split", "options"]
    assert list(inspect.signature(module.check).parameters) == ["root"]
    assert list(inspect.signature(module.expected).parameters) == ["split", "options"]
    assert name == module.NAME and module.LICENCE and "<root>/" in module.LAYOUT


def test_an_unknown_name() -> None:
    with pytest.raises(InputError, match=r"'ucf11': did you mean 'ucf101'.*folder, hmdb51, kinetics400, toy, ucf101"):
        registry.get("ucf11")
