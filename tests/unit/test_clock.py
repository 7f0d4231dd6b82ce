"""A public deadline is a UTC timestamp; once taken, only the monotonic clock moves it."""

from __future__ import annotations

import datetime
import decimal
import fractions
import math
import time
from typing import Any

import pytest

from ivdocker import clock
from ivdocker.clock import Deadline, Stopwatch
from ivdocker.errors import UsageError


class FakeTime:
    """Both clocks, set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = 1_700_000_000.0
        self.steady = 50.0
        monkeypatch.setattr(time, "time", lambda: self.wall)
        monkeypatch.setattr(clock, "monotonic", lambda: self.steady)

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    return FakeTime(monkeypatch)


def test_a_utc_deadline_is_that_many_seconds_away(fake: FakeTime) -> None:
    deadline = Deadline.from_utc(fake.wall + 30)
    assert deadline.remaining == pytest.approx(30)
    fake.pass_by(12)
    assert deadline.remaining == pytest.approx(18)
    assert not deadline.expired


@pytest.mark.parametrize("jump", [-86_400, -1, 3_600, 10**9])
def test_a_wall_clock_that_jumps_does_not_move_a_deadline(fake: FakeTime, jump: float) -> None:
    deadline = Deadline.from_utc(fake.wall + 30)
    fake.wall += jump
    assert deadline.remaining == pytest.approx(30)
    fake.pass_by(31)
    assert deadline.expired


def test_a_deadline_in_the_past_is_over_at_once(fake: FakeTime) -> None:
    deadline = Deadline.from_utc(fake.wall - 5)
    assert deadline.expired
    assert deadline.remaining == 0


def test_a_deadline_is_over_at_its_very_moment(fake: FakeTime) -> None:
    deadline = Deadline.after(2)
    fake.pass_by(2)
    assert deadline.expired


@pytest.mark.usefixtures("fake")
def test_an_earlier_deadline_never_comes_after_the_first() -> None:
    deadline = Deadline.after(10)
    assert deadline.earlier(3).remaining == pytest.approx(3)
    assert deadline.earlier(30).remaining == pytest.approx(10)


def test_a_stopwatch_does_not_mind_a_wall_clock_that_jumps(fake: FakeTime) -> None:
    watch = Stopwatch()
    fake.wall -= 7_200
    fake.pass_by(1.5)
    assert watch.seconds == pytest.approx(1.5)


def test_pauses_grow_with_the_time_waited(fake: FakeTime) -> None:
    pauses = clock.pauses()
    assert [next(pauses) for _ in range(4)] == [0.002, 0.004, 0.008, 0.016]
    fake.pass_by(100)
    assert 0.5 < next(pauses) <= 1


@pytest.mark.parametrize("number", [2**31, 2e9, decimal.Decimal(2 * 10**9), fractions.Fraction(4 * 10**9, 2)])
def test_a_utc_deadline_may_be_any_kind_of_number(number: Any, fake: FakeTime) -> None:
    assert Deadline.from_utc(number).remaining == pytest.approx(float(number) - fake.wall)


@pytest.mark.parametrize("kind", ["float32", "float64", "int64"])
def test_a_utc_deadline_may_be_a_number_of_numpys(kind: str, fake: FakeTime) -> None:
    numpy = pytest.importorskip("numpy")
    number = getattr(numpy, kind)(2_000_000_000)
    assert Deadline.from_utc(number).remaining == pytest.approx(2e9 - fake.wall)
    with pytest.raises(UsageError, match="nan"):
        Deadline.from_utc(numpy.float32("nan"))


def test_a_deadline_of_infinity_never_comes_and_one_of_minus_infinity_is_over() -> None:
    assert Deadline.from_utc(math.inf).remaining == math.inf
    assert Deadline.from_utc(math.inf).earlier(1).remaining <= 1
    assert Deadline.from_utc(-math.inf).expired


@pytest.mark.parametrize(
    "given", [math.nan, -math.nan, None, "1e9", b"1", True, [], {}, 1j, 10**400, datetime.timedelta(1), object()]
)
def test_a_utc_deadline_that_is_none_is_a_usage_error(given: Any) -> None:
    with pytest.raises(UsageError, match=r"^deadline must be a UTC timestamp in seconds, such as time") as caught:
        Deadline.from_utc(given)
    assert type(given).__name__ in str(caught.value)
    assert len(str(caught.value)) < 250


def test_a_date_is_told_how_it_becomes_a_deadline() -> None:
    with pytest.raises(UsageError, match=r"write deadline\.timestamp\(\)$"):
        Deadline.from_utc(datetime.datetime(2030, 1, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [math.nan, -1, -math.inf, None, "1", True])
def test_a_duration_that_is_none_is_a_usage_error_with_its_name(given: Any) -> None:
    with pytest.raises(UsageError, match=r"^pause_s must be a number of at least 0 seconds, not "):
        clock.duration(given, "pause_s")


@pytest.mark.parametrize("given", [0, 0.0, 1, 2.5, math.inf])
def test_a_duration_is_a_number_of_seconds(given: float) -> None:
    assert clock.duration(given, "pause_s") == given
