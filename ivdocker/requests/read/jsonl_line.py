"""One request as JSON: either a body alone, or a body with the expected response and with how the body is sent."""

from __future__ import annotations

import json
import math
import os
import re
from typing import Any

from ivdocker.errors import UsageError
from ivdocker.requests.judge.compare import parse_path
from ivdocker.requests.model import Request
from ivdocker.requests.read import body_file

_KEYS = {
    *("request", "file", "expect", "rtol", "atol", "ignore", "status"),
    *("model", "signature", "version", "headers", "content_type"),
}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def request_of(record: Any, where: str, folder: str) -> Request:
    """Return the request that a JSON value describes. Raises UsageError.

    ``folder``: the path in ``file`` is relative to it.
    """
    if not isinstance(record, (dict, list)):
        raise _not_allowed(f"{where}: a request body", "a JSON object", record)
    if not (isinstance(record, dict) and ("request" in record or "file" in record)):
        if isinstance(record, dict) and "expect" in record:
            raise UsageError(f"{where}: 'expect' needs 'request' beside it: {{\"request\": BODY, \"expect\": ANSWER}}")
        return Request(record, where)
    wrapper = "request" if "request" in record else "file"
    unknown = sorted(set(record) - _KEYS)
    if unknown:
        raise UsageError(f"{where}: unknown key {unknown[0]!r} beside {wrapper!r}; known: {', '.join(sorted(_KEYS))}")
    if "request" in record and "file" in record:
        raise UsageError(f"{where}: either 'request' or 'file' can be the body, not both")
    body, content_type, file = _body(record, where, folder)
    return Request(
        body,
        where,
        record.get("expect"),
        _tolerance(record, "rtol", where),
        _tolerance(record, "atol", where),
        content_type=_string(record, "content_type", where) or content_type,
        headers=_headers(record, where),
        model_name=_string(record, "model", where),
        version=_version(record, where),
        signature=_string(record, "signature", where),
        status=_status(record, where),
        ignore=_ignore(record, where),
        file=file,
    )


def _body(record: dict[str, Any], where: str, folder: str) -> tuple[Any, str | None, str | None]:
    """Return the body, its content type and its file; the last two only where the body is a file."""
    if "request" in record:
        return record["request"], None, None
    path = os.path.join(folder, _string(record, "file", where) or "")
    return body_file.read_body(path, where), body_file.content_type(path), path


def _string(record: dict[str, Any], key: str, where: str) -> str | None:
    value = record.get(key)
    if key in record and not (isinstance(value, str) and value and value.isprintable()):
        raise _not_allowed(f"{where}: {key}", "a non-empty string of one line", value)
    return value


def _version(record: dict[str, Any], where: str) -> str | None:
    value = record.get("version")
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    if "version" in record and not (isinstance(value, str) and re.fullmatch(r"[\w.-]+", value)):
        raise _not_allowed(f"{where}: version", "a number or a name", value)
    return value


def _headers(record: dict[str, Any], where: str) -> dict[str, str]:
    headers = record.get("headers", {})
    if not isinstance(headers, dict):
        raise _not_allowed(f"{where}: headers", "a JSON object of names and strings", headers)
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise UsageError(f"{where}: {name!r} is not a valid name of an HTTP header")
        # HTTP allows only these characters. A line break would begin another header.
        if not (isinstance(value, str) and value.isprintable() and value.isascii()):
            raise _not_allowed(f"{where}: header {name}", "an ASCII string of one line", value)
    return headers


def _status(record: dict[str, Any], where: str) -> int | None:
    status = record.get("status")
    if "status" in record and not (type(status) is int and 200 <= status <= 599):
        raise _not_allowed(f"{where}: status", "an HTTP status from 200 to 599", status)
    return status


def _ignore(record: dict[str, Any], where: str) -> tuple[str, ...]:
    paths = record.get("ignore", [])
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise _not_allowed(f"{where}: ignore", "a list of JSON paths", paths)
    for path in paths:
        try:
            parse_path(path)
        except ValueError as error:
            raise UsageError(f"{where}: ignore: {error}") from None
    return tuple(paths)


def _tolerance(record: dict[str, Any], key: str, where: str) -> float | None:
    if key not in record:
        return None
    value = record[key]
    try:
        number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else -1.0
    except OverflowError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise _not_allowed(f"{where}: {key}", "a number of at least 0", value)
    return number


def _not_allowed(what: str, allowed: str, value: Any) -> UsageError:
    return UsageError(f"{what} must be {allowed}, not {json.dumps(value)[:40]}")
