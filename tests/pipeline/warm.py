"""A warm Python: one process has loaded torch, and each script of a pipeline runs in a fork of that process.

To load torch takes longer than most jobs of the tiny run. A script is still the real file, with its own arguments, folder,
environment, signals and exit status. test_bytes.py and test_slurm.py run cold, and compare their bytes with bytes made warm.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

LOADED = ("torch", "torch.distributed", "torchvision", "numpy", "h5py", "cv2", "yaml", "jsonschema", "safetensors.torch", "tqdm")
"""Modules that are loaded before a fork. No module of this repository: each copy of the repository has its own."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""What Snakemake sets for a job of one thread."""
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

FUNCTION = """\
() {{
 case "$1" in stages/*.py | /*/stages/*.py) "{python}" -I -S "{here}" run "{socket}" "$@" ;; *) command python "$@" ;; esac
}}"""
"""What `python` means in a shell of Snakemake's, by bash's way to hand functions on in the environment."""


@contextlib.contextmanager
def warm_python(folder: Path) -> Iterator[dict[str, str]]:
    """Yield variables for the environment of a pipeline, in which its scripts run warm."""
    call = [sys.executable, "-I", __file__, "serve", str(folder / "socket")]
    server = subprocess.Popen(call, env=os.environ | ONE_THREAD, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin and server.stdout
    try:
        assert server.stdout.readline() == b"warm\n", "the warm process did not start"
        function = FUNCTION.format(python=sys.executable, here=Path(__file__).resolve(), socket=folder / "socket")
        yield {"BASH_FUNC_python%%": function}
    finally:
        server.stdin.close()  # the server ends with its standard input, so it ends when the tests are killed as well
        server.wait(60)


def serve(place: str) -> None:
    """Load the modules, then fork a process for each connection until standard input ends."""
    for name in LOADED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no process here waits for a fork
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen(64)
        print("warm", flush=True)
        while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
            connection, _ = listening.accept()
            if not os.fork():
                listening.close()
                attend(connection)
            connection.close()


def attend(connection: socket.socket) -> NoReturn:
    """Start the script that the client asks for, pass signals on, and answer with its exit status. The script dies with its client."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    with connection.makefile("rb") as stream:
        asked = json.loads(stream.read(int.from_bytes(length, "big")))
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


def execute(descriptors: list[int], arguments: list[str], folder: str, environment: dict[str, str]) -> NoReturn:
    """Run a script as `python SCRIPT ...` would; of a new process group, so that a script may kill its group."""
    os.setpgid(0, 0)
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv, sys.orig_argv = arguments, [sys.executable, *arguments]
    before = [place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.path[:0] = [str(Path(arguments[0]).resolve().parent), *before]
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
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1)


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
    status = int.from_bytes(connection.recv(4), "big", signed=True)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        run(sys.argv[2], sys.argv[3:])
