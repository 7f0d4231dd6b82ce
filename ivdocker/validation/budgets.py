"""The limits for a run, and whether the run exceeded them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ivdocker.errors import Failure, UsageError
from ivdocker.report.verdict import RunReport

_MEBIBYTE = 1 << 20
_RAISE = "raise the budget if that is what the model costs"
_KNOWN_ERRORS = "leave out an error that is known to be harmless with --ignore-log-error REGEX"


class Budgets(NamedTuple):
    """Limits for a run. None (the default) means no limit.

    ``load_seconds``: from the container's start until the model is ready. ``first_ms``: latency of the first response.
    ``p50_ms``, ``p95_ms``, ``p99_ms``: latencies of all responses. ``error_rate``: the share of requests, from 0 to 1,
    that may fail or get a wrong response (None: no request may). ``memory_bytes``: the peak memory of the container's
    processes. ``log_errors``: the number of errors that the server's log reports. ``ignore_log_errors``: regular
    expressions of errors in the log that do not count.
    """

    load_seconds: float | None = None
    first_ms: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    error_rate: float | None = None
    memory_bytes: int | None = None
    log_errors: int | None = None
    ignore_log_errors: list[str] | tuple[str, ...] = ()

    @property
    def needs_requests(self) -> bool:
        return any(limit is not None for limit in (self.first_ms, self.p50_ms, self.p95_ms, self.p99_ms))


def check(budgets: Budgets) -> None:
    """Raises UsageError for an impossible limit."""
    for pattern in budgets.ignore_log_errors:
        _check_pattern(pattern)
    for name, limit in _limits(budgets):
        if limit is not None and not 0 <= limit < float("inf"):
            raise UsageError(f"the budget {name} must be a number of at least 0, not {limit:g}")
    if budgets.error_rate is not None and budgets.error_rate > 1:
        raise UsageError(f"the budget error_rate is a share of the requests, from 0 to 1, not {budgets.error_rate:g}")


def _limits(budgets: Budgets) -> Iterator[tuple[str, float | None]]:
    return ((name, limit) for name, limit in budgets._asdict().items() if name != "ignore_log_errors")


def _check_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        text = f"ignore_log_errors (--ignore-log-error): {pattern!r} is not a regular expression: {error}"
        raise UsageError(text) from None


def exceeded(budgets: Budgets, run: RunReport) -> Failure | None:
    """A failure that names every limit that the run exceeded. None if it exceeded none."""
    found = list(_exceeded(budgets, run))
    if found:
        hint = f"{_RAISE}; the report has every figure (--json)"
        is_log = budgets.log_errors is not None and (run.log_errors or 0) > budgets.log_errors
        if is_log:
            hint = f"{_KNOWN_ERRORS}; {hint}" if len(found) > 1 else _KNOWN_ERRORS
        return Failure("budget-exceeded", "; ".join(found), hint, log_tail=run.log_error_lines if is_log else ())
    if budgets.memory_bytes is not None and run.resources.peak_memory_bytes is None:
        hint = "the engine is on another machine or in a virtual one: see whether docker stats works on it"
        return Failure("engine-error", "the memory that the server took could not be measured", hint)
    return None


def load_exceeded(budgets: Budgets, timeout: Failure) -> Failure:
    """The failure of a model that was not ready when its budget was used up. ``timeout``: what the wait said then."""
    text = f"loading took more than {budgets.load_seconds:.4g} s, which was allowed"
    return Failure("budget-exceeded", f"{text} ({timeout.message})", _RAISE)


def _exceeded(budgets: Budgets, run: RunReport) -> Iterator[str]:
    asked = run.requests
    for what, unit, figure, limit in (
        ("loading took", " s", run.load_seconds, budgets.load_seconds),
        ("the first answer took", " ms", asked.first_ms, budgets.first_ms),
        ("the p50 latency was", " ms", asked.p50_ms, budgets.p50_ms),
        ("the p95 latency was", " ms", asked.p95_ms, budgets.p95_ms),
        ("the p99 latency was", " ms", asked.p99_ms, budgets.p99_ms),
        ("the error rate was", "", asked.error_rate, budgets.error_rate),
        ("peak memory was", " MiB", _mebibytes(run.resources.peak_memory_bytes), _mebibytes(budgets.memory_bytes)),
        ("errors in the server's log:", "", run.log_errors, budgets.log_errors),
    ):
        if figure is not None and limit is not None and figure > limit:
            yield f"{what} {figure:.4g}{unit}, at most {limit:.4g}{unit} was allowed"


def _mebibytes(size_bytes: int | None) -> float | None:
    return None if size_bytes is None else size_bytes / _MEBIBYTE
