"""params.yaml as it is read: the forms in which people write it, and all that they may leave out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.conftest import REPOSITORY
from tests.params.made import PRESETS, TINY

from videossl.errors import InputError
from videossl.params import load
from videossl.params.recipes import Params


@pytest.mark.parametrize("file", [*PRESETS, TINY, REPOSITORY / "params.yaml"], ids=lambda file: file.stem)
def test_every_preset_is_good(file: Path) -> None:
    assert load.load(file)["experiments"]


def tenfold(first: str, later: str) -> str:
    """YAML of a few hundred bytes in which each of twelve lines stands for ten times the line before."""
    lines = [f"a{i}: &a{i} {later.format(', '.join([f'*a{i - 1}'] * 10))}" for i in range(1, 13)]
    return "\n".join([f"a0: &a0 {first}", *lines])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "is not YAML"),
        ("b: 1\na: 1\nc: 1\na: 2\n", "params.yaml, line 4: 'a' is given twice"),
        ("", "must be a mapping"),
        (tenfold("[x]", "[{}]"), "100,000 values or more"),
        (tenfold("{x: 1}", "{{<<: [{}]}}"), "100,000 values or more"),
        ("a: &a [*a]", "one that holds itself"),
        ("[" * 20_000, "nested too deep"),
        ("a: 2001-13-45", "is not YAML: month must be in 1..12"),
        ("a: " + "9" * 5000, "is not YAML"),
    ],
    ids=["open", "twice", "empty", "aliases", "merges", "itself", "deep", "month", "digits"],
)
def test_a_broken_file(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load.parse(text, "params.yaml")


def test_aliases_and_merges_as_people_write_them(tmp_path: Path) -> None:
    """A key of a merged mapping may be given anew."""
    (tmp_path / "x.yaml").write_text("a: {<<: &b {<<: &c {x: 1, y: 2}, x: 3}, z: 4}\nb: *b\nc: *c\nd: [*c, *c]")
    assert load.written(tmp_path / "x.yaml") == {
        "a": {"x": 3, "y": 2, "z": 4},
        "b": {"x": 3, "y": 2},
        "c": {"x": 1, "y": 2},
        "d": [{"x": 1, "y": 2}] * 2,
    }


@pytest.mark.parametrize("number", ["012", "0110", "1:30", "1_000", "-07", "1:30.5", "1_0.5"])
def test_numbers_that_are_read_in_two_ways(number: str) -> None:
    """By YAML 1.1 and 1.2: 012 is 10 or 12. In quotes it is a text, which has one meaning."""
    with pytest.raises(InputError, match=f"params.yaml, line 2: {number} is read in two ways"):
        load.parse(f"a: 1\nb: [{number}]\n", "params.yaml")
    with pytest.raises(InputError, match="unknown key 'b'"):
        load.parse(f"b: ['{number}', 0.5, 10, 0, 0x1F, 1e-5, -3]\n", "params.yaml")


@pytest.mark.parametrize("value", [10**14, -(2**40), 10**500])
def test_a_number_that_no_machine_can_count_to(good: Params, value: int) -> None:
    good["streams"]["rgb"]["train"]["queue"] = value
    with pytest.raises(InputError, match=r"streams\.rgb\.train\.queue is -?1\d+; whole numbers go up to 4294967296"):
        load.check(good)


def test_params_of_the_form_before_are_known_as_such(good: Params) -> None:
    good["modalities"] = good.pop("streams")
    with pytest.raises(InputError, match=r"^mine\.yaml is of the form before `streams`; CHANGELOG\.md says what each key has become"):
        load.check(good, "mine.yaml")


def test_numbers_may_be_written_as_people_write_them(good: Params) -> None:
    text = yaml.safe_dump(good).replace("weight_decay: 1.0e-05", "weight_decay: 1e-5")
    assert "1e-5" in text
    assert load.parse(text, "x")["streams"]["rgb"]["train"]["weight_decay"] == 1e-5


def test_a_dataset_by_its_name_alone_or_with_little_more_has_all_keys() -> None:
    good = load.load(REPOSITORY / "presets/ucf101.yaml")
    wanted = {"name": "ucf101", "root": "data/raw/ucf101", "split": 1, "options": {}}
    for written in ("ucf101", {"name": "ucf101"}, wanted):
        assert load.check(good | {"dataset": written})["dataset"] == wanted
    assert load.check(good | {"dataset": {"name": "ucf101", "split": 3}})["dataset"] == wanted | {"split": 3}
    given = good | {"transfer": [{"name": "hmdb51", "streams": ["rgb"]}]}
    (transfer,) = load.check(given)["transfer"]
    assert transfer == {"name": "hmdb51", "root": "data/raw/hmdb51", "split": 1, "options": {}, "streams": ["rgb"]}
    assert given["transfer"] == [{"name": "hmdb51", "streams": ["rgb"]}], "what is checked is not changed"


def test_tasks_may_be_a_list_of_names(good: Params) -> None:
    good |= {"targets": {}}
    good["evaluate"]["tasks"] = ["retrieval"]
    assert load.check(good)["evaluate"]["tasks"] == {"retrieval": {}}
    good["evaluate"]["tasks"] = []
    assert load.check(good)["evaluate"]["tasks"] == {} and good["evaluate"]["tasks"] == [], "what is checked is not changed"
