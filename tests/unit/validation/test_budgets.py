"""Budgets: which figures exceed which limit, and what the failure says of it."""

from __future__ import annotations

import pytest

from ivdocker.container.usage import Usage
from ivdocker.errors import UsageError
from ivdocker.report.verdict import RequestFigures, RunReport
from ivdocker.validation.budgets import Budgets, check, exceeded, size


def measured() -> RunReport:
    run = RunReport("image:1", "triton")
    run.stages = {"start": 9.0, "running": 0.5, "load": 2.0, "query": 1.0}
    run.requests = RequestFigures(100, 1, 1, 3.0, 9.0, 20.0, 50.0, 0.02)
    run.resources = Usage(100 << 20, 4.0)
    run.log_errors = 2
    return run


@pytest.mark.parametrize(
    ("budgets", "message"),
    [
        (Budgets(load_seconds=2.4), "loading took 2.5 s, at most 2.4 s was allowed"),
        (Budgets(first_ms=49), "the first answer took 50 ms, at most 49 ms was allowed"),
        (Budgets(p50_ms=2), "the p50 latency was 3 ms, at most 2 ms was allowed"),
        (Budgets(p95_ms=8), "the p95 latency was 9 ms, at most 8 ms was allowed"),
        (Budgets(p99_ms=19.5), "the p99 latency was 20 ms, at most 19.5 ms was allowed"),
        (Budgets(error_rate=0.01), "the error rate was 0.02, at most 0.01 was allowed"),
        (Budgets(memory_bytes=64 << 20), "peak memory was 100 MB, at most 64 MB was allowed"),
        (Budgets(log_errors=1), "errors in the server's log: 2, at most 1 was allowed"),
    ],
)
def test_an_exceeded_budget_names_figure_and_limit(budgets: Budgets, message: str) -> None:
    failure = exceeded(budgets, measured())
    assert failure is not None
    assert (failure.code, failure.message) == ("budget-exceeded", message)


def test_all_that_were_exceeded_are_named() -> None:
    failure = exceeded(Budgets(p50_ms=1, p95_ms=100, log_errors=0), measured())
    assert failure is not None
    assert failure.message.count("was allowed") == 2


def test_a_limit_that_is_just_reached_is_kept() -> None:
    kept = Budgets(2.5, 50, 3, 9, 20, 0.02, 100 << 20, 2)
    assert exceeded(kept, measured()) is None


def test_without_budgets_nothing_is_exceeded() -> None:
    assert exceeded(Budgets(), measured()) is None


def test_memory_that_could_not_be_measured_is_no_verdict() -> None:
    run = measured()
    run.resources = Usage()
    failure = exceeded(Budgets(memory_bytes=1 << 30), run)
    assert failure is not None
    assert failure.is_environment
    assert "could not be measured" in failure.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("512", 512), ("512b", 512), ("2k", 2048), ("512m", 512 << 20), ("2g", 2 << 30), ("1.5GB", 3 << 29)],
)
def test_a_size_is_written_as_docker_writes_it(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize("text", ["", "big", "-1", "2 gigs", "2x", "1.2.3g"])
def test_what_is_no_size_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="no size"):
        size(text)


@pytest.mark.parametrize("budgets", [Budgets(p95_ms=-1), Budgets(load_seconds=float("nan")), Budgets(error_rate=2)])
def test_a_limit_that_cannot_be_is_a_usage_error(budgets: Budgets) -> None:
    with pytest.raises(UsageError, match="the budget"):
        check(budgets)
