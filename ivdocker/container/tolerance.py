"""How long an engine may fail to answer: a single docker call that fails says nothing about a container."""

from __future__ import annotations

from ivdocker import clock
from ivdocker.engine.client import EngineError

_OUTAGE_S = 5.0
"""Seconds without any answer after which the engine counts as gone: an engine that is restarted is back before."""

_FEWEST_FAILURES = 2


class Tolerance:
    """Counts the calls that failed since the last one that was answered."""

    def __init__(self) -> None:
        self._failures = 0
        self._since = clock.Stopwatch()

    @property
    def is_strained(self) -> bool:
        """Whether the last call failed."""
        return self._failures > 0

    def answered(self) -> None:
        """The engine has answered."""
        self._failures = 0

    def forgives(self, error: EngineError) -> bool:
        """A call has failed. Return whether to try again. It is called for every failure, and for nothing else."""
        if not self._failures:
            self._since = clock.Stopwatch()
        self._failures += 1
        is_lasting = self._failures >= _FEWEST_FAILURES and self._since.seconds >= _OUTAGE_S
        return error.kind != "missing" and not is_lasting
