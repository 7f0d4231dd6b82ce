"""Judges a response: its status, whether it is JSON, the errors in it, and its content."""

from __future__ import annotations

from typing import Any

from ivdocker import http
from ivdocker.errors import Failure, FailureCode
from ivdocker.requests.judge import checks, other_answer
from ivdocker.requests.judge.compare import first_difference
from ivdocker.requests.model import Request
from ivdocker.servers.client import error_text
from ivdocker.text import one_line

_HINTS: dict[str, str] = {
    "request-failed": "send the request by hand to a server that 'ivdocker serve' keeps running",
    "request-timeout": (
        "read in the server's log what it was doing, or try the request with 'ivdocker serve'; if it may take that"
        " long, allow more time with --request-timeout"
    ),
    "response-mismatch": "if the response is correct, change 'expect'; if it is close enough, add 'rtol' or 'atol'",
    "response-too-large": "allow more with --max-response-size",
    "no-request": "give a value of the right type and shape for each of the model's inputs, by its name",
}
_HINTS_BY_ORIGIN: dict[tuple[str, str], str] = {
    ("synthesized", "request-failed"): (
        "the request was made up: if the model needs particular values, give requests with --requests FILE"
    ),
    ("reference", "response-mismatch"): (
        "see both responses with -v or --evidence; if they are close enough, add 'rtol' or 'atol' in a requests file"
    ),
}
_UNKNOWN_VALUES_HINT = "give requests with values that the model takes: --requests FILE"
_CONTENT_HINT = "if this response is correct, write it as 'expect' in a line of a requests file"
_EXACT_HINT = "if the response is correct, change 'expect'; if it does not matter, leave it out with 'ignore'"
_DETERMINISTIC_HINT = (
    "if the responses may differ, leave out --deterministic; otherwise check the model's seeds and its dropout"
)
_SHOWN_LENGTH = 1000
"""How many characters of an expected error response are kept when it is not JSON."""


def judge_response(
    request: Request, response: http.Response, volatile_paths: tuple[str, ...] = (), types: tuple[str, ...] = ()
) -> tuple[Any, Failure | None]:
    """Return the response's JSON, and the failure of the request; None when the response is correct.

    ``volatile_paths``: JSON paths that differ in every response of this server. They are not compared. ``types``: the
    content types that the server's responses may have besides JSON; such a response is described as JSON.
    """
    if not _is_wanted_status(request, response.status):
        if _refuses_what_we_made_up(request, response.status):
            text = f"the model takes no such request: HTTP {response.status}: {error_text(response)}"
            return None, request_failure(request, "no-request", text, _UNKNOWN_VALUES_HINT)
        wanted = f" instead of {request.status}" if request.status else ""
        text = f"HTTP {response.status}{wanted}: {error_text(response)}"
        return None, request_failure(request, "request-failed", text)
    try:
        answer = response.json()
    except ValueError as error:
        if response.status >= 300 and request.expect is None:
            # An error that was wanted may have any body, or none.
            return response.text[:_SHOWN_LENGTH], None
        if not (other_answer.is_wanted(request) or other_answer.is_allowed(response, types)):
            return None, request_failure(request, "request-failed", _describe_non_json(response, error))
        answer = other_answer.describe(response)
    expect, found = other_answer.pair(request.expect, answer, response)
    return answer, check_answer(request._replace(expect=expect), found, response.status, volatile_paths)


def check_answer(request: Request, answer: Any, status: int, volatile_paths: tuple[str, ...] = ()) -> Failure | None:
    """Return what is wrong in a response's JSON, None when it is correct."""
    parts = [answer, *other_answer.events_of(answer)] if status < 300 else []
    error = next(filter(None, (checks.error_in(request, part) for part in parts)), None)
    if not error and request.expect is None:
        error = other_answer.error_in(answer)
    if error:
        return request_failure(request, "request-failed", f"HTTP {status}, but the response contains an error: {error}")
    if request.expect is not None:
        ignore = (*request.ignore, *volatile_paths)
        difference = first_difference(request.expect, answer, *request.tolerance, ignore)
        if difference:
            hint = None if "number differs" in difference else _EXACT_HINT
            return request_failure(request, "response-mismatch", f"wrong response {difference}", hint)
    wrong = checks.wrong_content(request, answer)
    if wrong:
        return request_failure(request, "response-mismatch", f"wrong response {wrong}", _CONTENT_HINT)
    return None


def compare_repeated(request: Request, one: Any, other: Any, volatile_paths: tuple[str, ...]) -> Failure | None:
    """Compare the responses to the same request, which was sent twice. Return None when they are equal."""
    ignore = (*request.ignore, *volatile_paths)
    # Compared in both directions, because a key that only one of them has is a difference too.
    difference = first_difference(one, other, 0, 0, ignore) or first_difference(other, one, 0, 0, ignore)
    if difference is None:
        return None
    text = f"the same request got two different responses {difference}"
    return request_failure(request, "response-mismatch", text, _DETERMINISTIC_HINT)


def request_failure(request: Request, code: FailureCode, text: str, hint: str | None = None) -> Failure:
    """Return the failure of this request. ``hint``: what to do; by default it follows from the code and the origin."""
    usual_hint = _HINTS_BY_ORIGIN.get((request.origin, code), _HINTS[code])
    return Failure(code, f"{request.where}: {text}", hint or usual_hint)


def _refuses_what_we_made_up(request: Request, status: int) -> bool:
    """Whether a request that was made up is refused as one that the server or the model does not take."""
    return request.origin == "synthesized" and (400 <= status < 500 or status == 501)


def _is_wanted_status(request: Request, status: int) -> bool:
    return status == request.status if request.status else 200 <= status < 300


def _describe_non_json(response: http.Response, error: ValueError) -> str:
    if not response.body.strip():
        return f"HTTP {response.status}, but the response is empty"
    # text/plain is also the type of a response that names none.
    kind = f" ({response.content_type})" if response.content_type not in ("", "text/plain") else ""
    why = f", and not UTF-8 either ({error.reason})" if isinstance(error, UnicodeDecodeError) else ""
    return f"HTTP {response.status}, but the response is not JSON{kind}{why}: {one_line(response.text, 200)!r}"
