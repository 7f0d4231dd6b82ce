"""Answers that are not JSON: text, tables, images, streams of events. Pure: it reads and sends nothing."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ivdocker import http
from ivdocker.requests.model import Request

_STREAM = "text/event-stream"
_LINES = ("application/x-ndjson", "application/jsonl", "application/jsonlines", "application/x-jsonlines")
_TABLES = ("text/csv", "text/tab-separated-values")
_IS_TEXT = re.compile(r"text/.*|.*[/+](xml|yaml|csv)")
_IS_PAGE = re.compile(r"\s*<(!doctype|html)\b", re.IGNORECASE)
_IS_JSON = re.compile(r"application/json|.*\+json")
_SAYS_ERROR = re.compile(
    r"\s*(Traceback \(most recent call last\)|(internal server )?error\b|([A-Za-z_]\w*\.)*\w*(error|exception): "
    r"|5\d\d (internal server error|bad gateway|service unavailable|gateway time-?out)|upstream connect error)",
    re.IGNORECASE,
)


def is_wanted(request: Request) -> bool:
    """Whether the request expects an answer that need not be JSON: a text, or a content type."""
    return isinstance(request.expect, str) or (isinstance(request.expect, dict) and "content_type" in request.expect)


def is_allowed(response: http.Response, types: Sequence[str]) -> bool:
    """Whether the answer is of one of these types, which end with ``/`` where they stand for a family.

    A page in HTML is never allowed: it is what a server says that does not serve the model. The empty type stands for
    an answer that names none.
    """
    kind = response.content_type
    if not response.body.strip() or kind == "text/html" or _IS_JSON.fullmatch(kind) or _IS_PAGE.match(response.text):
        return False
    return any(kind.startswith(each) if each.endswith("/") else kind == each for each in types)


def describe(response: http.Response) -> dict[str, Any]:
    """Return the answer as JSON: ``content_type``, and ``text``, ``rows`` (of a table), ``events`` (of a stream), or
    ``bytes`` (their number) and ``sha256``."""
    return {"content_type": response.content_type, **_content(response.content_type, response.body)}


def _content(kind: str, body: bytes) -> dict[str, Any]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    if kind == _STREAM:
        return {"events": list(_events(text))}
    if kind in _LINES:
        return {"events": [_value(line) for line in text.splitlines() if line.strip()]}
    if kind in _TABLES:
        return {"rows": _rows(text, kind)}
    if kind and not _IS_TEXT.fullmatch(kind):
        return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    return {"text": text.strip()}


def _rows(text: str, kind: str) -> list[list[Any]]:
    delimiter = "\t" if kind == _TABLES[1] else ","
    return [[_number(field) for field in row] for row in csv.reader(text.splitlines(), delimiter=delimiter) if row]


def _number(field: str) -> Any:
    try:
        return float(field)
    except ValueError:
        return field


def _events(text: str) -> Iterator[Any]:
    """Yield the data of each event of a stream, as JSON where it is some."""
    for block in re.split(r"\r?\n\r?\n", text):
        fields = [line.partition(":") for line in block.splitlines()]
        data = "\n".join(value.removeprefix(" ") for name, _, value in fields if name == "data")
        if ("event", "error") in [(name, value.strip()) for name, _, value in fields]:
            yield {"error": data or "an event 'error' without data"}
        elif data:
            yield _value(data)


def _value(text: str) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return text


def error_in(answer: Any) -> str | None:
    """Return the text of an answer that looks like an error, None for any other."""
    text = answer.get("text") if isinstance(answer, dict) and "content_type" in answer else None
    return text if isinstance(text, str) and _SAYS_ERROR.match(text) else None


def events_of(answer: Any) -> list[Any]:
    """Return the events of a stream, and an empty list for any other answer."""
    events = answer.get("events") if isinstance(answer, dict) and "content_type" in answer else None
    return events if isinstance(events, list) else []


def pair(expect: Any, answer: Any, response: http.Response) -> tuple[Any, Any]:
    """Return what is expected and the answer in the same form, where a text or a content type is expected."""
    kind = response.content_type
    if isinstance(expect, str) and not isinstance(answer, str):
        found = answer if _is_described(answer, kind) else {"text": response.text.strip()}
        return (_content(kind, expect.encode()) if "rows" in found else {"text": expect.strip()}), found
    if isinstance(expect, dict) and "content_type" in expect and not _is_described(answer, kind):
        return expect, {"content_type": kind, **(answer if isinstance(answer, dict) else {"text": response.text})}
    return expect, answer


def _is_described(answer: Any, kind: str) -> bool:
    return isinstance(answer, Mapping) and answer.get("content_type") == kind
