"""The warm Python against the real one: a script cannot tell them apart but by what is loaded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.pipeline.conftest import ENVIRONMENT
from tests.pipeline.warm import COLD_JOBS

SCRIPT = """\
import json, os, sys, time
loaded = "torch" in sys.modules
if sys.argv[1] == "wait":
    print("waits", flush=True)
    time.sleep(60)
said = {"arguments": sys.argv, "folder": os.getcwd(), "given": os.environ.get("GIVEN"), "path": sys.path[0], "name": __name__}
print(json.dumps([loaded, said]))
sys.exit({"0": 0, "3": 3, "text": "said at the end"}[sys.argv[1]])
"""
CALL = ("bash", "-c", 'python stages/one.py "$@"', "bash")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/one.py").write_text(SCRIPT)
    return tmp_path


@pytest.mark.parametrize(("end", "status"), [("0", 0), ("3", 3), ("text", 1)])
def test_a_script_sees_the_same_and_ends_the_same(folder: Path, warm: dict[str, str], end: str, status: int) -> None:
    environment = ENVIRONMENT | {"GIVEN": "a 'b'\n"}
    cold, hot = (
        subprocess.run([*CALL, end, "c d"], cwd=folder, env=environment | more, capture_output=True, text=True) for more in ({}, warm)
    )
    (cold_loaded, cold_said), (hot_loaded, hot_said) = json.loads(cold.stdout), json.loads(hot.stdout)
    assert (cold_loaded, hot_loaded) == (False, True)
    assert cold_said == hot_said and hot_said["arguments"] == ["stages/one.py", end, "c d"]
    assert (cold.returncode, cold.stderr) == (hot.returncode, hot.stderr) and hot.returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_its_process_ends_the_script(folder: Path, warm: dict[str, str], number: int) -> None:
    """SIGKILL reaches the group of the shell alone: the script itself is in another one, and dies with its client."""
    running = subprocess.Popen([*CALL, "wait"], cwd=folder, env=ENVIRONMENT | warm, stdout=subprocess.PIPE, start_new_session=True)
    assert running.stdout and running.stdout.readline() == b"waits\n"
    os.killpg(running.pid, number)
    assert running.wait(30) != 0
    assert running.stdout.read() == b"", "its end of the pipe is closed: the script is no more"


def test_other_calls_of_python_are_as_ever(folder: Path, warm: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-c", "python -c 'import sys; print(\"torch\" in sys.modules)' stages/one.py 0"],
        env=ENVIRONMENT | warm,
        capture_output=True,
    )
    assert done.stdout == b"False\n"


def test_jobs_may_be_cold(folder: Path, warm: dict[str, str]) -> None:
    done = subprocess.run([*CALL, "0"], cwd=folder, env=ENVIRONMENT | warm | COLD_JOBS, capture_output=True, text=True, check=True)
    loaded, _ = json.loads(done.stdout)
    assert not loaded


def test_a_launcher_becomes_its_training(folder: Path, warm: dict[str, str]) -> None:
    """As `exec` in a rule calls it, which knows no function of a shell, and as `os.execv` hands on."""
    (folder / "stages/launch.py").write_text("import os, sys\nos.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n")
    call = ("bash", "-c", "exec python stages/launch.py stages/one.py 3 x")
    cold, hot = (subprocess.run(call, cwd=folder, env=ENVIRONMENT | more, capture_output=True, text=True) for more in ({}, warm))
    (cold_loaded, cold_said), (hot_loaded, hot_said) = json.loads(cold.stdout), json.loads(hot.stdout)
    assert (cold_loaded, hot_loaded) == (False, True)
    assert cold_said == hot_said and hot_said["arguments"] == ["stages/one.py", "3", "x"]
    assert cold.returncode == hot.returncode == 3


@pytest.mark.parametrize("command", ["snakemake", "dvc"])
def test_a_command_says_the_same(tmp_path: Path, warm: dict[str, str], command: str) -> None:
    cold, hot = (
        subprocess.run([command, "--version"], cwd=tmp_path, env=ENVIRONMENT | more, capture_output=True, text=True) for more in ({}, warm)
    )
    assert (cold.stdout, cold.stderr, cold.returncode) == (hot.stdout, hot.stderr, hot.returncode) and cold.stdout
