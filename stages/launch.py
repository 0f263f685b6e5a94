"""launch: call a training script in one process, or in several that train as one, on one node or more (`torchrun`'s launcher).

in:  how many, and the script with its arguments; each process finds RANK, LOCAL_RANK and WORLD_SIZE in its environment
out: what the script writes; its exit status

With more than one node this calls itself once on each through `srun`, so it needs a Slurm allocation of as many.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

from videossl import script, waiting
from videossl.errors import InputError

PATIENCE = 900
"""Seconds in which the nodes must find each other."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1, help="on each node: one a GPU")
    parser.add_argument("--port", type=int, help="given by itself to the calls on each node")
    parser.add_argument("call", nargs=argparse.REMAINDER, metavar="script.py ...")
    args = parser.parse_args()
    if args.nodes < 1 or args.processes < 1 or not args.call:
        raise InputError(f"launch {args.nodes} nodes, {args.processes} processes: give at least one of each, and a script")
    if args.nodes > 1 and args.port is None:
        on_each_node(args)
    if args.nodes == args.processes == 1:
        os.execv(sys.executable, [sys.executable, *args.call])
    sys.exit(together(args))


def on_each_node(args: argparse.Namespace) -> None:
    """Become `srun` of this script on every node of the allocation."""
    if "SLURM_JOB_ID" not in os.environ:
        raise InputError(f"{args.nodes} nodes outside of a Slurm job; set nodes to 1, or run with --profile profiles/slurm")
    with socket.socket() as free:  # on the node that the others will find the first process on
        free.bind(("", 0))
        port = free.getsockname()[1]
    count = str(args.nodes)
    # Snakemake itself is a step of the job, on one node: this one shares what that holds, and is not bound to its size.
    placed = ["srun", "--overlap", "--nodes", count, "--ntasks", count, "--ntasks-per-node=1", "--kill-on-bad-exit=0", "--wait=0"]
    placed += ["--cpu-bind=none", "--cpus-per-task", os.environ.get("SLURM_CPUS_PER_TASK", "1")]
    mine = ["--nodes", count, "--processes", str(args.processes), "--port", str(port)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_") or name in ("SLURM_JOB_ID", "SLURM_CONF")}
    os.execvpe("srun", [*placed, sys.executable, __file__, *mine, *args.call], kept)


def together(args: argparse.Namespace) -> int:
    """Run this node's processes until they end; the exit status of the first that failed, or 0."""
    import logging

    os.environ["TORCH_CPP_LOG_LEVEL"] = "FATAL"  # read as torch is loaded: the stack of a connection that failed is nothing for a person
    from torch.distributed import DistError
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    del os.environ["TORCH_CPP_LOG_LEVEL"]  # the processes speak as they like
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # the script says what is wrong
    where = os.environ["SLURM_LAUNCH_NODE_IPADDR"] if args.nodes > 1 else "127.0.0.1"
    config = LaunchConfig(
        min_nodes=args.nodes,
        max_nodes=args.nodes,
        nproc_per_node=args.processes,
        run_id="videossl",
        max_restarts=0,  # a checkpoint and the next call do better than a restart of some
        rdzv_backend="static" if args.nodes > 1 else "c10d",
        rdzv_endpoint=f"{where}:{args.port or 0}",
        local_addr="127.0.0.1" if args.nodes == 1 else None,  # not the machine's name, which need not resolve
        rdzv_configs={"rank": int(os.environ.get("SLURM_NODEID", "0")), "timeout": PATIENCE},
        signals_to_handle="SIGHUP,SIGQUIT",  # of the others torch would wait for its processes once only
    )
    attended = attend_to_signals()
    with tempfile.TemporaryDirectory() as folder:
        os.environ[script.LAUNCHED] = folder
        try:
            elastic_launch(config, sys.executable)(*args.call)
        except ChildFailedError as error:
            return max(1, error.get_first_failure()[1].exitcode)
        except (DistError, RendezvousError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"the {args.nodes} nodes have not found each other at {where}:{args.port} ({reason}); call it again"
            ) from error
        finally:
            signal.set_wakeup_fd(-1)
            os.close(attended)
            del os.environ[script.LAUNCHED]
    return 0


def attend_to_signals() -> int:
    """Hand signals to the processes, however often they come: they end when they have done what is asked. Before there are any, end at once.

    Until the file descriptor that is returned is closed. In a thread, since the main one may be where Python does not look for signals: waiting for another node.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, lambda number, frame: None)
    threading.Thread(target=attend, args=(read,), daemon=True).start()
    return write


def attend(read: int) -> None:
    """The thread's work. read: a pipe of the numbers of signals, closed at the end."""
    begun, started = False, time.monotonic()
    said = started
    while True:
        ready = select.select([read], [], [], 1)[0]
        came = os.read(read, 64) if ready else b""
        if ready and not came:
            return
        running = children()
        begun = begun or bool(running)
        if not begun and time.monotonic() > said + waiting.HEARTBEAT:
            said = time.monotonic()
            print(f"the other nodes have not come for {said - started:.0f} s, of {PATIENCE}", file=sys.stderr, flush=True)
        for number in came:
            if not begun:
                print(f"stopped by {signal.Signals(number).name} before anything began", file=sys.stderr, flush=True)
                os._exit(script.GO_ON_LATER)
            for child in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, number)


def children() -> list[int]:
    """The processes that this one has started and that run. Its threads come and go while they are asked."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found += map(int, (task / "children").read_text(encoding="utf-8").split())
    return found


if __name__ == "__main__":
    script.run(main)
