"""The only importer of time: public deadlines are UTC timestamps, inside everything is monotonic."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

monotonic = time.monotonic
sleep = time.sleep


def utc() -> float:
    """Seconds since the epoch, the clock of TFX's deadlines."""
    return time.time()


def utc_text() -> str:
    """Now as RFC 3339 in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Deadline(NamedTuple):
    """A moment on the monotonic clock. A wall clock that jumps after it was made does not move it."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(monotonic() + seconds)

    @classmethod
    def from_utc(cls, timestamp: float) -> Deadline:
        """``timestamp``: seconds since the epoch, as TFX passes them."""
        return cls.after(timestamp - utc())

    @property
    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.at - monotonic())

    @property
    def expired(self) -> bool:
        return monotonic() >= self.at

    def earlier(self, seconds: float) -> Deadline:
        """This deadline, or the one that many seconds from now if it comes first."""
        return Deadline(min(self.at, monotonic() + seconds))


class Patience:
    """A deadline that each sign of progress puts off to ``seconds`` from then."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        self._until = Deadline.after(self._seconds)

    @property
    def expired(self) -> bool:
        return self._until.expired


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._started = monotonic()

    @property
    def seconds(self) -> float:
        return monotonic() - self._started


def pauses() -> Iterator[float]:
    """Seconds to pause between two looks at something that is waited for: 2, 4, 8 and 16 ms, then ever more rarely.

    What comes true is seen within 20 ms, or within 1 % of the time waited where that is more.
    """
    watch = Stopwatch()
    for milliseconds in (2, 4, 8):
        yield milliseconds / 1000
    while True:
        yield max(0.016, watch.seconds * 0.009)
