"""Archives (zip, tar, rar), unpacked so that nothing is written that should not be.

An archive is read to its end before anything is written, and refused whole where a member would leave the folder, is a link or
a device, is named twice or by a name that no honest archive has, is encrypted, or where all are too large together:

- more than MOST times the archive's own bytes, unless that is below ENOUGH, is a bomb;
- more than the disk has free cannot be.

Zip and tar are written by this module, under names that it checked; of a rar, a tool writes the files into an empty folder, where
they must then be what the listing said, byte count and CRC. What is whole is moved into place; a kill leaves only the folder
.unpacking-NAME, which the next call removes. Folders that hold no file are not kept, nor are times and permissions.
"""

from __future__ import annotations

import logging
import lzma
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from videossl.data import disk
from videossl.errors import InputError

log = logging.getLogger(__name__)

MOST = 100
"""The largest ratio of the bytes that an archive holds to its own bytes."""

ENOUGH = 100_000_000
"""Bytes that any archive may hold, however small it is."""

CLUSTER = 4096
"""Bytes that a file takes on the disk beside its own: a million empty files are not nothing."""

SUFFIXES = (".rar", ".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")

TOOLS: dict[str, Callable[[str, str], list[str]]] = {
    "unrar": lambda archive, folder: ["x", "-idq", "-o+", "-p-", archive, f"{folder}/"],
    "bsdtar": lambda archive, folder: ["-x", "-f", archive, "-C", folder],
    "unar": lambda archive, folder: ["-quiet", "-force-overwrite", "-no-directory", "-output-directory", folder, archive],
    "7z": lambda archive, folder: ["x", "-bd", "-y", "-p", f"-o{folder}", archive],
}
"""The tools that unpack rar, in the order in which they are tried, with the arguments of one call that unpacks all of an archive."""


@dataclass(frozen=True)
class Member:
    """A member of an archive, as the archive lists it."""

    name: str  # as it is written there
    kind: str  # "file", "folder", or what else it is
    size: int  # bytes, unpacked
    encrypted: bool = False
    crc: int | None = None  # CRC-32 that is still to be compared once the file is written
    handle: Any = None  # by which the archive's reader knows it


def unpack(archive: Path, target: Path) -> None:
    """Unpack the members of `archive` into the folder `target`, where files of the same names are replaced.

    An archive that is refused (see above) or damaged, whose kind is not known, that no tool installed can unpack or the
    disk cannot hold raises InputError, and then nothing of it is in `target`. Two calls must not unpack one archive into
    one folder at the same time.
    """
    temporary = target / f".unpacking-{archive.name}"
    try:
        read, write = _FORMATS[_format(archive)]
        files = _checked(archive, read(archive))
        log.info("%s: unpacking %d files, %s", archive, len(files), disk.text(sum(member.size for member in files.values())))
        target.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        disk.need(target, sum(member.size + CLUSTER for member in files.values()), f"{archive}, unpacked,")
        temporary.mkdir()
        _move(write(archive, files, temporary), target)
    except (OSError, *_UNREADABLE) as error:
        if isinstance(error, OSError) and error.errno:  # without a number it is a decompressor's
            why = f"{error.strerror}; check space and permissions, then run again"
            raise InputError(f"cannot unpack {archive} into {target}: {why}") from error
        raise InputError(f"{archive} cannot be read ({error}); delete it and run again to fetch it anew") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _format(archive: Path) -> str:
    """Told by the first bytes, not by the name; a tar has none of its own."""
    with archive.open("rb") as file:
        start = file.read(6)
    if start == b"Rar!\x1a\x07":
        return "rar"
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    if tarfile.is_tarfile(archive):
        return "tar"
    raise InputError(f"{archive} is no zip, tar or rar archive; delete it and run again to fetch it anew")


def _move(files: Mapping[str, Path], target: Path) -> None:
    """Give the files their places below `target`."""
    for place, path in files.items():
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        path.replace(target / place)


# ------------------------------------------------------------------------------------------------------------
# What is refused


def _checked(archive: Path, members: Iterable[Member]) -> dict[str, Member]:
    """The files of an archive by their places below the target; one that is refused raises InputError."""
    own = archive.stat().st_size
    files: dict[str, Member] = {}
    folders: set[str] = set()
    total = 0
    for member in members:
        place = _place(member.name)
        if wrong := _wrong(member, place) or ("is named twice" if place in files else ""):
            raise _refused(archive, f"its member {member.name!r} {wrong}")
        total += member.size + CLUSTER
        if total > max(ENOUGH, MOST * own):
            raise _refused(archive, f"it has {disk.text(own)} and would unpack to over {disk.text(max(ENOUGH, MOST * own))}, a bomb")
        parts = place.split("/")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
        if member.kind == "file":
            files[place] = member
        else:
            folders.add(place)
    if both := files.keys() & folders:
        raise _refused(archive, f"its member {min(both)!r} is a file and a folder")
    return files


def _place(name: str) -> str:
    """A member's name without what says nothing: "./a//b/" is "a/b"."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _wrong(member: Member, place: str) -> str:
    """Give the reason why a member is refused, "" if it is not."""
    if member.kind not in ("file", "folder"):
        return f"is a {member.kind}"
    if member.name.startswith("/") or ".." in place.split("/"):
        return "would leave the folder"
    if "\\" in member.name or any(ord(letter) < 32 or ord(letter) == 127 for letter in member.name):
        return "has a backslash or a control character in its name"
    if any(0xD800 <= ord(letter) < 0xE000 for letter in member.name):
        return "has a name that is not UTF-8"
    if member.kind == "file" and not place:
        return "has no name"
    return "is encrypted" if member.encrypted else ""


def _refused(archive: Path, why: str) -> InputError:
    return InputError(f"{archive} is not unpacked: {why}; get it elsewhere")


# ------------------------------------------------------------------------------------------------------------
# Zip and tar: written here


def _read_zip(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as opened:
        if (listed := _listed(archive, len(opened.comment))) not in (0xFFFF, len(opened.infolist()) & 0xFFFF):
            raise EOFError(f"it names {len(opened.infolist())} members and says {listed}")
        for info in opened.infolist():
            # orig_filename is the name up to its end: zipfile cuts it at a NUL. Without the flag for UTF-8 it may still be that.
            name = info.orig_filename if info.flag_bits & 0x800 else _text(info.orig_filename.encode("cp437"), "cp437")
            kind = "folder" if name.endswith("/") else _kind(info.external_attr >> 16)
            yield Member(name, kind, info.file_size, bool(info.flag_bits & 1), handle=info)


def _listed(archive: Path, comment: int) -> int:
    """Read the number of members in the record at a zip's end, modulo 65536; 65535 where it has none. Only the comment follows it."""
    with archive.open("rb") as file:
        file.seek(-22 - comment, os.SEEK_END)
        return int.from_bytes(file.read(12)[10:], "little")


def _write_zip(archive: Path, files: Mapping[str, Member], folder: Path) -> dict[str, Path]:
    with zipfile.ZipFile(archive) as opened:
        return {place: _copy(opened.open(member.handle), folder / place, member.size) for place, member in files.items()}


def _text(name: bytes, otherwise: str) -> str:
    """A name whose encoding the archive does not state."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode(otherwise, "replace")


def _kind(mode: int) -> str:
    """Name the kind of a Unix file of this mode, if no folder; 0 is none."""
    kinds = {0: "file", stat.S_IFREG: "file", stat.S_IFLNK: "link"}
    return kinds.get(stat.S_IFMT(mode), "device")


def _read_tar(archive: Path) -> Iterator[Member]:
    with tarfile.open(archive, encoding="utf-8") as opened:
        for info in opened:
            kinds = {"file": info.isreg(), "folder": info.isdir(), "link": info.issym() or info.islnk(), "device": True}
            yield Member(info.name, next(kind for kind, true in kinds.items() if true), info.size, handle=info)
        _check_end(opened)


def _check_end(opened: tarfile.TarFile) -> None:
    """tarfile takes a damaged header for the end: there must be zeros, and nothing else up to where the compression's own checksum is."""
    file = opened.fileobj
    assert file is not None
    file.seek(opened.offset)
    rest = 0
    while block := file.read(1 << 20):
        rest += len(block)
        if block.count(0) != len(block):
            raise EOFError("a header is damaged")
    if rest < tarfile.BLOCKSIZE:
        raise EOFError("its end is missing")


def _write_tar(archive: Path, files: Mapping[str, Member], folder: Path) -> dict[str, Path]:
    with tarfile.open(archive, encoding="utf-8") as opened:
        return {place: _copy(opened.extractfile(member.handle), folder / place, member.size) for place, member in files.items()}


def _copy(source: IO[bytes] | None, path: Path, size: int) -> Path:
    """Write the `size` bytes of a member to `path`; returns it."""
    assert source is not None  # tarfile has none for what is no file
    path.parent.mkdir(parents=True, exist_ok=True)
    with source, path.open("xb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
        if file.tell() != size:
            raise EOFError(f"{path.name} has {file.tell()} bytes, not {size}")
    return path


# ------------------------------------------------------------------------------------------------------------
# Rar: written by a tool


def _read_rar(archive: Path) -> Iterator[Member]:
    import rarfile  # type: ignore[import-untyped]

    rarfile.TRY_ENCODINGS = ("utf8",)  # its other guess, UTF-16, fits any name of an even number of bytes
    try:
        with rarfile.RarFile(archive, charset="cp1252", errors="strict") as opened:
            encrypted, infos = opened.needs_password(), opened.infolist()
    except (rarfile.Error, ValueError) as error:  # ValueError: a date or an offset that is none
        raise EOFError(error) from error
    if encrypted:
        raise _refused(archive, "it is encrypted")
    for info in infos:
        kind = "folder" if info.is_dir() else "link" if info.is_symlink() or info.file_redir else "file"
        yield Member(info.filename, kind, info.file_size, crc=info.CRC)


def _write_rar(archive: Path, files: Mapping[str, Member], folder: Path) -> dict[str, Path]:
    """Have the tools try in turn, until one leaves exactly the files that were listed."""
    failed = []
    most = max((member.size for member in files.values()), default=0)
    for tool, arguments in TOOLS.items():
        if program := shutil.which(tool):
            into = folder / tool
            into.mkdir()
            wrong = _call([program, *arguments(str(archive.absolute()), str(into.absolute()))], most)
            left = _left_by_tool(into)
            if not (wrong := wrong or _differs(files, left)):
                return left
            failed.append(f"{tool}: {wrong}")
            log.warning("%s: %s", archive, failed[-1])
            shutil.rmtree(into)
    tools = ", ".join(TOOLS)
    if not failed:
        raise InputError(
            f"{archive}: none of {tools} is installed, which unpack rar; install one (Debian: apt-get install libarchive-tools)"
        )
    raise InputError(
        f"{archive} cannot be unpacked ({'; '.join(failed)}); delete it and run again to fetch it anew, or install another of {tools}"
    )


_CHILD = """
import ctypes, os, resource, signal, sys
parent, most, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a tool must not write on when this run was killed
if os.getppid() == parent:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    os.execv(program[0], program)
"""


def _call(command: Sequence[str], most: int) -> str:
    """Run a tool that must not write a file larger than `most` bytes. Return the error, or "" if there was none."""
    call = [sys.executable, "-I", "-S", "-c", _CHILD, str(os.getpid()), str(most), *command]
    done = subprocess.run(
        call,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    lines = done.stdout.decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    if done.returncode == -signal.SIGXFSZ:
        return "a member is larger than it says"
    return "" if done.returncode == 0 else last or f"exit status {done.returncode}"


def _left_by_tool(folder: Path) -> dict[str, Path]:
    """All that a tool left but folders, by place; no link is followed."""
    left: dict[str, Path] = {}
    folder.chmod(0o755)  # the archive may have set another mode
    for entry in list(os.scandir(folder)):
        name = _text(os.fsencode(entry.name), "cp1252")
        if entry.is_dir(follow_symlinks=False):
            left |= {f"{name}/{below}": path for below, path in _left_by_tool(Path(entry.path)).items()}
        else:
            left[name] = Path(entry.path)
    return left


def _differs(files: Mapping[str, Member], left: Mapping[str, Path]) -> str:
    """Describe the difference between the files that a tool left and the list, "" for none."""
    if one_sided := files.keys() ^ left.keys():
        place = min(one_sided)
        return f"{place!r} is missing" if place in files else f"{place!r} was not listed"
    for place, member in files.items():
        status = left[place].lstat()
        if not stat.S_ISREG(status.st_mode):
            return f"{place!r} is no regular file"
        if status.st_size != member.size:
            return f"{place!r} has {status.st_size} bytes, not {member.size}"
        left[place].chmod(0o644)
        if member.crc not in (None, _crc(left[place])):
            return f"{place!r} has another checksum than is stated"
    return ""


def _crc(path: Path) -> int:
    """The CRC-32 of a file."""
    result = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            result = zlib.crc32(block, result)
    return result


_FORMATS = {"zip": (_read_zip, _write_zip), "tar": (_read_tar, _write_tar), "rar": (_read_rar, _write_rar)}

_UNREADABLE = (UnicodeError, zipfile.BadZipFile, tarfile.TarError, NotImplementedError, EOFError, zlib.error, lzma.LZMAError)
