"""A Slurm of one node, without systemd, root or accounting: munged, slurmctld and slurmd in a folder of their own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")
FOLDERS = os.pathsep.join(("/usr/sbin", "/sbin"))  # where Debian keeps daemons, off the PATH of users
# What the jobs ask for is not what this machine has: memory is taken from here, not measured.
CONF = """
ClusterName=ultralow
SlurmctldHost={name}({address})
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.txt
MpiDefault=none
ReturnToService=2
MinJobAge=300
SchedulerParameters=sched_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={name} NodeAddr={address} CPUs={cpus} RealMemory={memory_mb} State=UNKNOWN
PartitionName=all Nodes={name} Default=YES MaxTime=1440 State=UP
"""


def missing() -> list[str]:
    """Programs of Slurm and munge that are not installed."""
    return [program for program in PROGRAMS if _which(program) is None]


class OneNode:
    """Runs while its block does, in an empty folder of a short path (a socket's may have 108 characters).

    ``environment`` is what a process needs to find it; :meth:`jobs` tells what it ran.
    """

    def __init__(self, folder: Path, cpus: int = 2, memory_mb: int = 64000):
        self.folder, self.processes = folder, []
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": os.pathsep.join(
            (str(folder / "bin"), os.environ["PATH"], FOLDERS))}
        name = socket.gethostname().split(".")[0]
        self.conf = CONF.format(folder=folder, name=name, address=_address(), user=pwd.getpwuid(os.getuid()).pw_name,
                                controller=_free_port(), daemon=_free_port(), cpus=cpus, memory_mb=memory_mb)

    def __enter__(self) -> OneNode:
        for part in ("state", "spool"):
            (self.folder / part).mkdir(mode=0o755, parents=True)
        self.folder.chmod(0o755)  # munged insists on it
        (self.folder / "slurm.conf").write_text(self.conf)
        # Snakemake's plugin takes SLURM_… out of a job's environment: there srun would look in /etc/slurm.
        (self.folder / "bin").mkdir()
        (srun := self.folder / "bin" / "srun").write_text(
            f"#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {_which('srun')} \"$@\"\n")
        srun.chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        try:
            self._start("munged", "--foreground", "--force", f"--key-file={key}",
                        f"--socket={self.folder}/munge.socket", f"--pid-file={self.folder}/munged.pid",
                        f"--seed-file={self.folder}/munged.seed", f"--log-file={self.folder}/munged.log")
            self._wait(lambda: (self.folder / "munge.socket").exists(), "munged")
            self._start("slurmctld", "-D")
            self._start("slurmd", "-D")
            self._wait(lambda: "idle" in self._call("sinfo", "--noheader", "--format=%T"), "the node")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *fault: object) -> None:
        if len(self.processes) == 3:
            self._call("scancel", "--user", pwd.getpwuid(os.getuid()).pw_name)
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def jobs(self) -> list[dict[str, str]]:
        """One record of Slurm's for each job that ended: JobId, JobState, TimeLimit …"""
        path = self.folder / "jobs.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return [dict(part.split("=", 1) for part in line.split() if "=" in part) for line in lines]

    def queue(self) -> list[str]:
        """Identifiers of jobs that wait or run."""
        return self._call("squeue", "--noheader", "--format=%i", "--states=PENDING,RUNNING,COMPLETING").split()

    def _start(self, program: str, *options: str) -> None:
        with open(self.folder / f"{program}.out", "w") as out:
            self.processes.append(subprocess.Popen([program, *options], env=self.environment, stdin=subprocess.DEVNULL,
                                                   stdout=out, stderr=subprocess.STDOUT))

    def _call(self, *command: str) -> str:
        return subprocess.run(command, env=self.environment, text=True, capture_output=True).stdout

    def _wait(self, ready, what: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not ready():
            dead = [process.args[0] for process in self.processes if process.poll() is not None]
            if dead or time.monotonic() > end:
                logs = "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in
                                 (*self.folder.glob("*.log"), *self.folder.glob("*.out")))
                raise RuntimeError(f"{what} did not start{f', {dead} ended' if dead else ''}:\n{logs}")
            time.sleep(0.2)


def _which(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ['PATH']}{os.pathsep}{FOLDERS}")


def _address() -> str:
    """This machine's own, not the loopback, which Slurm's daemons do not take; no packet is sent for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return probe.getsockname()[0]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]
