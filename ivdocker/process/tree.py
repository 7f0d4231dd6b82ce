"""What the kernel knows of processes: who they are, whose they are, what they take. The only importer of psutil."""

import contextlib
import os
from typing import NamedTuple


class TreeUsage(NamedTuple):
    """What a process and all its descendants take together: now, and the one that took most at its worst (Linux)."""

    memory_bytes: int
    largest_peak_bytes: int
    cpu_seconds: float


def prepare() -> None:
    """Import psutil, 20 ms, at a time when nothing waits for it."""
    import psutil  # noqa: F401


def tree_usage(pid: int) -> TreeUsage | None:
    """None when there is no such process any more, or nothing of it may be seen."""
    import psutil

    memory, peak, cpu = 0, 0, 0.0
    for each in (pid, *descendants(pid)):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(each)
            memory += process.memory_info().rss
            peak = max(peak, _peak(each))
            cpu += sum(process.cpu_times()[:4])
    return TreeUsage(memory, peak, cpu) if memory else None


def _peak(pid: int) -> int:
    """Bytes of resident memory at its worst, which psutil does not tell; 0 where the kernel does not either."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


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
