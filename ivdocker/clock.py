"""The only module that imports time. Public deadlines are UTC timestamps; internal ones use the monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from ivdocker.errors import UsageError
from ivdocker.text import shorten

monotonic = time.monotonic
sleep = time.sleep


def utc() -> float:
    """Seconds since the epoch: the clock that TFX uses for deadlines."""
    return time.time()


def duration(seconds: float, name: str) -> float:
    """The caller's argument ``name``, a number of seconds. Raises UsageError for NaN, for a negative number, and for
    what is not a number."""
    wanted = f"{name} must be a number of at least 0 seconds"
    value = _number(seconds, wanted)
    if value < 0:
        raise UsageError(f"{wanted}, not {value:g}")
    return value


def _number(value: Any, wanted: str) -> float:
    """Any kind of real number, numpy's too. Raises UsageError: with NaN no comparison holds, so no wait would end."""
    is_number = not isinstance(value, bool) and hasattr(type(value), "__float__")
    try:
        number = float(value) if is_number else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or number != number:
        remedy = "; write deadline.timestamp()" if hasattr(value, "timestamp") else ""
        raise UsageError(f"{wanted}, not {type(value).__name__} {shorten(repr(value), 80)}{remedy}")
    return number


class Deadline(NamedTuple):
    """A moment on the monotonic clock. Later changes of the wall clock do not move it."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(monotonic() + seconds)

    @classmethod
    def from_utc(cls, timestamp: float) -> Deadline:
        """``timestamp``: seconds since the epoch, as TFX passes them; infinity never comes. Raises UsageError for NaN
        and for what is not a number."""
        example = "deadline must be a UTC timestamp in seconds, such as time.time() + 300"
        return cls.after(_number(timestamp, example) - utc())

    @classmethod
    def within(cls, seconds: float, name: str) -> Deadline:
        """So many seconds from now, by the caller's argument ``name``. Raises UsageError as :func:`duration` does."""
        return cls.after(duration(seconds, name))

    @property
    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.at - monotonic())

    @property
    def expired(self) -> bool:
        return monotonic() >= self.at

    def earlier(self, seconds: float) -> Deadline:
        """The earlier of this deadline and ``seconds`` from now."""
        return Deadline(min(self.at, monotonic() + seconds))


class Patience:
    """A deadline ``seconds`` after the last progress; :meth:`renew` reports progress."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        self._until = Deadline.after(self._seconds)

    @property
    def expired(self) -> bool:
        return self._until.expired


class Stopwatch:
    """Counts the seconds since its creation."""

    def __init__(self) -> None:
        self._started = monotonic()

    @property
    def seconds(self) -> float:
        return monotonic() - self._started


def pauses() -> Iterator[float]:
    """The pauses of a polling loop, in seconds: 2, 4, 8 and 16 ms, later growing with the time waited.

    The loop sees a change within 20 ms, or within 1 % of the time waited if that is longer.
    """
    watch = Stopwatch()
    for milliseconds in (2, 4, 8):
        yield milliseconds / 1000
    while True:
        yield max(0.016, watch.seconds * 0.0097)
