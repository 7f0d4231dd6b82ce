"""Reads process data from the kernel: identity, container, memory and CPU time. The only importer of psutil, where
it is needed: the import takes 20 ms, and a run that kills nothing does without it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

_CONTAINER_FILES = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
_CONTAINER_FILE = re.compile(
    r".*/(?:[a-z0-9]+-)?containers/([0-9a-f]{64})/(?:userdata/)?(?:hostname|hosts|resolv\.conf)"
)


class TreeUsage(NamedTuple):
    """What a process and all its descendants use. ``memory_bytes``: resident memory of all of them, now.
    ``largest_peak_bytes``: the highest peak of a single process (Linux). ``cpu_seconds``: of all of them."""

    memory_bytes: int
    largest_peak_bytes: int
    cpu_seconds: float


def tree_usage(pid: int, cgroup: str | None = None) -> TreeUsage | None:
    """Measure the process tree. None if the process has ended or cannot be read.

    ``cgroup``: the file that lists the processes of the control group, if known. Reading it costs a fifth of scanning
    all processes of the machine.
    """
    memory, peak, cpu = 0, 0, 0.0
    for each in _listed(cgroup) or _family(pid):
        with contextlib.suppress(OSError, ValueError, LookupError):
            resident, highest = _memory(each)
            memory, peak, cpu = memory + resident, max(peak, highest), cpu + _cpu_seconds(each)
    return TreeUsage(memory, peak, cpu) if memory else None


def processes_of(pid: int) -> list[int]:
    """The pids of all processes in the control group of the process, or else of the process and its descendants."""
    return _listed(cgroup_of(pid)) or _family(pid)


def _family(pid: int) -> list[int]:
    return [pid, *descendants(pid)]


def cgroup_of(pid: int) -> str | None:
    """The path of ``cgroup.procs`` of the process's control group (Linux, cgroup v1 or v2). None if not found."""
    return next((f"{folder}/cgroup.procs" for _, folder in _control_groups(pid)), None)


def cpu_counter_of(pid: int) -> str | None:
    """The path of the file that counts the CPU time of the process's control group. None if not found."""
    for controllers, folder in _control_groups(pid):
        name = "cpuacct.usage" if "cpuacct" in controllers.split(",") else "cpu.stat" if not controllers else None
        if name and os.path.exists(f"{folder}/{name}"):
            return f"{folder}/{name}"
    return None


def _control_groups(pid: int) -> Iterator[tuple[str, str]]:
    """The controllers and the folder of each control group that lists the process."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            folder = f"/sys/fs/cgroup/{controllers}{path}"
            if pid in _listed(f"{folder}/cgroup.procs"):
                yield controllers, folder


def _listed(cgroup: str | None) -> list[int]:
    if cgroup is None:
        return []
    try:
        with open(cgroup, encoding="ascii") as file:
            return [int(line) for line in file]
    except (OSError, ValueError):
        return []


def _memory(pid: int) -> tuple[int, int]:
    """Resident memory in bytes: the current value and the peak."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        found = dict(line.split(":", 1) for line in file)
    resident, highest = (int(found.get(key, "0 kB").split()[0]) * 1024 for key in ("VmRSS", "VmHWM"))
    return resident, highest


def _cpu_seconds(pid: int) -> float:
    """CPU time of the process and of the children that it has waited for."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def is_of_container(pid: int, container_id: str) -> bool:
    """Whether the process with this pid on this machine belongs to the container. The pid may come from an engine on
    another machine. On Linux the name of the process's control group contains the container's ID."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            return bool(container_id) and container_id in file.read()
    except OSError:
        return False


def container_id(mounts: str = "/proc/self/mountinfo") -> str | None:
    """The ID of the docker or podman container in which this process runs. None: it runs in none, or this cannot be
    seen. Both engines mount files from a folder with the container's ID over three files."""
    with contextlib.suppress(OSError), open(mounts, encoding="utf-8", errors="replace") as file:
        for line in file:
            root, target = line.split()[3:5]
            found = _CONTAINER_FILE.fullmatch(root)
            if found and target in _CONTAINER_FILES:
                return found[1]
    return None


class Owner(NamedTuple):
    """Identifies a process, so that a later process with the same pid is not mistaken for it.

    ``started``: its start time, only compared for equality. ``host``: the host's name. ``boot``: the ID of the host's
    boot. ``namespace``: the pid namespace (a container has its own).
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
    """The start time of the process. None if there is no such process, or only a zombie.

    On Linux: ticks since the boot. Unlike psutil's create_time they do not change when the clock is set. On other
    systems: psutil's create_time.
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
    """The pids of all descendants of the process. Empty if the process has ended."""
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []
