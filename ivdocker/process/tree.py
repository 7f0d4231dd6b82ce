"""What the kernel knows of processes: who they are, whose they are, what they take. The only importer of psutil, and
that only where it is needed: importing it takes 20 ms, and a run in which nothing has to be killed does without."""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple


class TreeUsage(NamedTuple):
    """What a process and all its descendants take together: now, and the one that took most at its worst (Linux)."""

    memory_bytes: int
    largest_peak_bytes: int
    cpu_seconds: float


def tree_usage(pid: int, cgroup: str | None = None) -> TreeUsage | None:
    """None when there is no such process any more, or nothing of it may be seen.

    ``cgroup``: the file that lists the processes of its control group, where there is one: it costs a tenth of a look
    at every process of the machine.
    """
    memory, peak, cpu = 0, 0, 0.0
    for each in _listed(cgroup) or (pid, *descendants(pid)):
        with contextlib.suppress(OSError, ValueError, LookupError):
            resident, highest = _memory(each)
            memory, peak, cpu = memory + resident, max(peak, highest), cpu + _cpu_seconds(each)
    return TreeUsage(memory, peak, cpu) if memory else None


def cgroup_of(pid: int) -> str | None:
    """The file ``cgroup.procs`` of the process's control group (Linux, cgroup v1 or v2); None where it is not found."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            listing = f"/sys/fs/cgroup/{controllers}{path}/cgroup.procs"
            if pid in _listed(listing):
                return listing
    return None


def _listed(cgroup: str | None) -> list[int]:
    if cgroup is None:
        return []
    try:
        with open(cgroup, encoding="ascii") as file:
            return [int(line) for line in file]
    except (OSError, ValueError):
        return []


def _memory(pid: int) -> tuple[int, int]:
    """Bytes of resident memory: now, and at its worst."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        found = dict(line.split(":", 1) for line in file)
    resident, highest = (int(found.get(key, "0 kB").split()[0]) * 1024 for key in ("VmRSS", "VmHWM"))
    return resident, highest


def _cpu_seconds(pid: int) -> float:
    """Of the process and of those of its children that it has waited for."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def is_of_container(pid: int, container_id: str) -> bool:
    """Whether the process of that number, as it is seen from here, belongs to the container: the engine may count in
    another machine's processes. Linux names the container in the process's control group."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            return bool(container_id) and container_id in file.read()
    except OSError:
        return False


class Owner(NamedTuple):
    """A process that cannot be mistaken for a later one of the same number.

    ``started``: when it started, only ever compared for equality; ``host``: the host's name; ``boot``: which boot of
    the host; ``namespace``: the namespace in which the number counts (a container has its own).
    """

    pid: int
    started: str
    host: str
    boot: str
    namespace: str


def this_process() -> Owner:
    pid = os.getpid()
    return Owner(pid, started(pid) or "", os.uname().nodename, _boot(), _pid_namespace())


def _boot() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        import psutil

        return f"{psutil.boot_time():.0f}"


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def started(pid: int) -> str | None:
    """When that process started; None when there is none, or nothing of it but a zombie.

    Linux counts it in ticks since the boot, which no change of the clock moves (psutil's create_time is moved by one);
    elsewhere it is psutil's create_time.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except OSError:
        return None if os.path.exists("/proc/self/stat") else _create_time(pid)


def _create_time(pid: int) -> str | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return None


def descendants(pid: int) -> list[int]:
    """The process's children, their children and so on; none when it is gone."""
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []
