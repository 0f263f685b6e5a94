"""Walking folders and reading split lists."""

import os
from pathlib import Path

import pytest

from videossl.data import listing
from videossl.data.index import Label
from videossl.data.listing import Video
from videossl.datasets import folder, ntu60
from videossl.errors import InputError
from videossl.params import run_plan


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_find_takes_any_name_and_leaves_hidden_ones(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "b/[x] y.AVI",
        "b/é\u3000日.mp4",
        "a/c/d.webm",
        "a/.hidden.avi",
        ".cache/e.avi",
        "a/notes.txt",
    )
    assert listing.find(tmp_path) == ["a/c/d.webm", "b/[x] y.AVI", "b/é\u3000日.mp4"]


def test_find_follows_links_and_ends_on_a_loop(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/v.avi", "root/a/w.avi")
    (tmp_path / "root/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root/a/loop").symlink_to(tmp_path / "root")
    assert listing.find(tmp_path / "root") == ["a/w.avi", "linked/v.avi"]


def test_two_names_of_one_folder_are_two_folders_and_links_to_oneself_none(tmp_path: Path) -> None:
    """Also where the root is a link, and where folders link to each other."""
    touch(tmp_path, "real/j.avi", "root/a/x.avi", "root/b/y.avi")
    for name in ("hop", "jump"):
        (tmp_path / "root" / name).symlink_to("../real")
    for name in ("again", "once more"):
        (tmp_path / "root" / name).symlink_to(".")
    (tmp_path / "linked root").symlink_to("root")
    for root in ("root", "linked root"):
        assert listing.find(tmp_path / root) == ["a/x.avi", "b/y.avi", "hop/j.avi", "jump/j.avi"]
    (tmp_path / "root/a/to b").symlink_to("../b")
    (tmp_path / "root/b/to a").symlink_to("../a")
    assert listing.find(tmp_path / "root")[:5] == ["a/to b/y.avi", "a/x.avi", "b/to a/x.avi", "b/y.avi", "hop/j.avi"]
    before = run_plan.fingerprint(tmp_path / "root")
    touch(tmp_path, "root/.hidden/z.avi", "root/a/.z.avi")
    assert run_plan.fingerprint(tmp_path / "root") == before, "both walk alike"
    touch(tmp_path, "real/k.avi")
    assert run_plan.fingerprint(tmp_path / "root") != before


def test_a_name_that_is_not_text(tmp_path: Path) -> None:
    try:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.avi"))).touch()
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    with pytest.raises(InputError, match="rename it"):
        listing.find(tmp_path)


def test_a_list_with_windows_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "l.txt"
    path.write_bytes("\ufeffA/a b[1] 2.avi 3\r\n\r\nB/é.mp4\r\nB/x.avi \t 0  ".encode())
    assert listing.read_list(path) == [(1, "A/a b[1] 2.avi", "3"), (3, "B/é.mp4", ""), (4, "B/x.avi", "0")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A/a.avi 1\nA/b.avi\nA/a.avi 2", r"l\.txt:3: A/a\.avi is also in line 1"),
        ("A/a.avi\nA/b", r"l\.txt:2: 'A/b' is not the name of a video"),
        ("../a.avi", r"l\.txt:1: .* must lie below"),
        ("X\\a.avi", r"l\.txt:1: .* has a backslash; put / between"),
        ("/home/a.avi", r"l\.txt:1: .* must lie below"),
        ("A/a.avi 1 2", r"l\.txt:1: 'A/a\.avi 1' is not the name of a video"),
    ],
)
def test_a_bad_list_is_named_by_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "l.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        listing.read_list(tmp_path / "l.txt")


def test_a_list_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_bytes(b"A/\xff\xfe.avi")
    with pytest.raises(InputError, match="not UTF-8"):
        listing.read_list(tmp_path / "l.txt")


def test_lists_give_class_side_and_line(tmp_path: Path) -> None:
    (tmp_path / "trainlist02.txt").write_text("B/b.avi 1\nA/a.avi 2\n")
    (tmp_path / "testlist02.txt").write_text("A/c.avi\n")
    assert listing.listed(tmp_path, 2, below="videos") == [
        Video("A/a", "videos/A/a.avi", "A", "train", "", "trainlist02.txt:2"),
        Video("A/c", "videos/A/c.avi", "A", "test", "", "testlist02.txt:1"),
        Video("B/b", "videos/B/b.avi", "B", "train", "", "trainlist02.txt:1"),
    ]


def test_a_video_on_both_sides_names_both_lines(tmp_path: Path) -> None:
    (tmp_path / "trainlist01.txt").write_text("A/b.avi\nA/a.avi\n")
    (tmp_path / "testlist01.txt").write_text("A/a.avi\n")
    with pytest.raises(InputError, match=r"trainlist01\.txt:2.*testlist01\.txt:1"):
        listing.listed(tmp_path, 1)


def test_one_list_without_the_other(tmp_path: Path) -> None:
    (tmp_path / "trainlist01.txt").write_text("A/a.avi\n")
    with pytest.raises(InputError, match=r"testlist01\.txt is missing"):
        listing.listed(tmp_path, 1)


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(InputError, match="'tset_share': did you mean 'test_share'"):
        listing.check_options("folder", {"tset_share": 1})


def test_options_that_are_absent_have_their_defaults() -> None:
    assert listing.settings("folder", {"seed": 4}) == {"test_share": 0.3, "seed": 4}
    with pytest.raises(InputError, match="dataset ntu60 has no option 'sed': did you mean 'missing'"):
        listing.settings("ntu60", {"sed": 4})


def test_the_split_that_a_person_names() -> None:
    assert listing.split_of(ntu60, "2", {}) == 2
    for text in ("3", "two", "02", ""):
        with pytest.raises(InputError, match=f"SPLIT is {text}, and the splits of ntu60 are 1, 2"):
            listing.split_of(ntu60, text, {})
    assert listing.split_of(folder, "3", {}) == 3, "nobody knows how many there are"


KINDS = {"class": "class", "scene": "class", "verbs": "several", "repetitions": "number", "rank": "order"}


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"scene": "indoors", "verbs": ["run", "jump"], "repetitions": 7, "rank": 0},
        {"verbs": [], "repetitions": -0.5, "rank": 10**20},
    ],
)
@pytest.mark.parametrize("label", ["", "Wave"])
def test_labels_as_declared(label: str, labels: dict[str, Label]) -> None:
    assert listing.wrong_labels(Video("a", "a.avi", label, labels=labels), KINDS) == ""


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"scene": ""}, "the label 'scene' is ''; its kind is 'class': a text that is not empty"),
        ({"scene": ["indoors"]}, "its kind is 'class'"),
        ({"verbs": "run"}, "the label 'verbs' is 'run'; its kind is 'several': a list of texts, each once and not empty"),
        ({"verbs": ["run", "run"]}, "its kind is 'several'"),
        ({"verbs": ["run", ""]}, "its kind is 'several'"),
        ({"verbs": ["run", 1]}, "its kind is 'several'"),
        ({"verbs": ("run", "jump")}, "its kind is 'several'"),
        ({"repetitions": "7"}, "the label 'repetitions' is '7'; its kind is 'number': a finite number"),
        ({"repetitions": True}, "its kind is 'number'"),
        ({"repetitions": float("nan")}, "its kind is 'number'"),
        ({"repetitions": float("-inf")}, "its kind is 'number'"),
        ({"repetitions": 10**400}, "its kind is 'number'"),
        ({"rank": -1}, "the label 'rank' is -1; its kind is 'order': a whole number from 0"),
        ({"rank": 1.0}, "its kind is 'order'"),
        ({"rank": False}, "its kind is 'order'"),
        ({"rang": 1}, "the label 'rang' is not declared; declared are class (class), scene (class), verbs (several), "),
        ({"class": "Wave"}, "the label 'class' stands in `labels`; its place is the field `label`"),
    ],
)
def test_labels_that_are_not_as_declared(labels: dict[str, Label], message: str) -> None:
    assert message in listing.wrong_labels(Video("a", "a.avi", labels=labels), KINDS)


def test_a_class_that_is_not_declared_and_a_kind_that_there_is_not() -> None:
    assert listing.wrong_labels(Video("a", "a.avi", "Wave"), {}) == "the label 'class' is not declared; declared are none"
    wrong = listing.wrong_labels(Video("a", "a.avi", labels={"rank": 1}), {"rank": "rank"})
    assert wrong == "the label 'rank' is declared to be of the kind 'rank'; there are class, several, number, order"


def test_a_wrong_label_names_dataset_and_video() -> None:
    videos = [Video("Wave/a", "a.avi", "Wave"), Video("Wave/b", "b.avi", "Wave", labels={"rank": 1})]
    listing.check_labels("toy", videos[:1])
    with pytest.raises(InputError, match=r"^dataset toy, video 'Wave/b': the label 'rank' is not declared; declared are class \(class\)$"):
        listing.check_labels("toy", videos)


def lists(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.txt").write_bytes(text.encode())
    return folder


def test_classes_and_numbers_agree_with_the_list_of_classes(tmp_path: Path) -> None:
    lists(tmp_path, classInd="\ufeff1 Clap\r\n2 Wave\r\n\r\n", trainlist01="Wave/a.avi 2\r\nClap/b.avi 1\r\n", testlist01="Wave/c.avi\r\n")
    assert [video.label for video in listing.listed(tmp_path, 1)] == ["Clap", "Wave", "Wave"]


@pytest.mark.parametrize(
    ("train", "classes", "message"),
    [
        ("Wave/a.avi 2\nWaev/b.avi 2\n", "1 Clap\n2 Wave\n", r"trainlist01\.txt:2: classInd\.txt has no class 'Waev': did you mean 'Wave'"),
        ("Wave/a.avi 1\n", "1 Clap\n2 Wave\n", r"trainlist01\.txt:1: number 1 stands behind a video of Wave, which is 2 in classInd\.txt"),
        ("a.avi\n", "1 Clap\n", r"trainlist01\.txt:1: classInd\.txt has no class ''"),
        ("Wave/a.avi 2\n", "1 Clap\nWave\n", r"classInd\.txt:2: 'Wave' is not a number and a class"),
    ],
)
def test_an_unknown_class_is_named_by_line(tmp_path: Path, train: str, classes: str, message: str) -> None:
    lists(tmp_path, classInd=classes, trainlist01=train, testlist01="Clap/x.avi\n")
    with pytest.raises(InputError, match=message) as caught:
        listing.listed(tmp_path, 1)
    assert "\n" not in str(caught.value)


def test_an_absent_entry_is_kept_for_the_index_to_drop(tmp_path: Path) -> None:
    lists(tmp_path, trainlist01="A/gone.avi 1\n", testlist01="A/gone too.avi\n")
    assert [(video.path, video.named_by) for video in listing.listed(tmp_path, 1, below="v")] == [
        ("v/A/gone.avi", "trainlist01.txt:1"),
        ("v/A/gone too.avi", "testlist01.txt:1"),
    ]


def test_what_is_not_used_is_counted_by_the_end_of_its_name(tmp_path: Path) -> None:
    for name in ("a/x.avi", "a/y.AVI", "a/z.3gp", "b/notes", "trainlist01.txt", "classInd.txt", "more.txt", ".git/x.txt", "b/s.skeleton"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    used = {"a/x.avi", "b/s.skeleton", ""}
    assert listing.left_over(tmp_path, (), used) == {
        ".3gp": ["a/z.3gp"],
        ".avi": ["a/y.AVI"],
        ".txt": ["more.txt"],
        "no suffix": ["b/notes"],
    }
    assert listing.left_over(tmp_path, ("a",), used) == {".3gp": ["a/z.3gp"], ".avi": ["a/y.AVI"]}


def test_one_file_twice_is_an_error_and_two_of_one_name_are_two() -> None:
    twice = [Video("a", "a.avi", named_by="trainlist01.txt:1"), Video("a", "a.avi", split="test", named_by="testlist01.txt:2")]
    with pytest.raises(InputError, match=r"a\.avi \(trainlist01\.txt:1\) and a\.avi \(testlist01\.txt:2\)"):
        listing.unique(twice)
    videos = [
        Video("a", "a.mov"),
        Video("a", "a.mp4"),
        Video("b", "b.mp4"),
        Video("c", "", skeleton="c.skeleton"),
        Video("d", "", skeleton="d.skeleton"),
    ]
    assert [video.id for video in listing.unique(videos)] == ["a.mov", "a.mp4", "b", "c", "d"]
