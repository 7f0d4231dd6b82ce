"""Sends requests to a model server and counts what comes of them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

from ivdocker.errors import Failure, NoRequestPossible, RequestFailed, RequestTimedOut, UsageError
from ivdocker.requests.judge.response import compare_repeated, judge_response, request_failure
from ivdocker.requests.make.with_body import lacks_body, with_body
from ivdocker.requests.model import Request
from ivdocker.servers.client import BaseModelServerClient
from ivdocker.servers.records import Tensor

_INPUTS_HINT = "give a value of the right type and shape for each of the model's inputs, by its name"


class RequestResult(NamedTuple):
    """A request, its response and what is wrong with it.

    ``answer``: the response's JSON, None when there is none. ``milliseconds``: from connecting to the response's last
    byte, None when there was no response. ``failure``: None when the response is correct.
    """

    request: Request
    answer: Any = None
    milliseconds: float | None = None
    failure: Failure | None = None

    @property
    def is_mismatch(self) -> bool:
        """Whether the server responded, but with something else than it should."""
        return self.failure is not None and self.failure.code == "response-mismatch"

    def as_dict(self) -> dict[str, Any]:
        """Return the result as it is written to the evidence."""
        return {
            "where": self.request.where,
            "request": self.request.shown,
            "answer": self.answer,
            "milliseconds": self.milliseconds,
            "failure": self.failure.message if self.failure else None,
        }


class RequestStats:
    """Counts and latencies of all requests of a run.

    ``mismatched`` counts the wrong responses, ``failed`` all other failures. ``milliseconds`` has the latency of each
    response, in the order of the requests.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.failed = 0
        self.mismatched = 0
        self.milliseconds: list[float] = []
        self.first_failure: Failure | None = None

    def add(self, result: RequestResult) -> None:
        """Count one result."""
        self.sent += 1
        if result.milliseconds is not None:
            self.milliseconds.append(result.milliseconds)
        if result.failure is not None:
            self.first_failure = self.first_failure or result.failure
            if result.is_mismatch:
                self.mismatched += 1
            else:
                self.failed += 1

    def percentile(self, percent: float) -> float | None:
        """Return a percentile of the latencies in milliseconds, by the nearest rank. None: there was no response."""
        ordered = sorted(self.milliseconds)
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else None


class SendOptions(NamedTuple):
    """How requests are sent.

    ``deterministic``: send each request twice, count it once, and require the same response both times.
    ``repeat``: how often all requests are sent.
    ``concurrency``: how many requests are sent at the same time.
    """

    deterministic: bool = False
    repeat: int = 1
    concurrency: int = 1


def send_all(
    client: BaseModelServerClient,
    requests: Iterable[Request],
    on_result: Callable[[RequestResult], None],
    options: SendOptions = SendOptions(),  # noqa: B008  (a NamedTuple does not change)
    inputs: Callable[[], list[Tensor]] = list,
) -> RequestStats:
    """Send the requests. After a failed request, the other requests are sent all the same.

    ``requests``: iterated once per round, that is ``options.repeat`` times.
    ``on_result``: called for each request of the first round, in order and never twice at the same time.
    ``inputs``: returns the model's inputs where the server does not report them. Called only when they are needed.

    When no request can be made up, that is the first failure, unless a request failed before. Raises what the
    endpoint's check raises when the server has ended, and UsageError when the requests cannot be read any more or when
    the package that reads the model's inputs is not installed.
    """
    stats, inputs_lookup = RequestStats(), cached_inputs(client, inputs)

    def send(request: Request) -> RequestResult:
        result = _make_body_and_send(client, request, inputs_lookup)
        return _send_again(client, result) if options.deterministic and result.failure is None else result

    try:
        for number in range(options.repeat):
            for result in _send_in_order(send, requests, options.concurrency):
                stats.add(result)
                if number == 0:
                    on_result(result)
    except NoRequestPossible as error:
        stats.first_failure = stats.first_failure or error.failure
    return stats


def _send_in_order(
    send: Callable[[Request], RequestResult], requests: Iterable[Request], concurrency: int
) -> Iterator[RequestResult]:
    """Yield the results in the order of the requests. At most ``concurrency`` requests are read ahead."""
    if concurrency == 1:
        yield from map(send, requests)
        return
    with ThreadPoolExecutor(concurrency, thread_name_prefix="ivdocker-query") as pool:
        running: deque[Future[RequestResult]] = deque()
        try:
            for request in requests:
                if len(running) == concurrency:
                    yield running.popleft().result()
                running.append(pool.submit(send, request))
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


InputsLookup = Callable[[str | None, str | None], list[Tensor]]
"""Returns a model's inputs for the model's name and the signature's name, or an empty list when they are not known."""


def cached_inputs(client: BaseModelServerClient, inputs: Callable[[], list[Tensor]] = list) -> InputsLookup:
    """Return a function that asks the server once for each model's inputs.

    ``inputs``: called instead for the client's own model, when the server does not report its inputs.
    """
    return cache(lambda name, signature: client.inputs(name, signature) or ([] if name else inputs()))


def _make_body_and_send(client: BaseModelServerClient, request: Request, inputs_lookup: InputsLookup) -> RequestResult:
    if not lacks_body(request):
        return _send(client, request)
    inputs = inputs_lookup(request.model_name, request.signature)
    try:
        request_with_body = with_body(request, client, inputs)
    except UsageError as error:
        return RequestResult(request, failure=request_failure(request, "request-failed", str(error), _INPUTS_HINT))
    return _send(client, request_with_body)


def _send(client: BaseModelServerClient, request: Request) -> RequestResult:
    try:
        response = client.send(request.request_body)
    except (RequestFailed, RequestTimedOut) as error:
        return RequestResult(request, failure=request_failure(request, error.failure.code, error.failure.message))
    answer, failure = judge_response(request, response, client.volatile_paths)
    return RequestResult(request, answer, response.seconds * 1000, failure)


def _send_again(client: BaseModelServerClient, first: RequestResult) -> RequestResult:
    """Send a request whose first response was correct a second time, and compare both responses."""
    second = _send(client, first.request)
    if second.failure:
        text = f"{second.failure.message} (the second time that it was sent; the first response was correct)"
        return first._replace(answer=second.answer, failure=second.failure._replace(message=text))
    failure = compare_repeated(first.request, first.answer, second.answer, client.volatile_paths)
    return first._replace(failure=failure)
