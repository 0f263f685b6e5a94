"""What breaks under DVC: a push or a reproduction that is killed, no remote, damaged objects and lock files. Real processes throughout."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.faults import deadly, flip, killed_in
from tests.pipeline.conftest import ENVIRONMENT, Workspace

from videossl.data import cache
from videossl.errors import InputError

pytestmark = pytest.mark.slow

SHARD = "data/cache/toy/rgb/0000.h5"
PAGE = "data/report/index.html"


def use_remote(workspace: Workspace, store: Path) -> None:
    (workspace.path / ".dvc/config.local").write_text(f"[core]\n    remote = store\n['remote \"store\"']\n    url = {store}\n")


def files(workspace: Workspace) -> dict[str, bytes]:
    """All artefacts that DVC tracks."""
    found = (path for path in workspace.path.glob("data/**/[!.]*") if path.is_file() and "scratch" not in path.parts)
    return {str(path.relative_to(workspace.path)): path.read_bytes() for path in found}


def stored(store: Path) -> list[Path]:
    return [path for path in store.glob("files/md5/*/*") if not path.name.endswith(".tmp")]


def object_of(workspace: Workspace, name: str) -> Path:
    """Where the DVC cache keeps a file."""
    digest = subprocess.run(["md5sum", workspace.path / name], capture_output=True, text=True, check=True).stdout.split()[0]
    return workspace.path / ".dvc/cache/files/md5" / digest[:2] / digest[2:]


def test_a_push_that_is_killed_and_an_object_that_is_damaged(finished: Workspace, tmp_path: Path) -> None:
    """The next push goes on, and a fresh clone pulls the same bytes; neither engine has work left there. DVC restores a damaged object unasked: the shard's own digest tells."""
    store, wanted = tmp_path / "store", files(finished)
    objects = len(list((finished.path / ".dvc/cache/files/md5").glob("*/*")))
    use_remote(finished, store)
    pushing = subprocess.Popen(["dvc", "push", "-q", "-j", "1"], cwd=finished.path, env=ENVIRONMENT, start_new_session=True)
    deadline = time.monotonic() + 120
    while not stored(store):
        assert pushing.poll() is None and time.monotonic() < deadline, "nothing was pushed"
        time.sleep(0.001)
    os.killpg(pushing.pid, signal.SIGKILL)
    pushing.wait()
    assert 0 < len(stored(store)) < objects, "it was done before it was killed"
    finished.call("dvc", "push")  # not quiet: what DVC says where it fails
    assert len(stored(store)) == objects

    finished.call("git", "add", "-A")
    finished.call("git", "commit", "-qm", "run")
    clone = Workspace(tmp_path / "clone", finished.variables)
    finished.call("git", "clone", "-q", str(finished.path), str(clone.path))
    use_remote(clone, store)
    clone.call("dvc", "pull", "-q")
    assert files(clone) == wanted
    assert "up to date" in clone.call("dvc", "repro").stdout
    clone.snakemake("--touch")
    assert "Nothing to be done" in clone.snakemake("-n")

    damaged = object_of(clone, SHARD)
    damaged.chmod(0o644)
    flip(damaged, damaged.stat().st_size - 9)
    damaged.chmod(0o444)
    (clone.path / SHARD).unlink()
    clone.call("dvc", "checkout", "-q", "data/cache/toy/rgb")
    with pytest.raises(InputError, match=r"its bytes are not those that its digest was made of.*delete it and extract again"):
        cache.verify(clone.path / SHARD)
    for path in (damaged, clone.path / SHARD):
        path.unlink()
    clone.call("dvc", "pull", "-q", "data/cache/toy/rgb")
    assert files(clone) == wanted


def test_without_a_remote_nothing_is_lost(finished: Workspace, tmp_path: Path) -> None:
    before = files(finished)
    done = finished.call("dvc", "push", ok=False)
    assert done.returncode != 0 and "no remote specified" in done.stdout and "dvc remote add -d" in done.stdout
    (tmp_path / "gone").touch()
    use_remote(finished, tmp_path / "gone/store")
    done = finished.call("dvc", "push", ok=False)
    assert done.returncode != 0 and str(tmp_path / "gone/store") in done.stdout
    use_remote(finished, tmp_path / "nowhere")
    object_of(finished, PAGE).unlink()
    (finished.path / PAGE).unlink()
    done = finished.call("dvc", "pull", PAGE, ok=False)
    assert done.returncode != 0 and PAGE in done.stdout
    assert files(finished) == {name: data for name, data in before.items() if name != PAGE}


def test_a_reproduction_that_is_killed(finished: Workspace, finished_run: Workspace, tmp_path: Path) -> None:
    """kill -9 of DVC, Snakemake and the job: DVC's own lock is told to be stale by itself, Snakemake's says how to remove it."""
    (finished.path / PAGE).unlink()
    environment = ENVIRONMENT | deadly(tmp_path / "killed", "group")
    command = ["dvc", "repro", "--force", "--single-item", "report"]
    killed = subprocess.run(command, cwd=finished.path, env=environment, start_new_session=True, capture_output=True)
    assert killed.returncode == -signal.SIGKILL and killed_in(tmp_path / "killed") == {"report"}
    assert str(finished.path / PAGE) in (finished.path / ".dvc/tmp/rwlock").read_text(), "DVC's lock is left"

    refused = finished.call(*command, ok=False)
    assert refused.returncode != 0 and "had been killed. Auto removed it" in refused.stdout
    assert "Directory cannot be locked" in refused.stdout and "It can be removed with the --unlock argument" in refused.stdout
    finished.call("snakemake", "--unlock")
    finished.call(*command)
    assert files(finished) == files(finished_run)


def test_a_damaged_dvc_lock_is_named(finished: Workspace) -> None:
    """Cut, or with the marks of a merge. That `make record` makes it again, byte by byte, is held by test_engines.py."""
    lock = finished.path / "dvc.lock"
    whole = lock.read_bytes()
    for damaged, said in ((whole[: whole.rindex(b"md5:") + 2], "'./dvc.lock' "), (b"<<<<<<< HEAD\n" + whole, "(possible merge conflicts)")):
        lock.write_bytes(damaged)
        done = finished.call("dvc", "status", ok=False)
        assert done.returncode != 0 and "'./dvc.lock' " in done.stdout and said in done.stdout
    done = finished.call("videossl", "record", ok=False)
    assert (
        done.returncode == 2 and done.stdout.startswith("error: dvc commit: './dvc.lock' is invalid") and len(done.stdout.splitlines()) == 1
    )
    assert done.stdout.endswith("If dvc.lock is damaged, delete it and run this again\n")
