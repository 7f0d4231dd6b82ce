"""Finds the smallest memory limit under which a model still loads and answers, by bisection with complete runs."""

from collections.abc import Iterator
from typing import NamedTuple

from ivdocker import clock
from ivdocker.errors import Failure
from ivdocker.report.observer import Observer
from ivdocker.report.verdict import MemorySearch, MemoryTry, RunReport
from ivdocker.servers.base import ServingBinary
from ivdocker.validation.attempt import run_one
from ivdocker.validation.plan import Job

_MEGABYTE = 1 << 20
_SMALLEST = 8 * _MEGABYTE
"""docker 20.10 rejects limits below 6 MB."""

_STEP = 4 * _MEGABYTE
_PRECISION = 0.05
_HEADROOM = 1.25
_LARGEST = 1 << 40


class _Bounds(NamedTuple):
    """The model fails with ``low`` bytes and runs with ``high``."""

    low: int
    high: int

    @property
    def is_narrow(self) -> bool:
        return self.high <= _SMALLEST or self.high - self.low <= max(_STEP, self.high * _PRECISION)


def find_memory(job: Job, binary: ServingBinary, report: RunReport) -> None:
    """Search the limit and add it to the report of a blessed run. The precision is 5 %, but at least 4 MB.

    Each try is a complete run and is reported to the observer. A failure of the environment becomes the report's."""
    search = _Search(job, binary)
    smallest = search.run(report.resources.peak_memory_bytes or _SMALLEST)
    report.memory_search = MemorySearch(smallest, tuple(search.tries))
    report.failure = search.failure


class _Search:
    def __init__(self, job: Job, binary: ServingBinary) -> None:
        self._job = job._replace(observer=Observer(), tries=1, sinks=(), warmup=None)
        self._observer = job.observer
        self._binary = binary
        self.tries: list[MemoryTry] = []
        self.failure: Failure | None = None

    def run(self, peak: int) -> int | None:
        bounds = self._bracket(_rounded(peak * _HEADROOM))
        while bounds and not bounds.is_narrow:
            middle = _rounded((bounds.low + bounds.high) / 2)
            runs = self._runs_with(middle)
            if self.failure:
                return None
            bounds = bounds._replace(high=middle) if runs else bounds._replace(low=middle)
        return bounds.high if bounds else None

    def _bracket(self, guess: int) -> _Bounds | None:
        low = 0
        for limit in _doubling(guess):
            if self._runs_with(limit):
                return _Bounds(low, limit)
            if self.failure:
                return None
            low = limit
        return None

    def _runs_with(self, limit: int) -> bool:
        options = self._job.options._replace(memory=f"{limit}b", evidence=None, keep=False)
        watch = clock.Stopwatch()
        report = run_one(self._job._replace(options=options), self._binary)
        if report.failure is not None and report.failure.is_environment:
            self.failure = report.failure
            return False
        tried = MemoryTry(limit, report.verdict, report.failure.code if report.failure else None, watch.seconds)
        self.tries.append(tried)
        self._observer.tried_memory(self._binary.image, tried)
        return report.failure is None


def _doubling(limit: int) -> Iterator[int]:
    while limit < _LARGEST:
        yield limit
        limit *= 2


def _rounded(size: float) -> int:
    """Rounded up to whole megabytes, at least 8."""
    return max(_SMALLEST, -int(-size // _MEGABYTE) * _MEGABYTE)
