"""Sends requests to a model server and judges the answers."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from ivdocker import http
from ivdocker.errors import Failure, FailureCode, NoRequestPossible, RequestFailed, RequestTimedOut, UsageError
from ivdocker.requests.judge import checks
from ivdocker.requests.judge.compare import first_difference
from ivdocker.requests.make.with_body import lacks_body, with_body
from ivdocker.requests.model import Request
from ivdocker.servers.client import BaseModelServerClient, Tensor, error_text
from ivdocker.text import one_line

_HINTS: dict[str, str] = {
    "request-failed": "try the request by hand on a server that ivdocker serve keeps running",
    "request-timeout": "see in the server's log what it was doing; try the request with ivdocker serve",
    "response-mismatch": "if the answer is right, correct 'expect'; if it is near enough, give the line rtol or atol",
}
_SYNTHESIZED_HINT = "the request was made up: if the model wants particular values, give it such with --requests FILE"
_CONTENT_HINT = "if the model may answer so, say so with 'expect' in a line of a requests file"
_REFERENCE_HINT = (
    "see both answers with -v or --evidence; if they are near enough, give rtol or atol with --requests FILE"
)
_INPUTS_HINT = "give a value of the right type and shape for each of the model's inputs, by its name"
_ERROR_SHOWN = 1000
_DETERMINISTIC_HINT = "if the answers may differ, do without --deterministic; see the model's seeds and dropout"


class RequestResult(NamedTuple):
    """What came of one request; ``failure`` is None when its answer is as it should be."""

    request: Request
    answer: Any = None
    milliseconds: float | None = None
    failure: Failure | None = None

    def as_dict(self) -> dict[str, Any]:
        """For the evidence."""
        return {
            "where": self.request.where,
            "request": self.request.shown,
            "answer": self.answer,
            "milliseconds": self.milliseconds,
            "failure": self.failure.message if self.failure else None,
        }


class RequestStats:
    """What came of all requests."""

    def __init__(self) -> None:
        self.sent = 0
        self.failed = 0
        self.mismatched = 0
        self.milliseconds: list[float] = []
        self.first_failure: Failure | None = None

    def add(self, result: RequestResult) -> None:
        self.sent += 1
        if result.milliseconds is not None:
            self.milliseconds.append(result.milliseconds)
        if result.failure is not None:
            self.first_failure = self.first_failure or result.failure
            if result.failure.code == "response-mismatch":
                self.mismatched += 1
            else:
                self.failed += 1

    def percentile(self, percent: float) -> float | None:
        """Latency in milliseconds by the nearest rank; None before the first answer."""
        ordered = sorted(self.milliseconds)
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else None


class SendOptions(NamedTuple):
    """``deterministic``: each request is sent twice, and counted once; the answers must be equal. ``repeat``: how often
    all of them are sent. ``concurrency``: how many are under way at a time."""

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
    """Send the requests; a failed one does not keep the rest from being sent. ``requests`` is gone through
    once for each round; ``on_result`` is called for each request of the first round, one at a time.

    ``inputs``: tells the model's, where the server does not; asked only when they are needed. When no request can be
    made, that is the failure, unless one that was sent has failed before. Raises what the endpoint's check raises: a
    server that is gone is the verdict; and UsageError when the requests cannot be read any more, or what reads the
    inputs is not installed.
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
    """In the order of the requests; no more of them are read than are under way."""
    if concurrency == 1:
        yield from map(send, requests)
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    with ThreadPoolExecutor(concurrency, thread_name_prefix="ivdocker-query") as pool:
        under_way: deque[Future[RequestResult]] = deque()
        try:
            for request in requests:
                if len(under_way) == concurrency:
                    yield under_way.popleft().result()
                under_way.append(pool.submit(send, request))
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


InputsLookup = Callable[[str | None, str | None], list[Tensor]]
"""A model's inputs by its name and signature; empty where nobody tells them."""


def cached_inputs(client: BaseModelServerClient, inputs: Callable[[], list[Tensor]] = list) -> InputsLookup:
    """Each model's inputs, asked for once; ``inputs`` tells those of the client's own model where it does not."""
    return cache(lambda name, signature: client.inputs(name, signature) or ([] if name else inputs()))


def _make_body_and_send(client: BaseModelServerClient, request: Request, inputs_lookup: InputsLookup) -> RequestResult:
    if not lacks_body(request):
        return _send(client, request)
    inputs = inputs_lookup(request.model_name, request.signature)
    try:
        return _send(client, with_body(request, client, inputs))
    except UsageError as error:
        failure = _failure(request, "request-failed", str(error))._replace(hint=_INPUTS_HINT)
        return RequestResult(request, failure=failure)


def _send(client: BaseModelServerClient, request: Request) -> RequestResult:
    try:
        answer = client.send(request.request_body)
    except (RequestFailed, RequestTimedOut) as error:
        return RequestResult(request, failure=_failure(request, error.failure.code, error.failure.message))
    milliseconds = answer.seconds * 1000
    is_good = answer.status == request.status if request.status else 200 <= answer.status < 300
    if not is_good:
        wanted = f" instead of {request.status}" if request.status else ""
        text = f"HTTP {answer.status}{wanted}: {error_text(answer)}"
        return RequestResult(request, None, milliseconds, _failure(request, "request-failed", text))
    try:
        record = answer.json()
    except ValueError as error:
        if answer.status >= 300 and request.expect is None:
            # An error that was asked for may have any body, or none.
            return RequestResult(request, answer.text[:_ERROR_SHOWN], milliseconds)
        return RequestResult(
            request, None, milliseconds, _failure(request, "request-failed", _describe_non_json(answer, error))
        )
    return RequestResult(
        request, record, milliseconds, _check_answer(request, record, answer.status, client.volatile_paths)
    )


def _send_again(client: BaseModelServerClient, first: RequestResult) -> RequestResult:
    request = first.request
    second = _send(client, request)
    if second.failure:
        failure = second.failure._replace(message=f"{second.failure.message} (sent a second time; the first was right)")
        return first._replace(answer=second.answer, failure=failure)
    one, other, ignore = first.answer, second.answer, (*request.ignore, *client.volatile_paths)
    # Either way round: a further key is a difference too.
    difference = first_difference(one, other, 0, 0, ignore) or first_difference(other, one, 0, 0, ignore)
    if difference is None:
        return first
    text = f"sent twice, it was answered differently {difference}"
    failure = _failure(request, "response-mismatch", text)._replace(hint=_DETERMINISTIC_HINT)
    return first._replace(failure=failure)


def _check_answer(request: Request, record: Any, status: int, volatile_paths: tuple[str, ...] = ()) -> Failure | None:
    error = checks.error_in(request, record) if status < 300 else None
    if error:
        return _failure(request, "request-failed", f"HTTP {status} with an error in it: {error}")
    if request.expect is not None:
        ignore = (*request.ignore, *volatile_paths)
        difference = first_difference(request.expect, record, request.rtol, request.atol, ignore)
        if difference:
            return _failure(request, "response-mismatch", f"wrong answer {difference}")
    wrong = checks.wrong_content(request, record)
    if wrong:
        return _failure(request, "response-mismatch", f"wrong answer {wrong}")._replace(hint=_CONTENT_HINT)
    return None


def _describe_non_json(answer: http.Response, error: ValueError) -> str:
    if not answer.body.strip():
        return f"HTTP {answer.status} with an empty answer"
    # Plain text is also what is said of an answer that bears no type.
    kind = f" ({answer.content_type})" if answer.content_type not in ("", "text/plain") else ""
    why = f", not even UTF-8: {error.reason}" if isinstance(error, UnicodeDecodeError) else ""
    return f"HTTP {answer.status}, and the answer is no JSON{kind}{why}: {one_line(answer.text, 200)!r}"


def _failure(request: Request, code: FailureCode, text: str) -> Failure:
    hint = _HINTS[code]
    if (request.origin, code) == ("synthesized", "request-failed"):
        hint = _SYNTHESIZED_HINT
    elif (request.origin, code) == ("reference", "response-mismatch"):
        hint = _REFERENCE_HINT
    return Failure(code, f"{request.where}: {text}", hint)
