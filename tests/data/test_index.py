"""The index as a file, and what is said of dropped videos."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videossl.data import index
from videossl.data.index import Row
from videossl.errors import InputError

OK = Row("Wave/a", "Wave/a.avi", "Wave", "train", "g1", 24, 25.0, 29, 64, 48, "", "00", "ok", "", clock="stamps")
SHORT = Row("Wave/b", "Wave/b.avi", "Wave", "test", "Wave/b", 3, 30.0, 3, 64, 48, "b.skeleton", "11", "dropped", "short: steps 3 < 16")
ABSENT = Row("Wave/c", "Wave/c.avi", "Wave", "test", "Wave/c", 0, 0.0, 0, 0, 0, "", "", "dropped", "absent: l.txt:1 names it")

text = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=20)
any_text = st.text(st.characters(codec="utf-8"), max_size=20)
labels = st.dictionaries(
    any_text, any_text | st.lists(any_text) | st.integers() | st.floats(allow_nan=False, allow_infinity=False), max_size=3
)
rows = st.builds(
    Row, text, text, text, st.sampled_from(["train", "test"]), text, st.integers(0, 10**6), st.floats(0, 1000),
    st.integers(0, 10**8), st.integers(0, 5000), st.integers(0, 5000), text, text, st.sampled_from(["ok", "dropped"]), text, labels=labels,
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(rows, max_size=5))
def test_rows_survive_the_file(tmp_path_factory, rows: list[Row]) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("index") / "toy.csv"
    index.write(path, rows)
    assert index.read(path) == rows


def test_the_file_is_plain_and_the_same_twice(tmp_path: Path) -> None:
    index.write(tmp_path / "a.csv", [OK, SHORT])
    index.write(tmp_path / "b.csv", [OK, SHORT])
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    header, first, *_ = (tmp_path / "a.csv").read_bytes().split(b"\n")
    assert header == b"id,path,label,labels,split,group,frames,fps,steps,clock,width,height,skeleton,sha256,status,reason"
    assert first == b"Wave/a,Wave/a.avi,Wave,,train,g1,24,25.0,29,stamps,64,48,,00,ok,"


def test_further_labels_are_one_cell_of_json(tmp_path: Path) -> None:
    row = replace(OK, labels={"verbs": ["wink", "grüßen"], "repetitions": 7, "share": 0.1})
    index.write(tmp_path / "i.csv", [row])
    (line,) = csv.DictReader((tmp_path / "i.csv").read_text().splitlines())
    assert line["labels"] == '{"repetitions":7,"share":0.1,"verbs":["wink","grüßen"]}'
    assert index.read(tmp_path / "i.csv") == [row]


def test_labels_by_name() -> None:
    row = replace(OK, labels={"verbs": ["wink"], "repetitions": 0})
    assert [row.of(name) for name in ("class", "verbs", "repetitions", "rank")] == ["Wave", ["wink"], 0, None]
    assert replace(row, label="").of("class") is None
    assert len({row, OK}) == 2, "rows can be in a set"


@pytest.mark.parametrize(
    "cell",
    ["{", "[1]", "7", "null", '{"rank": NaN}', '{"rank": Infinity}', '{"rank": true}', '{"rank": null}', '{"verbs": [1]}', '{"verbs": {}}'],
)
def test_labels_that_are_none_name_their_row(tmp_path: Path, cell: str) -> None:
    with (tmp_path / "i.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerows([index.COLUMNS, [*("a", "a.avi", "Wave", cell, "train", "g1"), *(["1"] * 5), "", "00", "ok", ""]])
    with pytest.raises(InputError, match=r"i\.csv: row 2 is malformed \(.*\); make it again"):
        index.read(tmp_path / "i.csv")


def test_usable_and_training() -> None:
    assert index.usable([OK, SHORT, ABSENT]) == [OK] == index.training([OK, SHORT, replace(OK, split="test")])
    with pytest.raises(InputError, match="no usable training video"):
        index.training([SHORT, replace(OK, split="test")])


def test_classes_are_sorted_and_unlabelled_is_none() -> None:
    assert index.classes([OK, replace(OK, label="Clap"), replace(OK, label=""), OK]) == ["Clap", "Wave"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ":1: not an index"),
        ("id,path\n", ":1: not an index"),
        (",".join(index.COLUMNS) + "\na,b\n", "row 2 is malformed"),
    ],
)
def test_what_is_no_index(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "i.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        index.read(tmp_path / "i.csv")


def test_a_number_that_is_none_names_its_row(tmp_path: Path) -> None:
    index.write(tmp_path / "i.csv", [OK, OK])
    content = (tmp_path / "i.csv").read_text()
    (tmp_path / "i.csv").write_text(content[::-1].replace("92", "x", 1)[::-1])
    with pytest.raises(InputError, match="row 3 is malformed"):
        index.read(tmp_path / "i.csv")


def test_rows_come_one_after_the_other_and_share_their_texts(tmp_path: Path) -> None:
    """A million of them take 0.6 GB, and 1 MB where none is kept."""
    path = tmp_path / "index.csv"
    index.write(path, [replace(OK, group=OK.id), replace(OK, id="Wave/d")])
    path.write_text(path.read_text() + "broken\n")
    rows = index.scan(path)
    first, second = next(rows), next(rows)
    assert first.label is second.label and first.split is second.split and first.group is first.id
    with pytest.raises(InputError, match="row 4 is malformed"):
        next(rows)


def test_no_index(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        index.read(tmp_path / "i.csv")


def test_too_many_drops_are_one_line_with_counts() -> None:
    with pytest.raises(InputError) as caught:
        index.check_drops([OK, OK, SHORT, ABSENT], 0.4)
    message = str(caught.value)
    assert "2 of 4 videos dropped (absent 1, short 1)" in message and "allows 0.4" in message
    assert "first: Wave/b (short: steps 3 < 16)" in message and "\n" not in message


def test_as_many_drops_as_allowed_pass() -> None:
    index.check_drops([OK, OK, SHORT, ABSENT], 0.5)
    index.check_drops([OK], 0.0)


@pytest.mark.parametrize("rows", [[], [SHORT, ABSENT]])
def test_nothing_left_is_an_error_whatever_is_allowed(rows: list[Row]) -> None:
    with pytest.raises(InputError):
        index.check_drops(rows, 1.0)


def test_the_summary_adds_up() -> None:
    rows = [OK, replace(OK, split="test"), OK, SHORT, ABSENT, ABSENT]
    assert index.summary(rows) == "6 named: 3 ok (train 2, test 1), 3 dropped (absent 2, short 1)"
    assert index.summary([OK]) == "1 named: 1 ok (train 1, test 0), 0 dropped"
    assert [index.kind(row) for row in rows[2:5]] == ["", "short", "absent"]


def test_shards_are_stable_and_even() -> None:
    assert [index.shard_of(f"Wave/v_{number}", 4) for number in range(8)] == [2, 1, 1, 2, 2, 0, 0, 3]
    counts = [0] * 8
    for number in range(8000):
        counts[index.shard_of(f"video {number}", 8)] += 1
    assert min(counts) > 880 and max(counts) < 1120  # 1000 +- 4 standard deviations
