"""Search ranks by the naive cosine, refuses another encoder, and its page needs nothing else and escapes names."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from tests.use.conftest import Run, film

import videossl
from videossl.commands import embed, search
from videossl.data import video
from videossl.errors import InputError
from videossl.use import tables


@pytest.fixture(scope="module")
def table(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The videos of the run, and one with a name that HTML would take for a tag."""
    folder = tmp_path_factory.mktemp("table")
    odd = film(folder / "<b>&.avi", 40)
    out = folder / "features.h5"
    words = [str(run.folder / "data/raw/folder"), str(odd), "-e", run.encoder("rgb"), "-o", str(out)]
    assert CliRunner().invoke(embed.command, words).exit_code == 0
    return out


def call(*words: object) -> Result:
    return CliRunner().invoke(search.command, [str(word) for word in words])


def test_the_order_is_the_naive_one(run: Run, table: Path) -> None:
    held, query = tables.read(table), run.videos[3]
    (asked,) = videossl.load(run.encoder("rgb")).embed(query)
    centre = held.features.astype(np.float64).mean(axis=0)
    cosines = {}
    for name, features in zip(held.videos, held.features, strict=True):
        a, b = asked.features - centre, features - centre
        cosines[name] = float(a @ b / np.sqrt(a @ a) / np.sqrt(b @ b))
    result = call(query, "--in", table, "--top", 4)
    rows = [line.split()[:3] for line in result.stdout.splitlines()[2:]]
    best = sorted(cosines, key=lambda name: -cosines[name])[:4]
    assert rows == [[str(place), f"{cosines[name]:.3f}", name] for place, name in enumerate(best, 1)]
    assert rows[0] == ["1", "1.000", str(query)]


def test_the_page(run: Run, table: Path, tmp_path: Path) -> None:
    """With a picture of each video, and no address of anything outside."""
    page = tmp_path / "page.html"
    assert call(table.parent / "<b>&.avi", "--in", table, "--html", page, "-n", 20).exit_code == 0
    text = page.read_text()
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    assert len(pictures) == 10 and text.count("src=") == 10 and "http" not in text.replace("http-equiv", "")
    assert "&lt;b&gt;&amp;.avi" in text and "<b>&" not in text
    first = cv2.imdecode(np.frombuffer(base64.b64decode(pictures[0]), np.uint8), cv2.IMREAD_COLOR)
    assert first.shape == (160, 213, 3)
    frame = video.frames(table.parent / "<b>&.avi", 160)[20]
    assert np.abs(first[..., ::-1].astype(float) - frame).mean() < 12


def test_a_frame_to_look_at(run: Run) -> None:
    frames = video.frames(run.videos[-1])
    for position in (0, 20, len(frames) - 1):
        np.testing.assert_array_equal(video.picture(run.videos[-1], position / 25), frames[position])
    np.testing.assert_array_equal(video.picture(run.videos[-1], 1e6), frames[-1])


def test_another_encoder_is_refused(run: Run, table: Path, tmp_path: Path) -> None:
    other = run.weights("flow")
    with pytest.raises(InputError, match=r"was made by .*mixup/rgb .* is another encoder"):
        refused(run.videos[0], "--in", table, "--encoder", run.encoder("rgb"), changed=True)
    with pytest.raises(InputError, match="has no encoder of 'rgb'"):
        refused(run.videos[0], "--in", table, "--encoder", other)
    (tmp_path / "a.csv").write_text("video\n")
    with pytest.raises(InputError, match="says by which encoder"):
        refused(run.videos[0], "--in", tmp_path / "a.csv")
    (tmp_path / "a.h5").write_text("no table")
    with pytest.raises(InputError, match=r"cannot read features .*embed the videos again"):
        refused(run.videos[0], "--in", tmp_path / "a.h5")


def refused(*words: object, changed: bool = False) -> None:
    """Call the command for its error; `changed`: as if the weights had been trained again since."""
    with pytest.MonkeyPatch.context() as patch:
        if changed:
            patch.setattr("videossl.use.model.Model.digest", "0" * 64)
        CliRunner().invoke(search.command, [str(word) for word in words], catch_exceptions=False)


def test_windows_of_the_query_each_search(run: Run, table: Path) -> None:
    """A video of two parts is like both of what it is made of."""
    from videossl.use.search import nearest

    held = tables.read(table)
    model = videossl.load(run.encoder("rgb"))
    query = [*model.embed(run.videos[1]), *model.embed(run.videos[5])]
    found = nearest(held, query, 2)
    assert {match.video for match in found} == {str(run.videos[1]), str(run.videos[5])}
    assert all(match.similarity == pytest.approx(1, abs=1e-6) for match in found)
