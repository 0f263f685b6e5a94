"""Datasets obtained as a whole, from a server of the test's own: made-up modules with made-up archives."""

from __future__ import annotations

import hashlib
import json
import logging
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import pytest
from tests.data.serving import Answer, Rar, Server, rar4, serving

from videossl.data import disk, download_dataset
from videossl.data.listing import Archive
from videossl.errors import InputError

VIDEOS = {f"{label}/{label}_{number} [x].avi": f"{label}{number}".encode() * 99 for label in ("run", "wäve") for number in range(3)}
LISTS = {"lists/run.txt": b"run_0 1\n", "lists/wave.txt": b"wave_0 1\n"}
TREE = {f"videos/{name}": data for name, data in VIDEOS.items()} | LISTS


def nested() -> bytes:
    """An archive of each class, in an archive."""
    classes = sorted({name.split("/")[0] for name in VIDEOS})
    inner = {label: [Rar(name, data) for name, data in VIDEOS.items() if name.startswith(label)] for label in classes}
    return rar4(*(Rar(f"{label}.rar", rar4(Rar(label, folder=True), *inner[label])) for label in classes))


def lists(more: Mapping[str, bytes] = MappingProxyType({})) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, data in {**LISTS, **more}.items():
            opened.writestr(zipfile.ZipInfo(name), data)  # with a date of its own it is the same bytes in each process
    return buffer.getvalue()


FILES = {"videos.rar": nested(), "some lists.zip": lists()}


pytestmark = pytest.mark.usefixtures("straight_and_without_pauses")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        server.files = {"m/videos.rar": FILES["videos.rar"], "m/some%20lists.zip": FILES["some lists.zip"]}
        yield server


def check(root: Path) -> None:
    for name in ("videos/run", "lists"):
        if not (root / name).is_dir():
            raise InputError(f"{root / name}: no such folder")


def archive(name: str, *urls: str, known: bool = True, **changes: object) -> Archive:
    data = FILES[name]
    fields = {"size": len(data) if known else None, "sha256": hashlib.sha256(data).hexdigest() if known else None}
    return Archive(name, urls, **fields | changes)  # type: ignore[arg-type]


def source(known: bool = True) -> SimpleNamespace:
    sources = (archive("videos.rar", known=known, into="videos", nested=True), archive("some lists.zip", known=known))
    return SimpleNamespace(NAME="made", LICENCE="made by this test", ARCHIVES=sources, check=check)


def tree(root: Path) -> dict[str, bytes]:
    """All files that are not the pipeline's own notes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")}


def options(server: Server) -> dict[str, list[str]]:
    return {"mirrors": [server.url("m/")]}


@pytest.mark.parametrize("known", [True, False])
def test_all_of_it(server: Server, tmp_path: Path, known: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Archives in archives unpacked, all archives gone; again, nothing is fetched; what is recorded is what was there."""
    root = tmp_path / "data" / "raw" / "made"
    with caplog.at_level(logging.INFO):
        obtained = download_dataset.obtain(source(known), root, options(server))
    assert tree(root) == TREE
    assert sorted(path.name for path in root.iterdir()) == [".lock", ".obtained.json", "lists", "videos"]
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
    assert obtained == [{"name": name, "url": "", "size": len(FILES[name]), "sha256": hashes[name]} for name in FILES]
    assert len(server.requests) == 2
    said = caplog.text
    assert "made by this test" in said and "are free" in said
    assert (f"videos.rar ({disk.text(len(FILES['videos.rar']))})" if known else "videos.rar (size not known)") in said
    assert download_dataset.obtain(source(known), root, options(server)) == obtained
    assert len(server.requests) == 2


def test_mirrors_come_before_the_official_addresses(server: Server, tmp_path: Path) -> None:
    made = source()
    made.ARCHIVES = (archive("videos.rar", server.url("official/videos.rar"), server.url("m/videos.rar"), into="videos", nested=True),)
    made.check = lambda root: None if (root / "videos").is_dir() else check(root)
    obtained = download_dataset.obtain(made, tmp_path / "made", {"mirrors": [server.url("first"), server.url("second/")]})
    assert [name for name, _, _ in server.requests] == [f"{place}/videos.rar" for place in ("first", "second", "official", "m")]
    assert obtained[0]["url"] == server.url("official/videos.rar")  # where it is published


def test_a_copy_that_a_person_put_there_is_left_alone(server: Server, tmp_path: Path) -> None:
    for name in ("videos/run", "lists"):
        (tmp_path / name).mkdir(parents=True)
    assert download_dataset.obtain(source(), tmp_path, options(server)) == []
    assert server.requests == [] and sorted(path.name for path in tmp_path.iterdir()) == ["lists", "videos"]


def test_an_archive_that_a_person_put_there_is_used(server: Server, tmp_path: Path) -> None:
    (tmp_path / "videos.rar").write_bytes(FILES["videos.rar"])
    download_dataset.obtain(source(), tmp_path, options(server))
    assert tree(tmp_path) == TREE
    assert [name for name, _, _ in server.requests] == ["m/some%20lists.zip"]


def test_an_archive_that_a_kill_left_is_removed(server: Server, tmp_path: Path) -> None:
    obtained = download_dataset.obtain(source(), tmp_path, options(server))
    (tmp_path / "videos.rar").write_bytes(FILES["videos.rar"])
    assert download_dataset.obtain(source(), tmp_path, {}) == obtained
    assert tree(tmp_path) == TREE


def test_what_was_obtained_is_kept_when_the_next_archive_fails(server: Server, tmp_path: Path) -> None:
    """A person may then put there what could not be fetched."""
    lost = server.files.pop("m/some%20lists.zip")
    with pytest.raises(InputError, match=rf"cannot fetch some lists.zip: .*404.*put it at {tmp_path}/some lists.zip"):
        download_dataset.obtain(source(), tmp_path, options(server))
    (tmp_path / "some lists.zip").write_bytes(lost)
    server.requests.clear()
    assert len(download_dataset.obtain(source(), tmp_path, {})) == 2
    assert tree(tmp_path) == TREE and server.requests == []


def test_another_archive_of_the_same_name_is_obtained_anew(server: Server, tmp_path: Path) -> None:
    download_dataset.obtain(source(), tmp_path, options(server))
    changed = server.files["m/some%20lists.zip"] = lists({"lists/new.txt": b"new"})
    sha256 = hashlib.sha256(changed).hexdigest()
    made = source()
    made.ARCHIVES = (made.ARCHIVES[0], archive("some lists.zip", size=len(changed), sha256=sha256))
    server.requests.clear()
    assert [one["sha256"] for one in download_dataset.obtain(made, tmp_path, options(server))][1] == sha256
    assert tree(tmp_path) == TREE | {"lists/new.txt": b"new"}
    assert [name for name, _, _ in server.requests] == ["m/some%20lists.zip"]


def test_archives_that_do_not_hold_the_dataset(server: Server, tmp_path: Path) -> None:
    """Nothing is fetched again and again for it."""
    made = source()
    made.ARCHIVES = made.ARCHIVES[1:]
    for _ in range(2):
        with pytest.raises(
            InputError, match=r"videos/run: no such folder; its archives were unpacked there: to fetch them again delete .*\.obtained\.json"
        ):
            download_dataset.obtain(made, tmp_path, options(server))
    assert len(server.requests) == 1


def test_an_archive_that_is_refused_is_not_recorded(server: Server, tmp_path: Path) -> None:
    server.files["m/videos.rar"] = rar4(Rar("run.rar", rar4(Rar("../../evil", b"x"))))
    with pytest.raises(InputError, match=r"run\.rar is not unpacked: its member '../../evil' would leave the folder"):
        download_dataset.obtain(source(known=False), tmp_path / "root", options(server))
    assert json.loads((tmp_path / "root" / download_dataset.RECORD).read_text()) == []
    assert not list(tmp_path.rglob("evil"))


def test_too_little_space_is_said_before_anything_starts(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must hold an archive and all that is unpacked, 1.1 times the archives; less what is there of it already."""
    sizes = [len(data) for data in FILES.values()]
    needed = max(int(1.1 * sizes[0]) + sizes[0], int(1.1 * sizes[0]) + int(1.1 * sizes[1]) + sizes[1])
    monkeypatch.setattr(disk, "free", lambda folder: needed - 1)
    with pytest.raises(InputError, match=f"made: fetching and unpacking needs {disk.text(needed)}, but {tmp_path}"):
        download_dataset.obtain(source(), tmp_path, options(server))
    assert server.requests == [] and not (tmp_path / download_dataset.RECORD).exists()
    (tmp_path / "videos.rar.part").write_bytes(FILES["videos.rar"][:500])
    assert download_dataset._space(tmp_path, source().ARCHIVES) == needed - 500


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write to .*file/root"):
        download_dataset.obtain(source(), tmp_path / "file" / "root", {})


# ------------------------------------------------------------------------------------------------------------
# Processes

CHILD = """
import sys
from pathlib import Path
from tests.data.test_download_dataset import source
from videossl.data import download_dataset, unpack_archive
from videossl.errors import InputError
def stop(archive, target, unpack=unpack_archive.unpack):
    unpack(archive, target)
    if archive.name == sys.argv[3]:
        print("there", flush=True)
        sys.stdin.read()
unpack_archive.unpack = stop
try:
    download_dataset.obtain(source(), Path(sys.argv[1]), {"mirrors": [sys.argv[2]]})
except InputError as error:
    sys.exit(str(error))
"""


def child(root: Path, server: Server, stop: str = "") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", CHILD, str(root), server.url("m"), stop]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def killed_in_the_transfer(root: Path, server: Server) -> subprocess.Popen[bytes]:
    server.answers["m/videos.rar"] = [Answer(hold=1000)]
    running = child(root, server)
    assert server.holds.wait(60)
    return running


def killed_behind(name: str) -> Callable[[Path, Server], subprocess.Popen[bytes]]:
    """In the middle of unpacking: behind one of the archives."""

    def start(root: Path, server: Server) -> subprocess.Popen[bytes]:
        running = child(root, server, stop=name)
        assert running.stdout and running.stdout.readline() == b"there\n"
        return running

    return start


@pytest.mark.parametrize("start", [killed_in_the_transfer, *map(killed_behind, ("videos.rar", "run.rar", "some lists.zip"))])
def test_killed_and_run_again(server: Server, tmp_path: Path, start: Callable[[Path, Server], subprocess.Popen[bytes]]) -> None:
    running = start(tmp_path, server)
    running.send_signal(signal.SIGKILL)
    running.wait()
    download_dataset.obtain(source(), tmp_path, options(server))
    assert tree(tmp_path) == TREE
    assert sum(name == "m/videos.rar" for name, _, _ in server.requests) == (2 if start is killed_in_the_transfer else 1)


def test_half_unpacked_is_not_taken_for_a_persons_copy(server: Server, tmp_path: Path) -> None:
    """The check is content with the folders alone."""
    running = killed_behind("some lists.zip")(tmp_path, server)
    (tmp_path / "lists" / "wave.txt").unlink()
    running.send_signal(signal.SIGKILL)
    running.wait()
    check(tmp_path)
    download_dataset.obtain(source(), tmp_path, options(server))
    assert tree(tmp_path) == TREE


def test_two_at_once(server: Server, tmp_path: Path) -> None:
    """The second says so in one line and touches nothing; the first ends well."""
    server.answers["m/videos.rar"] = [Answer(hold=1000)]
    first = child(tmp_path, server)
    assert server.holds.wait(60)
    second = child(tmp_path, server)
    _, said = second.communicate(timeout=60)
    assert second.returncode == 1
    assert said.decode() == f"{tmp_path}: another download is at work there; wait until it ends, then run again\n"
    server.go_on.set()
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert tree(tmp_path) == TREE
    assert len(server.requests) == 2
