"""A Slurm of two nodes on this machine: munged, slurmctld and two slurmd with their files in a folder, no systemd."""

import os
import re
import subprocess
from pathlib import Path

import psutil

from tests.processes import until

NODES = ("node1", "node2")

# cred_expire, KillWait, SlurmdTimeout: seconds; a real cluster waits longer. After a node has failed, Slurm waits for
# cred_expire before it starts the job again.
CONFIGURATION = """ClusterName=test
SlurmctldHost=controller(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
AccountingStorageType=accounting_storage/none
MpiDefault=none
KillWait=5
SlurmdTimeout=10
ReturnToService=1
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=node1 NodeHostname=controller NodeAddr=127.0.0.1 Port=7001 CPUs=4 RealMemory=8000 Gres=gpu:2
NodeName=node2 NodeHostname=controller NodeAddr=127.0.0.1 Port=7002 CPUs=4 RealMemory=8000 Gres=gpu:2
PartitionName=main Nodes=node1,node2 Default=YES MaxTime=INFINITE
"""
# How a job is kept within its memory: slurmstepd looks at it every second and ends all of it, or the kernel kills the
# process that exceeds the limit of the job's cgroup, as on most clusters.
MEMORY = {
    "polled": "TaskPlugin=task/none\nJobAcctGatherParams=OverMemoryKill\n",
    "kernel": "TaskPlugin=task/cgroup\n",
}
CGROUPS = Path("/sys/fs/cgroup/memory")
CGROUP_CONFIGURATION = f"""CgroupMountpoint={CGROUPS.parent}
CgroupPlugin=cgroup/v1
ConstrainRAMSpace=yes
"""


class Slurm:
    """Runs until `stop`. `variables` let the client commands find it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables = {"SLURM_CONF": str(folder / "slurm.conf")}
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("state", *NODES):
            (folder / name).mkdir()
        (folder / "cgroup.conf").write_text(CGROUP_CONFIGURATION, encoding="utf-8")
        # Slurm needs a file for each GPU.
        (folder / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n", encoding="utf-8")
        key = folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))

    def start(self, memory: str = "polled") -> None:
        (self.folder / "slurm.conf").write_text(
            CONFIGURATION.format(folder=self.folder) + MEMORY[memory], encoding="utf-8"
        )
        self.start_daemon(
            "munged",
            *("munged", "--foreground", "--force", f"--key-file={self.folder}/munge.key"),
            *(f"--{name}={self.folder}/munge.{name.split('-')[0]}" for name in ("socket", "pid-file", "seed-file")),
        )
        until(lambda: (self.folder / "munge.socket").exists(), 30)
        self.start_daemon("slurmctld", "slurmctld", "-D")
        for node in NODES:
            self.start_node(node)
        until(lambda: self.node_states() == ["idle", "idle"], 60)

    def start_node(self, node: str) -> None:
        self.start_daemon(node, "slurmd", "-D", "-N", node)

    def start_daemon(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.output").open("ab") as output:
            self.daemons[name] = subprocess.Popen(
                command,
                env={**os.environ, **self.variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def stop_daemon(self, name: str) -> None:
        daemon = self.daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def stop(self) -> None:
        if "slurmctld" in self.daemons:
            self.call("scancel", "--user=root", ok=None)
            until(lambda: not self.call("squeue", "--noheader", ok=None), 60)
        for name in reversed(list(self.daemons)):
            self.stop_daemon(name)
        # The kernel's memory limits leave their empty folders.
        for node in NODES:
            for cgroup in sorted(CGROUPS.glob(f"slurm_{node}/**/"), reverse=True):
                cgroup.rmdir()

    def crash_node(self, node: str) -> None:
        """Kill a node's slurmd and all that runs in jobs, as when a machine loses its power."""
        self.daemons[node].kill()
        self.daemons.pop(node).wait()
        for process in psutil.process_iter(["name"]):
            if process.info["name"].startswith("slurmstepd"):
                for killed in (process, *process.children(recursive=True)):
                    killed.kill()

    def call(self, *command: str, ok: bool | None = True) -> str:
        """Output of a client command."""
        done = subprocess.run(
            command,
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        assert ok is None or (done.returncode == 0) is ok, done.stdout
        return done.stdout

    def node_states(self) -> list[str]:
        return self.call("sinfo", "--noheader", "--Node", "--format=%t", ok=None).split()

    def set_node(self, node: str, state: str) -> None:
        self.call("scontrol", "update", f"NodeName={node}", f"State={state}", "Reason=test")

    def running(self, name: str) -> str:
        """The id of the running job of a rule, empty if there is none."""
        return self.call("squeue", "--noheader", "--states=RUNNING", f"--name={name}", "--format=%i").strip()

    def job(self, number: str) -> dict[str, str]:
        """What `scontrol show job` says about a job."""
        return dict(re.findall(r"(\S+?)=(\S*)", self.call("scontrol", "--oneliner", "show", "job", number)))
