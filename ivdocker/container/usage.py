"""How much memory and processor time a container takes, sampled while it runs."""

from __future__ import annotations

import threading
from typing import NamedTuple

from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.parse import ContainerState
from ivdocker.process import tree
from ivdocker.process.run import Cancelled

_SAMPLE_S = 0.2
_STATS_S = 10.0
"""Seconds that ``docker stats`` may take: it samples for one or two itself."""


class Usage(NamedTuple):
    """``peak_memory_bytes``: the most that was seen at once: resident memory of all processes of the container where
    they can be seen from here, else what ``docker stats`` says. What several processes take together between two
    samples (0.2 s, with docker stats 2 s) is missed; of a single one Linux keeps the peak. ``cpu_seconds``: of all its
    processes. None: could not be measured.
    """

    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None


class UsageWatch:
    """A thread that samples until :meth:`close`."""

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
        self._thread = threading.Thread(target=self._watch, name="ivdocker-usage", daemon=True)
        self._thread.start()

    def close(self, needed: bool = False) -> Usage:
        """Take a last sample, where that is quick or none was taken and one is ``needed``; what was seen in all."""
        if needed and not self._is_here:
            self._sampled.wait(_STATS_S)
        self._closing.set()
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
