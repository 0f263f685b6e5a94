"""Downloads from a server of the test's own: every way in which a transfer can go wrong."""

from __future__ import annotations

import hashlib
import io
import logging
import random
import resource
import shutil
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.data.serving import Answer, Server, serving, wait_for

from videossl import files
from videossl.data import download_file
from videossl.errors import InputError

DATA = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


pytestmark = pytest.mark.usefixtures("straight_and_without_pauses")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        server.files = {"a": DATA, "b": DATA, "wrong": OTHER}
        yield server


def get(server: Server, path: Path, *names: str, size: int | None = len(DATA), sha256: str | None = SHA256) -> str:
    return download_file.fetch([server.url(name) for name in names], path, size, sha256, progress=False)


def half(path: Path, data: bytes, url: str = "", validator: str = "", size: int = len(DATA)) -> None:
    """What an earlier run left."""
    path.with_name(f"{path.name}.part").write_bytes(data)
    files.write_json(path.with_name(f"{path.name}.part.json"), {"url": url, "validator": validator, "size": size})


def assert_whole(path: Path, data: bytes = DATA) -> None:
    assert path.read_bytes() == data
    assert sorted(one.name for one in path.parent.iterdir()) == [path.name]


def test_a_file(server: Server, tmp_path: Path) -> None:
    assert get(server, tmp_path / "new" / "x.rar", "a") == SHA256
    assert_whole(tmp_path / "new" / "x.rar")
    assert server.requests == [("a", None, None)]


@pytest.mark.parametrize(("size", "sha256"), [(None, None), (len(DATA), None), (None, SHA256)])
def test_what_is_not_known_is_not_asked_for(server: Server, tmp_path: Path, size: int | None, sha256: str | None) -> None:
    assert get(server, tmp_path / "x", "a", size=size, sha256=sha256) == SHA256
    assert_whole(tmp_path / "x")


def test_a_file_that_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(DATA)
    assert get(server, tmp_path / "x", "a") == SHA256
    assert server.requests == []


@pytest.mark.parametrize("there", [OTHER, DATA[:1000], b""])
def test_a_wrong_file_that_a_person_put_there_is_not_touched(server: Server, tmp_path: Path, there: bytes) -> None:
    (tmp_path / "x").write_bytes(there)
    with pytest.raises(InputError, match=r"x has .*: remove it or, if it is the beginning of the right file, rename it to x.part"):
        get(server, tmp_path / "x", "a")
    assert (tmp_path / "x").read_bytes() == there and not server.requests


@pytest.mark.parametrize("length", [True, False], ids=["with length", "until it ends"])
def test_a_cut_is_gone_on_from(server: Server, tmp_path: Path, length: bool) -> None:
    server.answers["a"] = [Answer(cut=100_000, length=length), Answer(cut=150_000, length=length)]
    get(server, tmp_path / "x", "a")
    assert_whole(tmp_path / "x")
    assert [asked for _, asked, _ in server.requests] == [None, "bytes=100000-", "bytes=250000-"]


def test_progress_counts_and_standing_still_does_not(server: Server, tmp_path: Path) -> None:
    """Ten cuts that each bring 20 kB are no reason to give up; as many tries as there are that bring nothing are."""
    server.answers["a"] = [Answer(cut=20_000)] * 10
    get(server, tmp_path / "x", "a")
    assert_whole(tmp_path / "x")
    server.answers["a"] = [Answer(cut=0)] * download_file.TRIES
    server.requests.clear()
    get(server, tmp_path / "y", "a", "b")
    assert [name for name, _, _ in server.requests] == ["a"] * download_file.TRIES + ["b"]


def test_a_server_that_never_gets_further_is_left(server: Server, tmp_path: Path) -> None:
    """It takes no notice of Range and ends at the same byte each time: every try writes, none brings more."""
    server.answers["a"] = [Answer(cut=100_000, ranges=False)] * 50
    with pytest.raises(InputError, match=r"the transfer was cut.*\(\d times\)"):
        get(server, tmp_path / "x", "a")
    assert len(server.requests) == download_file.TRIES
    assert not (tmp_path / "x").exists()


def test_an_earlier_part_is_gone_on_from_whichever_mirror_it_came(server: Server, tmp_path: Path) -> None:
    half(tmp_path / "x", DATA[:123_456], url="http://gone.invalid/x")
    get(server, tmp_path / "x", "b")
    assert_whole(tmp_path / "x")
    assert server.requests == [("b", "bytes=123456-", None)]


def test_a_part_that_only_lacks_its_name(server: Server, tmp_path: Path) -> None:
    half(tmp_path / "x", DATA)
    get(server, tmp_path / "x", "a")
    assert_whole(tmp_path / "x")
    assert server.requests == []


@pytest.mark.parametrize("left", [OTHER[:100_000], OTHER, DATA + b"!", DATA + OTHER])
def test_a_part_of_another_file_is_found_out(server: Server, tmp_path: Path, left: bytes) -> None:
    half(tmp_path / "x", left, url=server.url("a"), validator="etag")
    get(server, tmp_path / "x", "a")
    assert_whole(tmp_path / "x")


def test_without_a_checksum_the_same_file_of_the_same_mirror_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.etags = {"a": "one"}
    server.answers["a"] = [Answer(cut=100_000)]
    get(server, tmp_path / "x", "a", size=None, sha256=None)
    assert_whole(tmp_path / "x")
    assert server.requests == [("a", None, None), ("a", "bytes=100000-", '"one"')]


@pytest.mark.parametrize("etags", [{}, {"a": "one", "b": "one"}], ids=["no etag", "etag"])
def test_without_a_checksum_another_mirror_starts_anew(server: Server, tmp_path: Path, etags: dict[str, str]) -> None:
    server.etags = etags
    half(tmp_path / "x", OTHER[:100_000], url=server.url("a"), validator='"one"' if etags else "")
    get(server, tmp_path / "x", "b", sha256=None)
    assert_whole(tmp_path / "x")
    assert server.requests == [("b", None, None)]


@pytest.mark.parametrize("conditions", [True, False], ids=["If-Range", "no If-Range"])
def test_without_a_checksum_a_file_that_changed_is_not_mixed(server: Server, tmp_path: Path, conditions: bool) -> None:
    server.etags = {"a": "two"}
    server.answers["a"] = [Answer(conditions=conditions)]
    half(tmp_path / "x", OTHER[:100_000], url=server.url("a"), validator='"one"')
    get(server, tmp_path / "x", "a", sha256=None)
    assert_whole(tmp_path / "x")
    assert server.requests[0] == ("a", "bytes=100000-", '"one"')


def test_without_a_checksum_a_whole_part_is_known_by_the_server(server: Server, tmp_path: Path) -> None:
    server.etags = {"a": "one"}
    half(tmp_path / "x", DATA, url=server.url("a"), validator='"one"')
    get(server, tmp_path / "x", "a", sha256=None)
    assert_whole(tmp_path / "x")
    assert server.requests == [("a", "bytes=300000-", '"one"')]  # answered by 416


@pytest.mark.parametrize("answer", [Answer(ranges=False), Answer(shift=1000)], ids=["no ranges", "another range"])
@pytest.mark.parametrize("sha256", [SHA256, None])
def test_a_server_that_does_not_do_as_asked(server: Server, tmp_path: Path, answer: Answer, sha256: str | None) -> None:
    server.etags = {"a": "one"}
    half(tmp_path / "x", DATA[:100_000], url=server.url("a"), validator='"one"')
    server.answers["a"] = [answer]
    get(server, tmp_path / "x", "a", size=None, sha256=sha256)
    assert_whole(tmp_path / "x")


@pytest.mark.parametrize(
    ("first", "said"),
    [("missing", "HTTP 404"), ("wrong", "SHA-256"), ("short", "it has 1000 bytes there, not 300000")],
)
def test_the_next_mirror_is_asked(server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture, first: str, said: str) -> None:
    server.files["short"] = DATA[:1000]
    get(server, tmp_path / "x", first, "a")
    assert_whole(tmp_path / "x")
    assert [name for name, _, _ in server.requests] == [first, "a"]
    assert said in caplog.text and server.url(first) in caplog.text


def test_a_mirror_that_is_not_there_or_has_no_http(server: Server, tmp_path: Path) -> None:
    with serving() as other:
        closed = other.url("a")
    download_file.fetch([closed, server.url("a")], tmp_path / "x", len(DATA), SHA256, progress=False)
    assert_whole(tmp_path / "x")
    (tmp_path / "local").write_bytes(DATA)
    for url in ("ftp://127.0.0.1/a", (tmp_path / "local").as_uri(), str(tmp_path / "local")):
        with pytest.raises(InputError, match="only http and https"):
            download_file.fetch([url], tmp_path / "y", None, None, progress=False)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_is_asked_again(server: Server, tmp_path: Path, status: int) -> None:
    server.answers["a"] = [Answer(status=status)] * (download_file.TRIES - 1)
    get(server, tmp_path / "x", "a")
    assert_whole(tmp_path / "x")


def test_a_redirect(server: Server, tmp_path: Path) -> None:
    server.answers["moved"] = [Answer(location="/a"), Answer(location="/a")]
    half(tmp_path / "x", DATA[:100_000])
    get(server, tmp_path / "x", "moved")
    assert_whole(tmp_path / "x")
    assert server.requests[-1] == ("a", "bytes=100000-", None)


def test_when_all_fail_one_line_says_why_each_did_and_what_to_do(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        get(server, tmp_path / "x.rar", "wrong", "missing")
    said = str(raised.value)
    for part in (server.url("wrong"), "SHA-256", server.url("missing"), "HTTP 404 Not Found", str(tmp_path / "x.rar"), "mirrors"):
        assert part in said
    assert "\n" not in said
    assert list(tmp_path.iterdir()) == []  # what is wrong is not kept to be gone on with
    with pytest.raises(InputError, match="no address of it is known"):
        download_file.fetch([], tmp_path / "x.rar", None, None, progress=False)


def test_a_failure_keeps_what_was_right(server: Server, tmp_path: Path) -> None:
    server.answers["a"] = [Answer(cut=100_000), Answer(status=404)]
    with pytest.raises(InputError, match="HTTP 404"):
        get(server, tmp_path / "x", "a")
    get(server, tmp_path / "x", "a")
    assert_whole(tmp_path / "x")
    assert server.requests[-1] == ("a", "bytes=100000-", None)


@given(
    st.lists(
        st.builds(
            Answer,
            status=st.sampled_from([0, 0, 0, 404, 503]),
            cut=st.one_of(st.none(), st.integers(0, 70)),
            ranges=st.booleans(),
            shift=st.sampled_from([0, 0, 1, 60]),
            length=st.booleans(),
        ),
        max_size=12,
    ),
    st.integers(0, 80),
    st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_the_file_is_right_or_not_there(
    server: Server, tmp_path_factory: pytest.TempPathFactory, answers: list[Answer], left: int, mixed: bool
) -> None:
    data = DATA[:70]
    path = tmp_path_factory.mktemp("x") / "x"
    server.files = {"a": data, "b": data}
    server.answers = {"a": answers[::2], "b": answers[1::2]}
    if left:
        half(path, (OTHER if mixed else DATA)[:left], size=70)
    try:
        get(server, path, "a", "b", size=70, sha256=hashlib.sha256(data).hexdigest())
    except InputError:
        assert not path.exists()
    else:
        assert_whole(path, data)


# ------------------------------------------------------------------------------------------------------------
# The disk


def test_too_little_space_is_said_before_anything_comes(server: Server, tmp_path: Path) -> None:
    server.answers["a"] = [Answer(claim=10**17, hold=0)]
    with pytest.raises(InputError, match=r"the rest of x \(0 bytes are there\) needs 1e\+05 TB, but .* free") as raised:
        get(server, tmp_path / "x", "a", size=None, sha256=None)
    assert str(tmp_path) in str(raised.value)
    assert (tmp_path / "x.part").exists() is False


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 kB; where the test may not mount one, a folder in which no file may grow beyond that."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder], capture_output=True).returncode == 0
    try:
        if not mounted:
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (128_000, limits[1]))
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", folder], check=True)
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_disk_that_fills_up_is_one_line_and_the_part_stays(server: Server, full_disk: Path) -> None:
    server.answers["a"] = [Answer(length=False)]  # so that it cannot be told before
    with pytest.raises(InputError, match=r"cannot write .*disk/x: (No space left on device|File too large).*it goes on"):
        get(server, full_disk / "x", "a", size=None)
    kept = (full_disk / "x.part").read_bytes()
    assert kept and DATA.startswith(kept)


def test_a_folder_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write .*file/x: .*permissions"):
        get(server, tmp_path / "file" / "x", "a")


# ------------------------------------------------------------------------------------------------------------
# Processes, terminals, certificates


def test_a_process_that_is_killed_is_gone_on_from(server: Server, tmp_path: Path) -> None:
    server.answers["a"] = [Answer(hold=200_000)]
    code = "import sys; from pathlib import Path; from videossl.data.download_file import fetch; fetch(sys.argv[1:2], Path(sys.argv[2]), None, sys.argv[3], False)"
    running = subprocess.Popen([sys.executable, "-c", code, server.url("a"), str(tmp_path / "x"), SHA256])
    assert server.holds.wait(60)
    wait_for(lambda: (tmp_path / "x.part").exists() and (tmp_path / "x.part").stat().st_size > 100_000)
    running.send_signal(signal.SIGKILL)
    running.wait()
    left = (tmp_path / "x.part").stat().st_size
    assert not (tmp_path / "x").exists()
    get(server, tmp_path / "x", "a")
    assert_whole(tmp_path / "x")
    assert server.requests[-1] == ("a", f"bytes={left}-", None)


def test_progress_goes_to_the_log_where_there_is_no_terminal(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_file, "SAID", 0.0)
    with caplog.at_level(logging.INFO):
        download_file.fetch([server.url("a")], tmp_path / "x.rar", len(DATA), SHA256, progress=True)
    lines = [line for line in caplog.messages if line.startswith("x.rar: ")]
    assert len(lines) > 2
    assert all(" of 300 kB, " in line and line.endswith(" a second") for line in lines)
    assert lines[-1].startswith("x.rar: 300 kB of 300 kB")


def test_progress_is_a_bar_on_a_terminal(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    half(tmp_path / "x.rar", DATA[:100_000])
    download_file.fetch([server.url("a")], tmp_path / "x.rar", len(DATA), SHA256, progress=True)
    assert "x.rar: 100%" in sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert "B/s" in sys.stderr.getvalue()  # type: ignore[attr-defined]


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes the certificate")
def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-keyout",
        "key",
        "-out",
        "cert",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as http:
        http.socket = context.wrap_socket(http.socket, server_side=True)
        http.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        with pytest.raises(InputError, match=r"certificate is not accepted \(.*certificate verify failed"):
            download_file.fetch([f"https://127.0.0.1:{http.server_address[1]}/cert"], tmp_path / "x", None, None, progress=False)
        http.shutdown()
    assert not (tmp_path / "x").exists()
