"""One docker call that fails of many says nothing; an engine that stays away is gone."""

from __future__ import annotations

import pytest

from ivdocker import clock
from ivdocker.container.tolerance import Tolerance
from ivdocker.engine.client import EngineError

AWAY = EngineError("failed", "docker container inspect x", "Cannot connect to the Docker daemon")


class Now:
    seconds = 0.0


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Now:
    found = Now()
    monkeypatch.setattr(clock, "monotonic", lambda: found.seconds)
    return found


@pytest.mark.parametrize("kind", ["failed", "timeout", "exhausted", "unreadable"])
def test_one_failure_is_forgiven_however_long_it_took(kind: str, now: Now) -> None:
    tolerance = Tolerance()
    now.seconds += 3600
    assert tolerance.forgives(EngineError(kind, "docker", "no"))


def test_failures_are_forgiven_for_a_while_and_then_no_more(now: Now) -> None:
    tolerance = Tolerance()
    answers = []
    for _ in range(100):
        answers.append(tolerance.forgives(AWAY))
        now.seconds += 0.2
    assert answers[:10] == [True] * 10
    assert not answers[-1]
    assert answers == sorted(answers, reverse=True)


def test_an_answer_makes_all_good(now: Now) -> None:
    tolerance = Tolerance()
    for _ in range(20):
        assert tolerance.forgives(AWAY)
        now.seconds += 60
        assert tolerance.is_strained
        tolerance.answered()
        assert not tolerance.is_strained


def test_a_program_that_is_not_there_is_not_waited_for() -> None:
    assert not Tolerance().forgives(EngineError("missing", "docker", "docker: not found"))
