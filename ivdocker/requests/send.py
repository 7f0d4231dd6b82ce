"""Sends requests to a model server and counts what comes of them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

from ivdocker.errors import (
    Failure,
    NoRequestPossible,
    RequestFailed,
    RequestTimedOut,
    ResponseTooLarge,
    UsageError,
)
from ivdocker.requests.judge.declared import tensors, wrong_output
from ivdocker.requests.judge.response import compare_repeated, judge_response, request_failure
from ivdocker.requests.make.with_body import lacks_body, with_body
from ivdocker.requests.model import Request
from ivdocker.servers.client import REQUEST_TIMEOUT_S, BaseModelServerClient
from ivdocker.servers.records import Tensor

_DECLARED_HINT = (
    "correct the outputs that the model's configuration declares, or the model: a client that is made from the metadata"
    " cannot read this answer"
)
_NO_WAY_HINT = "validate it without requests, which tries that it loads"


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

    ``mismatched`` counts the wrong responses, ``failed`` all other failures, ``compared`` the responses that
    were compared with an expected one. ``milliseconds`` has the latency of each
    response, in the order of the requests. ``model_failure`` is the first failure that is about the model,
    ``other_failure`` the first one that is not.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.failed = 0
        self.mismatched = 0
        self.compared = 0
        self.milliseconds: list[float] = []
        self.model_failure: Failure | None = None
        self.other_failure: Failure | None = None

    @property
    def first_failure(self) -> Failure | None:
        """The failure that decides. A wrong response weighs more than a request that could not be made."""
        return self.model_failure or self.other_failure

    def add(self, result: RequestResult) -> None:
        """Count one result."""
        self.sent += 1
        if result.milliseconds is not None:
            self.milliseconds.append(result.milliseconds)
        self.compared += result.request.is_compared and (result.failure is None or result.is_mismatch)
        if result.failure is not None:
            self.note(result.failure)
            if result.is_mismatch:
                self.mismatched += 1
            else:
                self.failed += 1

    def note(self, failure: Failure) -> None:
        """Keep the failure, if it is the first of its kind."""
        if failure.is_environment:
            self.other_failure = self.other_failure or failure
        else:
            self.model_failure = self.model_failure or failure

    def percentile(self, percent: float) -> float | None:
        """Return a percentile of the latencies in milliseconds, by the nearest rank. None: there was no response."""
        ordered = sorted(self.milliseconds)
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else None


class SendOptions(NamedTuple):
    """How requests are sent.

    ``deterministic``: send each request twice, count it once, and require the same response both times.
    ``repeat``: how often all requests are sent.
    ``concurrency``: how many requests are sent at the same time.
    ``timeout_s``: how long each response may take. ``largest_bytes``: how large its body may be.
    """

    deterministic: bool = False
    repeat: int = 1
    concurrency: int = 1
    timeout_s: float = REQUEST_TIMEOUT_S
    largest_bytes: int | None = None


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
    stats, sender = RequestStats(), _Sender(client, options, cached_inputs(client, inputs))
    try:
        for number in range(options.repeat):
            for result in _send_in_order(sender.send, requests, options.concurrency):
                stats.add(result)
                if number == 0:
                    on_result(result)
    except NoRequestPossible as error:
        stats.note(error.failure)
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


def _says_types(expect: Any) -> bool:
    """Whether the user has written what each output is: that is right, whatever the metadata declares."""
    expected = tensors(expect, "outputs") or {}
    return bool(expected) and all("datatype" in each for each in expected.values())


InputsLookup = Callable[[str | None, str | None], list[Tensor]]
"""Returns a model's inputs for the model's name and the signature's name, or an empty list when they are not known."""


def cached_inputs(client: BaseModelServerClient, inputs: Callable[[], list[Tensor]] = list) -> InputsLookup:
    """Return a function that asks the server once for each model's inputs.

    ``inputs``: called instead for the client's own model, when the server does not report its inputs.
    """
    return cache(lambda name, signature: client.inputs(name, signature) or ([] if name else inputs()))


class _Sender:
    """Sends one request at a time, and judges the response."""

    def __init__(self, client: BaseModelServerClient, options: SendOptions, inputs_lookup: InputsLookup) -> None:
        self._client = client
        self._options = options
        self._inputs_lookup = inputs_lookup
        self._declared = cache(self._look_up_declared)

    def send(self, request: Request) -> RequestResult:
        """Make the request's body, if it lacks one, and send the request, or send it twice."""
        if lacks_body(request):
            inputs = self._inputs_lookup(request.model_name, request.signature)
            try:
                request = with_body(request, self._client, inputs)
            except UsageError as error:
                # It never reached the model, so it says nothing about the model.
                return RequestResult(request, failure=request_failure(request, "no-request", str(error)))
        result = self._send(request)
        return self._send_again(result) if self._options.deterministic and result.failure is None else result

    def _send(self, request: Request) -> RequestResult:
        options = self._options
        try:
            response = self._client.send(request.request_body, options.timeout_s, options.largest_bytes)
        except (RequestFailed, RequestTimedOut, ResponseTooLarge) as error:
            return RequestResult(request, failure=request_failure(request, error.failure.code, error.failure.message))
        why = None if request.status else self._client.cannot_ask(response)
        if why:
            return RequestResult(request, failure=request_failure(request, "no-request", why, _NO_WAY_HINT))
        types = self._client.answer_types
        answer, failure = judge_response(request, response, self._volatile(request), types)
        if failure is None or (failure.code == "response-mismatch" and request.expect is not None):
            # It says more than a difference from what was expected.
            failure = self._undeclared(request, answer) or failure
        return RequestResult(request, answer, response.seconds * 1000, failure)

    def _undeclared(self, request: Request, answer: Any) -> Failure | None:
        """Return the failure of an answer that is not as the model's metadata declares it."""
        name = request.model_name
        if request.status or request.version or _says_types(request.expect) or tensors(answer, "outputs") is None:
            return None
        declared, is_batched = self._declared(name, request.signature)
        wrong = wrong_output(request.request_body.body, answer, declared, is_batched)
        if wrong is None:
            return None
        return request_failure(request, "response-mismatch", f"wrong response {wrong}", _DECLARED_HINT)

    def _look_up_declared(self, name: str | None, signature: str | None) -> tuple[list[Tensor], bool]:
        return self._client.outputs(name, signature), bool(self._client.max_batch_size(name))

    def _send_again(self, first: RequestResult) -> RequestResult:
        """Send a request whose first response was correct a second time, and compare both responses."""
        # Once accepted, a request is no longer one that the model perhaps does not take.
        second = self._send(first.request._replace(origin="written"))
        if second.failure:
            text = f"{second.failure.message} (the second time that it was sent; the first response was correct)"
            return first._replace(answer=second.answer, failure=second.failure._replace(message=text))
        failure = compare_repeated(first.request, first.answer, second.answer, self._volatile(first.request))
        return first._replace(failure=failure)

    def _volatile(self, request: Request) -> tuple[str, ...]:
        return self._client.volatile_paths(request.request_body)
