"""A warm Python: one process has loaded torch, Snakemake and DVC; scripts and both commands run in forks of that process.

To load torch takes longer than most jobs of the tiny run. A script is still the real file, with its own arguments, folder,
environment, signals, namespaces and exit status. test_bytes.py and the trainings of test_slurm.py that are disturbed run cold, and compare
their bytes with bytes made warm.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import multiprocessing.process
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

TORCH = ("torch", "torch.distributed", "torch.utils.tensorboard", "torchvision", "safetensors.torch")
SNAKEMAKE = ("snakemake.cli", "snakemake.api", "snakemake.report.html_reporter", "snakemake.storage", "requests", "smart_open")
DVC = ("cli.parser", "repo.index", "repo.open_repo", "repo.graph", "repo.plots", "repo.stage", "data_cloud", "cachemgr", "utils.strictyaml")
MORE = (
    "ruamel.yaml",
    "yaml",
    "numpy",
    "h5py",
    "cv2",
    "av",
    "jsonschema",
    "tqdm",
    "jinja2",
    "networkx",
    "matplotlib.backends.backend_svg",
    "sklearn.manifold",
    "click",
)
LOADED = (*TORCH, *SNAKEMAKE, *(f"dvc.{name}" for name in DVC), *MORE)
"""Modules that are loaded before a fork. No module of this repository: each copy of the repository has its own."""
WHERE = tuple(sys.path)
"""Where all Pythons look for modules."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""What Snakemake sets for a job of one thread."""
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

NAMESPACES = {"mnt": 0x00020000, "uts": 0x04000000, "pid": 0x20000000}
"""Kinds of namespaces in which a node of test_slurm.py differs from this machine, as Linux numbers them."""

COLD_JOBS = {"COLD_JOBS": "1"}
"""Variables with which the commands run warm, and what they call in their jobs does not."""
SHIMS = {
    "python": """case "$1" in
*.py) [ "$COLD_JOBS" ] || exec {warm} "$@" ;;
-m) case "$COLD_JOBS $2 $*" in
    *" snakemake "*" --executor slurm-jobstep "* | " snakemake "*) shift 2; exec {warm} "{bin}/snakemake" "$@" ;;
    esac ;;
esac
exec "{bin}/python" "$@\"""",
    "snakemake": 'exec {warm} "{bin}/snakemake" "$@"',
    "dvc": 'exec {warm} "{bin}/dvc" "$@"',
    "videossl": 'exec {warm} "{bin}/videossl" "$@"',
}
"""What stands for these commands at the head of PATH. Snakemake calls itself by -m, and in a job of Slurm twice: the first only calls srun."""


@contextlib.contextmanager
def warm_python(folder: Path) -> Iterator[dict[str, str]]:
    """Yield variables for the environment of a pipeline, in which its scripts run warm. All who name the same folder share the process, which
    ends when the last of them does, as when the tests are killed: it waits for the end of a pipe that they hold."""
    from filelock import FileLock

    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not folder.exists():
            folder.mkdir()
            os.mkfifo(folder / "held")
            shims(folder)
            call = [sys.executable, "-I", __file__, "serve", str(folder)]
            subprocess.Popen(call, env=os.environ | ONE_THREAD, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        held = hold(folder / "held")
    yield {"PATH": os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])}
    os.close(held)


def hold(pipe: Path) -> int:
    """Open the pipe, once the server reads it; OSError if that takes longer than 10 s."""
    for _ in range(1000):
        with contextlib.suppress(OSError):
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        time.sleep(0.01)
    raise OSError(f"the warm process of {pipe.parent} is no more")


def shims(folder: Path) -> None:
    """Write the commands that ask the server in `folder`."""
    python = Path(sys.executable)
    warm = f'"{python}" -I -S "{Path(__file__).resolve()}" run "{folder / "socket"}"'
    (folder / "bin").mkdir()
    for name, text in SHIMS.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{text.format(warm=warm, bin=python.parent)}\n")
        (folder / "bin" / name).chmod(0o755)


def serve(folder: Path) -> NoReturn:
    """Load the modules, then fork a process for each connection until nobody holds the pipe. Who connects before that waits."""
    with socket.socket(socket.AF_UNIX) as listening, (folder / "held").open("rb") as held:
        listening.bind(str(folder / "socket"))
        listening.listen(64)
        for name in LOADED:
            importlib.import_module(name)
        gc.collect()
        gc.freeze()  # a fork that looks for garbage would go through all that is loaded, and copy it
        sys.executable = str(folder / "bin/python")  # the Snakefile puts its folder at the head of PATH
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no process here waits for a fork
        while held not in select.select([listening, held], [], [])[0]:
            connection, _ = listening.accept()
            if not os.fork():
                listening.close()
                held.close()
                attend(connection)
            connection.close()
    os._exit(0)  # what it has loaded needs no end


def attend(connection: socket.socket) -> NoReturn:
    """Start the script that the client asks for, pass signals on, and answer with its exit status. The script dies with its client."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    with connection.makefile("rb") as stream:
        asked = json.loads(stream.read(int.from_bytes(length, "big")))
    join_namespaces(connection)
    script = os.fork()
    if not script:
        connection.close()
        execute(descriptors, **asked)
    for descriptor in (*descriptors, 0, 1, 2):
        os.close(descriptor)
    ended = os.pidfd_open(script)
    while ended not in select.select([ended, connection], [], [])[0]:
        number = connection.recv(1)
        os.kill(script, number[0] if number else signal.SIGKILL)
        if not number:
            os._exit(1)
    _, status = os.waitpid(script, 0)
    with contextlib.suppress(OSError):
        connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
    os._exit(0)


def join_namespaces(connection: socket.socket) -> None:
    """Join those of the client, which may run on a node of a cluster: what is forked now ends with that node."""
    import ctypes

    client, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    process = os.pidfd_open(client)
    other = [number for kind, number in NAMESPACES.items() if not os.path.samefile(f"/proc/{client}/ns/{kind}", f"/proc/self/ns/{kind}")]
    if other and ctypes.CDLL(None).setns(process, sum(other)):
        raise OSError("this process may not join the namespaces of its client")
    os.close(process)


def execute(descriptors: list[int], arguments: list[str], folder: str, environment: dict[str, str]) -> NoReturn:
    """Run a script as `python SCRIPT ...` would; of a new process group, so that a script may kill its group."""
    os.setpgid(0, 0)
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.chdir(folder)
    multiprocessing.process.ORIGINAL_DIR = folder  # from where workers find a script that was called by a relative path
    os.environ.clear()
    os.environ.update(environment)
    os.execv = become  # type: ignore[assignment]
    os._exit(status_of(arguments))


def become(path: str, call: list[str]) -> NoReturn:
    """`os.execv` of this Python, as the launcher of trainings and `videossl run` call it: the other script takes the place of the one that runs."""
    assert path == sys.executable and call[0] == path, "another program"
    if call[1] == "-m":  # as `videossl run` becomes Snakemake
        call = [path, str(Path(sys.prefix, "bin", call[2])), *call[3:]]
    for name in [name for name in sys.modules if name.partition(".")[0] == "videossl"]:
        del sys.modules[name]
    os._exit(status_of(call[1:]))


def status_of(arguments: list[str]) -> int:
    """The exit status of a script that runs as `__main__`, once it has ended."""
    before = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.argv, sys.orig_argv = arguments, [sys.executable, *arguments]
    sys.path[:] = [str(Path(arguments[0]).resolve().parent), *before, *WHERE]
    status: Any = 0
    try:
        if any(Path(place, "sitecustomize.py").exists() for place in before):
            sys.modules.pop("sitecustomize", None)
            importlib.import_module("sitecustomize")
        runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        status = end.code or 0
        if isinstance(status, str):
            print(status, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # as at the end of a Python: it waits for threads, and has executors end
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status if isinstance(status, int) else 1


def run(place: str, arguments: list[str]) -> NoReturn:
    """Ask the server at `place` to run a script, and end as the script ends."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(place)
    asked = json.dumps({"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}).encode()
    socket.send_fds(connection, [len(asked).to_bytes(4, "big")], [0, 1, 2])
    connection.sendall(asked)

    def pass_on(number: int, frame: FrameType | None) -> None:
        connection.sendall(bytes([number]))

    for number in PASSED_ON:
        signal.signal(number, pass_on)
    answer = connection.recv(4)
    if len(answer) < 4:
        sys.exit("the warm process is no more")
    status = int.from_bytes(answer, "big", signed=True)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(Path(sys.argv[2]))
    else:
        run(sys.argv[2], sys.argv[3:])
