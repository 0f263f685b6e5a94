"""Archives of every kind, honest and not, unpacked by what is installed."""

from __future__ import annotations

import io
import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.data.serving import Rar, rar4, rar5, wait_for

from videossl.data import disk, unpack_archive
from videossl.errors import InputError

FILES = {
    "plain.txt": b"plain",
    "a b/[c] (1)#!'$.avi": b"brackets" * 1000,
    "Wäve/日本.avi": b"letters",
    "Wäve/deep/er/empty": b"",
    "-rf": b"no option",
}
RAR_TOOLS = [tool for tool in unpack_archive.TOOLS if shutil.which(tool)]

Make = Callable[[dict[str, bytes]], bytes]


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as opened:
        opened.writestr(zipfile.ZipInfo("folder/"), b"")
        for name, data in files.items():
            opened.writestr(name, data, method)
    return buffer.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, **({"preset": 0} if mode == "w:xz" else {})) as opened:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("./folder/")
        folder.type = tarfile.DIRTYPE
        opened.addfile(folder)
        for name, data in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def rar(files: dict[str, bytes], version: Callable[..., bytes] = rar4) -> bytes:
    return version(Rar("folder", folder=True), *(Rar(name, data) for name, data in files.items()))


MAKE: dict[str, Make] = {
    "zip": zipped,
    "zip-stored": lambda files: zipped(files, zipfile.ZIP_STORED),
    "tar": tarred,
    "tar.gz": lambda files: tarred(files, "w:gz"),
    "tar.bz2": lambda files: tarred(files, "w:bz2"),
    "tar.xz": lambda files: tarred(files, "w:xz"),
    "rar4": rar,
    "rar5": lambda files: rar(files, rar5),
}


def tree(folder: Path) -> dict[str, bytes]:
    """All files below, by name; there must be nothing else but folders."""
    result = {}
    for path in folder.rglob("*"):
        assert path.is_dir() or stat.S_ISREG(path.lstat().st_mode), path
        if not path.is_dir():
            result[str(path.relative_to(folder))] = path.read_bytes()
    return result


def unpacked(path: Path, data: bytes) -> dict[str, bytes]:
    path.mkdir()
    (path / "x.archive").write_bytes(data)
    unpack_archive.unpack(path / "x.archive", path / "target")
    return tree(path / "target")


def assert_refused(path: Path, data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        unpacked(path, data)
    assert "\n" not in str(raised.value) and str(path / "x.archive") in str(raised.value)
    assert set(tree(path)) == {"x.archive"}  # nothing in the target, nothing beside it


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda tool: monkeypatch.setattr(unpack_archive, "TOOLS", {tool: unpack_archive.TOOLS[tool]})


@pytest.mark.parametrize("kind", MAKE)
def test_all_kinds(tmp_path: Path, kind: str) -> None:
    assert unpacked(tmp_path / "x", MAKE[kind](FILES)) == FILES
    assert unpacked(tmp_path / "y", MAKE[kind]({})) == {}


@pytest.mark.parametrize("version", [rar4, rar5])
@pytest.mark.parametrize("tool", RAR_TOOLS)
def test_each_tool_that_is_installed(tmp_path: Path, tool: str, version: Callable[..., bytes], only: Callable[[str], None]) -> None:
    only(tool)
    assert unpacked(tmp_path / "x", rar(FILES, version)) == FILES


def test_the_tools_that_the_tests_need_are_there() -> None:
    """Without one the tests of rar would say little."""
    assert RAR_TOOLS, f"install one of {list(unpack_archive.TOOLS)}"


@pytest.mark.parametrize("tool", RAR_TOOLS)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_names_of_no_stated_encoding(tmp_path: Path, tool: str, encoding: str, only: Callable[[str], None]) -> None:
    only(tool)
    names = ["Wäve.avi", "Grün_1.avi", "École.avi"]
    assert set(unpacked(tmp_path / "x", rar4(*(Rar(name.encode(encoding), b"x") for name in names)))) == set(names)


def test_zip_names_without_the_flag_of_utf8(tmp_path: Path) -> None:
    data = zipped({"W__ve.avi": b"utf-8", "Gr_n.avi": b"dos"}, zipfile.ZIP_STORED)
    data = data.replace(b"W__ve.avi", "Wäve.avi".encode()).replace(b"Gr_n.avi", "Grün.avi".encode("cp437"))
    assert unpacked(tmp_path / "x", data) == {"Wäve.avi": b"utf-8", "Grün.avi": b"dos"}


def test_files_that_are_there_already(tmp_path: Path) -> None:
    """What the archive has is replaced, all else is kept, and what an earlier call left is removed."""
    target = tmp_path / "target"
    for name in ("a/old", "a/same", "b", ".unpacking-x.zip/zip/junk"):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(b"old")
    (tmp_path / "x.zip").write_bytes(zipped({"a/same": b"new", "a/new": b"new"}))
    for _ in range(2):
        unpack_archive.unpack(tmp_path / "x.zip", target)
        assert tree(target) == {"a/old": b"old", "a/same": b"new", "a/new": b"new", "b": b"old"}


def test_a_file_where_a_folder_must_be(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "a").touch()
    (tmp_path / "x.zip").write_bytes(zipped({"a/b": b"x"}))
    with pytest.raises(InputError, match=r"cannot unpack .*x.zip into .*target"):
        unpack_archive.unpack(tmp_path / "x.zip", tmp_path / "target")


# ------------------------------------------------------------------------------------------------------------
# What is refused


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "rar4", "rar5"])
@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/{outside}/evil", "a/..", "..", "."])
def test_a_member_that_would_leave(tmp_path: Path, kind: str, name: str) -> None:
    name = name.format(outside=tmp_path)
    # tarfile writes no such name by itself
    data = tar_of(lambda info: setattr(info, "name", name)) if kind.startswith("tar") else MAKE[kind]({"good": b"x", name: b"evil"})
    assert_refused(tmp_path / "x", data, "has no name" if name == "." else "would leave the folder")
    assert not (tmp_path / "evil").exists() and not (tmp_path / "x" / "evil").exists()


def tar_of(change: Callable[[tarfile.TarInfo], object], data: bytes = b"") -> bytes:
    """A good member and one that is changed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as opened:
        for name in ("good", "bad"):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if name == "bad":
                change(info)
            opened.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(mode: int = 0o100644, name: str = "bad") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("good", b"x")
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        opened.writestr(info, b"/etc/passwd")
    return buffer.getvalue()


def linked(kind: bytes) -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname = kind, "/etc/passwd"

    return change


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (zip_of(stat.S_IFLNK | 0o777), "'bad' is a link"),
        (zip_of(stat.S_IFIFO | 0o644), "'bad' is a device"),
        (zip_of(stat.S_IFDIR | 0o755), "'bad' is a device"),  # a folder is named folder/
        (tar_of(linked(tarfile.SYMTYPE)), "'bad' is a link"),
        (tar_of(linked(tarfile.LNKTYPE)), "'bad' is a link"),
        (tar_of(linked(tarfile.FIFOTYPE)), "'bad' is a device"),
        (tar_of(linked(tarfile.CHRTYPE)), "'bad' is a device"),
        (rar4(Rar("good"), Rar("bad", b"/etc/passwd", mode=stat.S_IFLNK | 0o777)), "'bad' is a link"),
        (rar5(Rar("good"), Rar("bad", hard_link="good")), "'bad' is a link"),
    ],
    ids=["zip link", "zip fifo", "zip folder", "tar link", "tar hard link", "tar fifo", "tar device", "rar4 link", "rar5 hard link"],
)
def test_links_and_devices(tmp_path: Path, data: bytes, said: str) -> None:
    assert_refused(tmp_path / "x", data, said)


@pytest.mark.parametrize("kind", ["zip", "tar", "rar5"])
@pytest.mark.parametrize("name", ["a\\b", "C:\\evil", "new\nline", "bell\x07", "delete\x7f"])
def test_names_that_no_honest_archive_has(tmp_path: Path, kind: str, name: str) -> None:
    assert_refused(tmp_path / "x", MAKE[kind]({"good": b"x", name: b"x"}), "has a backslash or a control character in its name")


def test_a_name_that_hides_behind_a_nul(tmp_path: Path) -> None:
    data = zip_of(name="good.txt_evil").replace(b"good.txt_evil", b"good.txt\0evil")
    assert_refused(tmp_path / "x", data, "control character")


def test_a_tar_name_that_is_not_utf8(tmp_path: Path) -> None:
    data = MAKE["tar"]({"W_ve": b"x"}).replace(b"W_ve", b"W\xe4ve")
    start = data.index(b"./W\xe4ve")
    header = bytearray(data[start : start + 512])
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    assert_refused(tmp_path / "x", data[:start] + bytes(header) + data[start + 512 :], "not UTF-8")


@pytest.mark.parametrize("kind", ["zip", "tar", "rar4", "rar5"])
def test_a_name_twice(tmp_path: Path, kind: str) -> None:
    same = "a" if kind.startswith("rar") else "a//./"  # other spellings of one place
    data = MAKE[kind]({f"{same}/b" if same != "a" else "a/b": b"1", "c": b"2"})
    twice = {
        "zip": lambda: zipped({"a/b": b"1", "a//./b": b"2"}),
        "tar": lambda: tarred({"a/b": b"1", "a//./b": b"2"}),
        "rar4": lambda: rar4(Rar("a/b", b"1"), Rar("a/b", b"2")),
        "rar5": lambda: rar5(Rar("a/b", b"1"), Rar("a/b", b"2")),
    }
    assert unpacked(tmp_path / "once", data) == {"a/b": b"1", "c": b"2"}
    assert_refused(tmp_path / "x", twice[kind](), "is named twice")


@pytest.mark.parametrize("kind", ["zip", "tar", "rar4"])
def test_a_file_that_is_a_folder_too(tmp_path: Path, kind: str) -> None:
    assert_refused(tmp_path / "x", MAKE[kind]({"a/b": b"1", "a": b"2"}), "'a' is a file and a folder")


def test_encrypted(tmp_path: Path) -> None:
    data = bytearray(zipped({"good": b"x"}))
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    assert_refused(tmp_path / "zip", bytes(data), "is encrypted")
    assert_refused(tmp_path / "rar", rar4(Rar("good", b"x"), Rar("bad", b"x" * 16, encrypted=True)), "is encrypted")
    assert_refused(tmp_path / "headers", rar4(encrypted=True), "is encrypted")


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz"])
def test_a_bomb(tmp_path: Path, kind: str) -> None:
    """104 MB of zeros in 100 kB: more than a hundred times, and more than 100 MB."""
    assert_refused(tmp_path / "x", MAKE[kind]({f"zeros{number}": bytes(52_000_000) for number in range(2)}), "over 100 MB, a bomb")


@pytest.mark.parametrize("version", [rar4, rar5])
def test_a_rar_bomb(tmp_path: Path, version: Callable[..., bytes]) -> None:
    assert_refused(tmp_path / "x", version(Rar("good", b"x"), Rar("bad", b"x" * 100, size=5 * 10**9)), "over 100 MB, a bomb")


def test_a_bomb_of_empty_files(tmp_path: Path) -> None:
    assert_refused(tmp_path / "x", MAKE["tar.gz"](dict.fromkeys(map(str, range(25_000)), b"")), "a bomb")


def test_what_is_packed_well_is_no_bomb(tmp_path: Path) -> None:
    """A thousand times, but below 100 MB; split lists are like that."""
    files = {"zeros": bytes(30_000_000)}
    assert unpacked(tmp_path / "x", zipped(files)) == files


@pytest.mark.parametrize("kind", ["zip", "tar", "rar4"])
def test_more_than_the_disk_holds(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "free", lambda folder: 50_000)
    assert_refused(tmp_path / "x", MAKE[kind]({"a": bytes(60_000)}), "unpacked, needs 64.1 kB, but .* has 50 kB free")


@pytest.mark.parametrize("says", [10, 2_000_000])
def test_a_zip_that_says_another_size_than_it_holds(tmp_path: Path, says: int) -> None:
    data = zipped({"good": b"x", "bad": bytes(1_000_000)})
    assert_refused(tmp_path / "x", data.replace(struct.pack("<L", 1_000_000), struct.pack("<L", says)), "cannot be read")


def test_a_zip_whose_second_member_hides_in_a_comment(tmp_path: Path) -> None:
    """One number that is wrong, the length of the first's comment, and zipfile sees one member less."""
    data = bytearray(zipped({"first": b"x", "second": b"y"}))
    start = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)  # behind folder/
    data[start + 32] = data.index(b"PK\x05\x06") - data.index(b"PK\x01\x02", start + 1)
    assert_refused(tmp_path / "x", bytes(data), "it names 2 members and says 3")


# ------------------------------------------------------------------------------------------------------------
# Rar by tools that are not to be trusted


@pytest.mark.parametrize("tool", RAR_TOOLS)
@pytest.mark.parametrize(
    "bad",
    [
        Rar("bad", b"x" * 5000, size=10),  # holds more than it says
        Rar("bad", b"x" * 1000, size=5000),  # less; bsdtar fills it up and calls it good
        Rar("bad", b"x" * 1000, crc=1),
    ],
    ids=["more", "less", "checksum"],
)
def test_a_rar_whose_headers_lie(tmp_path: Path, tool: str, bad: Rar, only: Callable[[str], None]) -> None:
    only(tool)
    assert_refused(tmp_path / "x", rar4(Rar("good", b"x" * 6000), bad), f"{tool}: ")


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("exec head -c 1000000 /dev/zero > good", "a member is larger than it says"),
        ("printf hello > good; ln -s /etc/passwd more", "'more' was not listed"),
        ("ln -s /etc/passwd good", "'good' is no regular file"),
        ("mkfifo good", "'good' is no regular file"),
        ("mkdir good", "'good' is missing"),
        ("printf hell > good", "'good' has 4 bytes, not 5"),
        ("printf hullo > good", "'good' has another checksum than is stated"),
        ("printf hello > good; echo why >&2; exit 3", "sh: why"),
        ("printf hello > good; exit 3", "exit status 3"),
    ],
)
def test_what_a_tool_leaves_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, said: str) -> None:
    monkeypatch.setattr(unpack_archive, "TOOLS", {"sh": lambda archive, folder: ["-c", f"cd {folder}; {does}"]})
    assert_refused(tmp_path / "x", rar4(Rar("good", b"hello")), said)


def test_the_next_tool_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {"sh": lambda archive, folder: ["-c", f"cd {folder}; touch junk; chmod 0 ."]}
    monkeypatch.setattr(unpack_archive, "TOOLS", {"no-such-tool": unpack_archive.TOOLS["unrar"]} | bad | unpack_archive.TOOLS)
    assert unpacked(tmp_path / "x", rar(FILES)) == FILES


def test_no_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack_archive, "TOOLS", {"no-such-tool": unpack_archive.TOOLS["unrar"]})
    assert_refused(tmp_path / "x", rar(FILES), r"none of no-such-tool is installed.*apt-get install libarchive-tools")


def test_permissions_are_not_taken_over(tmp_path: Path) -> None:
    modes = [0o100000, 0o104777]
    unpacked(tmp_path / "x", rar4(*(Rar(f"{mode:o}", b"x", mode=mode) for mode in modes)))
    assert {path.stat().st_mode for path in (tmp_path / "x" / "target").iterdir()} == {0o100644}


# ------------------------------------------------------------------------------------------------------------
# Damage, kills


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", b"PK\x03\x04" + b"x" * 100, b"Rar!\x1a\x07\x00" + b"x" * 100])
def test_what_is_no_archive(tmp_path: Path, data: bytes) -> None:
    assert_refused(tmp_path / "x", data, "is no zip, tar or rar archive|cannot be read")


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_a_tar_that_is_cut(tmp_path: Path, kind: str) -> None:
    """Without compression there is no checksum at the end: zeros must be there."""
    data = MAKE[kind]({"a": b"x" * 600, "b": b"y" * 10})
    whole = len(data.rstrip(b"\0"))
    for number, length in enumerate([*range(1, whole, 97), *range(0, whole, 512)]):
        assert_refused(tmp_path / str(number), data[:length], "cannot be read|is no zip, tar or rar archive")


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz", "rar4", "rar5"])
@given(data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_never_goes_unnoticed_or_leaves_the_folder(tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject) -> None:
    """A byte changed or the end cut off: all files as they were, or one line. A rar can only be cut between two files unnoticed."""
    files = {"a/b.avi": b"some video" * 40, "c.avi": b"another" * 40}
    damaged = bytearray(MAKE[kind](files))
    place = data.draw(st.integers(0, len(damaged) - 1))
    if cut := data.draw(st.booleans()):
        del damaged[place:]
    else:
        damaged[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("damage")
    (path / "x.archive").write_bytes(damaged)
    try:
        unpack_archive.unpack(path / "x.archive", path / "target")
    except InputError:
        assert set(tree(path)) == {"x.archive"}
    else:
        assert set(os.listdir(path)) == {"x.archive", "target"}
        left = tree(path / "target")
        assert left == files or (cut and kind.startswith("rar") and left.items() < files.items())


CHILD = """
import sys, time
from pathlib import Path
from videossl.data import unpack_archive
def stop(source, path, size, copy=unpack_archive._copy):
    copy(source, path, size)
    if path.name == "c":
        print("there", flush=True)
        time.sleep(600)
    return path
unpack_archive._copy = stop
unpack_archive.TOOLS = {"sh": lambda archive, folder: ["-c", f"cd {folder}; mkdir a; printf 1 > a/b; echo $$ > ../pid; exec sleep 600"]}
unpack_archive.unpack(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "rar4"])
def test_a_process_that_is_killed_leaves_nothing_that_stays(tmp_path: Path, kind: str) -> None:
    files = {"a/b": b"1" * 100, "c": b"2" * 100, "d": b"3" * 100}
    (tmp_path / "x.archive").write_bytes(MAKE[kind](files))
    target = tmp_path / "target"
    running = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path / "x.archive"), str(target)], stdout=subprocess.PIPE)
    pid = target / ".unpacking-x.archive" / "pid"
    wait_for(
        lambda: pid.exists() and pid.read_text().endswith("\n") if kind == "rar4" else (target / ".unpacking-x.archive" / "c").exists()
    )
    tool = int(pid.read_text()) if kind == "rar4" else 0
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert [path.name for path in target.iterdir()] == [".unpacking-x.archive"]
    if tool:
        wait_for(lambda: gone(tool))  # it does not write on
    unpack_archive.unpack(tmp_path / "x.archive", target)
    assert tree(target) == files


def gone(process: int) -> bool:
    """Whether it has ended; one that nobody has asked after yet counts."""
    status = Path(f"/proc/{process}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
