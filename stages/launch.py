"""launch: call a training script in one process, or in several that train as one, on one node or more (`torchrun`'s launcher).

in:  how many, and the script with its arguments; each process finds RANK, LOCAL_RANK and WORLD_SIZE in its environment
out: what the script writes; its exit status

With more than one node this calls itself once on each through `srun`, so it needs a Slurm allocation of as many.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from types import FrameType

from videossl import script
from videossl.errors import InputError


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

    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

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
        rdzv_configs={"rank": int(os.environ.get("SLURM_NODEID", "0")), "timeout": 900},
        signals_to_handle="SIGHUP,SIGQUIT",  # of the others torch would wait for its processes once only
    )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, pass_on)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[script.LAUNCHED] = folder
        try:
            elastic_launch(config, sys.executable)(*args.call)
        except ChildFailedError as error:
            return max(1, error.get_first_failure()[1].exitcode)
    return 0


def pass_on(number: int, frame: FrameType | None) -> None:
    """Hand a signal to the processes, however often it comes, and wait for them as before: they end when they have done what it asks."""
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text(encoding="utf-8").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), number)


if __name__ == "__main__":
    script.run(main)
