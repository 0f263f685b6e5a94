"""A real Slurm on this machine, from nothing: a controller and nodes on loopback, all state in one folder.

Each node is a slurmd in PID, mount and host name namespaces of its own: to kill the first of its processes kills every job on
it at once, as when the power goes, and nothing else. Needs root and Debian's slurmctld, slurmd, slurm-client and munge.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.pipeline.conftest import ENVIRONMENT

CPUS = 2
"""Of a node."""

# Why what is not the default: every address is loopback and every port free; nothing of this machine's own is limited or
# measured (no cgroups, no accounting); a dead node is noticed, and what ran on it started elsewhere, within seconds (SlurmdTimeout,
# cred_expire) and what gets a signal has time to write a checkpoint on a busy machine (KillWait).
CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
DefMemPerCPU=500
ReturnToService=2
MinJobAge=3600
SlurmctldTimeout=30
SlurmdTimeout=10
KillWait=20
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/%n.log
{nodes}
PartitionName=cpu Nodes=ALL Default=YES LLN=YES MaxTime=1-0 State=UP
"""

TOOLS = ("munged", "slurmctld", "slurmd", "sbatch", "unshare")
NAMESPACES = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts")


def missing() -> str:
    """Why no Slurm can be started here; empty if one can."""
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    if absent:
        return f"{', '.join(absent)} not installed (Debian: slurmctld slurmd slurm-client munge)"
    allowed = subprocess.run([*NAMESPACES, "mount", "--bind", "/etc", "/etc/slurm"], capture_output=True).returncode == 0
    return "" if os.geteuid() == 0 and allowed else "a Slurm of the tests' own needs root, and namespaces"


def eventually(seen: Callable[[], bool], what: str, seconds: float = 300, every: float = 0.05) -> None:
    """Poll until `seen`; AssertionError with `what` was awaited when that takes too long."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(every)


def environment(process: str) -> list[bytes]:
    """Of a process, by its id; nothing if it is no more."""
    try:
        return Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@dataclass(frozen=True)
class Job:
    """A job as `squeue` shows it, those that have ended included."""

    id: str
    state: str
    comment: str  # the plugin's: rule_{name}_wildcards_{values}
    nodes: str
    limit: str


@dataclass
class Slurm:
    """A cluster that runs until `stop`; what is `running` then, whoever started it, is ended, the newest first."""

    folder: Path
    nodes: tuple[str, ...] = ("n1", "n2")
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """For commands that are to use this cluster."""
        return ENVIRONMENT | {"SLURM_CONF": str(self.folder / "etc/slurm.conf")}

    def call(self, *command: str, ok: bool = True) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 or not ok, f"{command}\n{done.stderr}"
        return done.stdout

    def start(self) -> None:
        for name in ("etc", "log", "state", "spool"):
            (self.folder / name).mkdir()
        self._write_configuration()
        files = {"key": "munge.key", "socket": "munge.socket", "pid": "munged.pid", "seed": "munge.seed", "log": "log/munged.log"}
        places = [f"--{kind}{'' if kind == 'socket' else '-file'}={self.folder / file}" for kind, file in files.items()]
        self._start("munged", ["munged", "--foreground", "--force", *places])
        eventually((self.folder / "munge.socket").exists, "the socket of munged")
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        eventually(lambda: all(self.is_up(node) for node in self.nodes), "the nodes")

    def stop(self) -> None:
        for name in reversed(list(self.running)):
            self._end(name)

    def start_controller(self) -> None:
        self._start("slurmctld", ["slurmctld", "-D", "-f", f"{self.folder}/etc/slurm.conf"])
        eventually(lambda: "is UP" in self.call("scontrol", "ping", ok=False), "the controller")

    def stop_controller(self) -> None:
        """As its service is stopped: it saves its state and ends."""
        self._end("slurmctld", gently=True)

    def start_node(self, node: str) -> None:
        """The configuration also lies where Slurm looks by itself: a job step of Snakemake's loses SLURM_CONF. A shell is the node's
        first process, since slurmd does not wait for the orphans that fall to that one."""
        (self.folder / "spool" / node).mkdir(exist_ok=True)
        script = (
            'hostname "$1" && mount --bind "$2/etc" /etc/slurm && mount --bind "$2/etc/hosts" /etc/hosts'
            ' && { slurmd -D -N "$1" -f /etc/slurm/slurm.conf & wait $!; }'
        )
        self._start(node, [*NAMESPACES, "sh", "-c", script, "sh", node, str(self.folder)])

    def kill_node(self, node: str) -> None:
        """SIGKILL to all that runs on it."""
        self._end(node)

    def is_up(self, node: str) -> bool:
        state = self.call("sinfo", "--noheader", "--Node", f"--nodes={node}", "--format=%T", ok=False).strip()
        return state in {"idle", "mixed", "allocated"}

    def jobs(self) -> list[Job]:
        """All jobs since the cluster was started; the controller must be up."""
        lines = self.call("squeue", "--noheader", "--states=all", "--format=%i|%T|%k|%N|%l").splitlines()
        return [Job(*line.split("|")) for line in lines]

    def is_asked(self, command: str) -> bool:
        """Whether a command of that name runs which talks to this cluster."""
        found = subprocess.run(["pgrep", "--exact", command], capture_output=True, text=True).stdout.split()
        mine = f"SLURM_CONF={self.folder}/etc/slurm.conf".encode()
        return any(mine in environment(process) for process in found)

    def _write_configuration(self) -> None:
        nodes = [f"NodeName={node} NodeHostname={node} NodeAddr=127.0.0.1 Port={{}} CPUs={CPUS} RealMemory=64000" for node in self.nodes]
        ports = free_ports(1 + len(nodes))
        lines = "\n".join(line.format(port) for line, port in zip(nodes, ports[1:], strict=True))
        host = socket.gethostname().split(".")[0]
        (self.folder / "etc/slurm.conf").write_text(CONF.format(host=host, ports=ports, folder=self.folder, nodes=lines))
        (self.folder / "etc/hosts").write_text(f"127.0.0.1 localhost {host} {' '.join(self.nodes)}\n")
        (self.folder / "munge.key").write_bytes(os.urandom(1024))
        (self.folder / "munge.key").chmod(0o600)

    def _start(self, name: str, command: list[str]) -> None:
        """In a session of its own, so that no signal to the tests reaches it."""
        with (self.folder / f"log/{name}.out").open("ab") as out:
            self.running[name] = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )

    def _end(self, name: str, gently: bool = False) -> None:
        process = self.running.pop(name)
        if gently:
            process.terminate()
        else:
            process.kill()
        process.wait(60)


@contextlib.contextmanager
def cluster() -> Iterator[Slurm]:
    """A Slurm of two nodes, ended with all that runs on it. In a short folder: the path of a socket has 108 bytes at most."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    slurm = Slurm(folder)
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()
        shutil.rmtree(folder, ignore_errors=True)
