"""What the page says of the videos of the index."""

from dataclasses import replace

from videossl.data.index import Row
from videossl.report import page
from videossl.report.run import Run

FILM = Row("a", "a.avi", "x", "train", "a", 24, 25.0, 24, 64, 48, "a.skeleton", "0", "ok", "")
ALONE = replace(FILM, id="b", path="", frames=90, steps=90, fps=0.0, width=0, height=0)


def facts(*rows: Row) -> dict[str, str]:
    return dict(page.index_view(Run({}, "ucf101", rows))["facts"])


def test_frames_after_resampling_are_said_where_they_differ() -> None:
    assert "frames after resampling" not in facts(FILM)
    resampled = facts(FILM, replace(FILM, id="c", steps=29), replace(FILM, id="d", frames=240, steps=288))
    assert resampled["frames of a video"] == "24 to 240, median 24"
    assert resampled["frames after resampling"] == "24 to 288, median 29"


def test_a_skeleton_alone_has_a_length_and_no_size() -> None:
    both = facts(FILM, ALONE)
    assert (both["frames of a video"], both["width, pixels"], both["frames a second"]) == ("24 to 90, median 57", "64", "25")
    assert both["with a skeleton"] == "2 of 2"
    assert facts(ALONE) == {"frames of a video": "90", "with a skeleton": "1 of 1"}
    assert facts() == {}
