"""A public deadline is a UTC timestamp; once taken, only the monotonic clock moves it."""

from __future__ import annotations

import time

import pytest

from ivdocker import clock
from ivdocker.clock import Deadline, Stopwatch


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
