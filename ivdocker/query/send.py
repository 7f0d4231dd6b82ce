"""L3. Sends requests to a model server and judges the answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ivdocker import http
from ivdocker.errors import Failure, FailureCode, InfraValidationError
from ivdocker.query.compare import first_difference
from ivdocker.query.requests import Request
from ivdocker.serving.client import BaseModelServerClient, error_text

_HINTS: dict[str, str] = {
    "request-failed": "try the request by hand on a server that ivdocker serve keeps running",
    "request-timeout": "see in the server's log what it was doing; try the request with ivdocker serve",
    "response-mismatch": "if the answer is right, correct 'expect'; if it is near enough, give the line rtol or atol",
}


class Outcome(NamedTuple):
    """What came of one request; ``failure`` is None when its answer is as it should be."""

    request: Request
    answer: Any = None
    milliseconds: float | None = None
    failure: Failure | None = None

    def as_dict(self) -> dict[str, Any]:
        """For the evidence."""
        return {
            "where": self.request.where,
            "request": self.request.body,
            "answer": self.answer,
            "milliseconds": self.milliseconds,
            "failure": self.failure.message if self.failure else None,
        }


class Tally:
    """What came of all requests."""

    def __init__(self) -> None:
        self.sent = 0
        self.failed = 0
        self.mismatched = 0
        self.milliseconds: list[float] = []
        self.first_failure: Failure | None = None

    def add(self, outcome: Outcome) -> None:
        self.sent += 1
        if outcome.milliseconds is not None:
            self.milliseconds.append(outcome.milliseconds)
        if outcome.failure is not None:
            self.first_failure = self.first_failure or outcome.failure
            if outcome.failure.code == "response-mismatch":
                self.mismatched += 1
            else:
                self.failed += 1

    def percentile(self, percent: float) -> float | None:
        """Latency in milliseconds by the nearest rank; None before the first answer."""
        ordered = sorted(self.milliseconds)
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else None


def send_all(
    client: BaseModelServerClient, requests: Iterable[Request], on_outcome: Callable[[Outcome], None]
) -> Tally:
    """Send the requests one after another; a failed one does not keep the rest from being sent.

    Raises what the endpoint's check raises: a server that is gone is the verdict.
    """
    tally = Tally()
    for request in requests:
        outcome = _send(client, request)
        tally.add(outcome)
        on_outcome(outcome)
    return tally


def _send(client: BaseModelServerClient, request: Request) -> Outcome:
    try:
        answer = client.send(request.message)
    except InfraValidationError as error:
        if error.failure is None or not error.failure.code.startswith("request-"):
            raise
        return Outcome(request, failure=_failure(request, error.failure.code, error.failure.message))
    milliseconds = answer.seconds * 1000
    if not 200 <= answer.status < 300:
        text = f"HTTP {answer.status}: {error_text(answer)}"
        return Outcome(request, None, milliseconds, _failure(request, "request-failed", text))
    return _judged(request, answer, milliseconds)


def _judged(request: Request, answer: http.Answer, milliseconds: float) -> Outcome:
    try:
        record = answer.json()
    except (ValueError, RecursionError):
        text = f"the answer is no JSON: {answer.text[:200]!r}"
        return Outcome(request, None, milliseconds, _failure(request, "request-failed", text))
    if request.expect is None and isinstance(record, dict) and "error" in record:
        text = f"HTTP {answer.status} with an error in it: {error_text(answer)}"
        return Outcome(request, record, milliseconds, _failure(request, "request-failed", text))
    if request.expect is not None:
        difference = first_difference(request.expect, record, request.rtol, request.atol)
        if difference:
            failure = _failure(request, "response-mismatch", f"wrong answer {difference}")
            return Outcome(request, record, milliseconds, failure)
    return Outcome(request, record, milliseconds)


def _failure(request: Request, code: FailureCode, text: str) -> Failure:
    return Failure(code, f"{request.where}: {text}", _HINTS[code])
