"""Samples the memory and CPU time of a running container."""

from __future__ import annotations

import os
import threading
from typing import NamedTuple

from ivdocker.ahead import in_thread
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.parse import ContainerState
from ivdocker.process import tree
from ivdocker.process.run import Cancelled

_SAMPLE_S = 0.2
_STATS_S = 10.0
"""Limit for ``docker stats``, in seconds. The command itself samples for one or two seconds."""


class Usage(NamedTuple):
    """What a container used. None means: could not be measured.

    ``peak_memory_bytes``: the highest sum of the resident memory of all its processes, or from ``docker stats`` if this
    machine does not see them. Peaks between two samples (0.2 s, docker stats 2 s) are missed, except the peak of a
    single process, which Linux records. ``cpu_seconds``: CPU time of all its processes.
    """

    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None


class UsageWatch:
    """A thread that takes samples until :meth:`close`."""

    def __init__(self, engine: Engine, state: ContainerState) -> None:
        self._engine = engine
        self._state = state
        self._usage = Usage()
        self._closing = threading.Event()
        self._sampled = threading.Event()
        is_here = engine.remote_host is None and tree.is_of_container(state.pid, state.id)
        self._cgroup = tree.cgroup_of(state.pid) if is_here else None
        self._sample = self._sample_here if is_here else self._sample_there
        self._is_here = is_here
        self._thread = in_thread(self._watch, "usage")

    def close(self, needed: bool = False) -> Usage:
        """Stop and return the usage. With docker stats, and if a figure is ``needed``, wait up to 10 s for a sample."""
        if needed and not self._is_here:
            self._sampled.wait(_STATS_S)
        self._closing.set()
        if self._thread:
            self._thread.join()
        if self._is_here:
            self._sample_here()
        return self._usage

    def _watch(self) -> None:
        while not self._closing.wait(_SAMPLE_S) and self._sample():
            self._sampled.set()
        self._sampled.set()

    def _sample_here(self) -> bool:
        usage = tree.tree_usage(self._state.pid, self._cgroup)
        if usage is None:
            return False
        seen = (usage.memory_bytes, usage.largest_peak_bytes, self._usage.peak_memory_bytes or 0)
        self._usage = Usage(max(seen), usage.cpu_seconds)
        return True

    def _sample_there(self) -> bool:
        try:
            memory = self._engine.memory(self._state.id, timeout_s=_STATS_S, cancel=self._closing)
        except (EngineError, Cancelled):
            return False
        if memory is not None:
            self._usage = Usage(max(memory, self._usage.peak_memory_bytes or 0))
        return memory is not None


class IdleGauge:
    """Whether the processes of a container do anything: a server that has used no CPU time since it was last looked at
    has not become ready either. To read the counter costs a fifth of a readiness probe."""

    def __init__(self, state: ContainerState, engine: Engine) -> None:
        is_here = engine.remote_host is None and tree.is_of_container(state.pid, state.id)
        self._file = tree.cpu_counter_of(state.pid) if is_here else None
        self._last = b""
        self._was_idle = False

    def is_idle(self) -> bool:
        """True if the counter has not moved in the last two calls: the kernel counts some milliseconds late. False if
        it cannot be read."""
        if self._file is None:
            return False
        try:
            fd = os.open(self._file, os.O_RDONLY)
            try:
                now = os.read(fd, 64)
            finally:
                os.close(fd)
        except OSError:
            self._file = None
            return False
        was_idle, self._was_idle = self._was_idle, now == self._last
        self._last = now
        return was_idle and self._was_idle
