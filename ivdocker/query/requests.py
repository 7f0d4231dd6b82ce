"""L3. Reads a requests file: JSON Lines, one request a line."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from ivdocker.errors import UsageError
from ivdocker.serving.client import Message

RTOL = 1e-5
ATOL = 1e-8

_KEYS = {"request", "expect", "rtol", "atol"}


class Request(NamedTuple):
    """A request body, and what its answer must hold. ``where`` is ``FILE:LINE``.

    ``expect`` is None when any answer will do. A number matches within ``atol + rtol * |expected|``.
    ``values``: where there is no body yet, nested lists by input name; the client makes the body of them. The rest is
    as in a :class:`~ivdocker.serving.client.Message`.
    ``origin``: who made it, or else its ``expect``. ``leading``: by output name, the leading dimension that the answer
    must have.
    """

    body: Any
    where: str
    expect: Any = None
    rtol: float = RTOL
    atol: float = ATOL
    values: Mapping[str, Any] | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    model_name: str | None = None
    version: str | None = None
    signature: str | None = None
    origin: Literal["written", "synthesized", "reference"] = "written"
    leading: Mapping[str, int] = MappingProxyType({})

    @property
    def message(self) -> Message:
        return Message(self.body, self.content_type, self.headers, self.model_name, self.version, self.signature)


def load(path: str | os.PathLike[str]) -> list[Request]:
    """The requests of a file. A line is a body, or ``{"request": body, "expect": ..., "rtol": ..., "atol": ...}``;
    blank lines are passed over. Raises UsageError, with the line's number."""
    name = os.fspath(path)
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read requests file {name!r}: {error.strerror}") from None
    lines = enumerate(text.split(b"\n"), 1)
    found = [_request(line, f"{name}:{number}") for number, line in lines if line.strip()]
    if not found:
        raise UsageError(f"requests file {name!r} is empty; write one JSON request body a line")
    return found


def _request(line: bytes, where: str) -> Request:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: no JSON ({error}); one whole JSON request body a line is expected") from None
    if not isinstance(record, (dict, list)):
        raise UsageError(f"{where}: a request body is a JSON object, not {type(record).__name__}")
    if not (isinstance(record, dict) and "request" in record):
        return Request(record, where)
    unknown = sorted(set(record) - _KEYS)
    if unknown:
        raise UsageError(f"{where}: unknown key {unknown[0]!r} beside 'request'; known: {', '.join(sorted(_KEYS))}")
    return Request(
        record["request"],
        where,
        record.get("expect"),
        _tolerance(record, "rtol", RTOL, where),
        _tolerance(record, "atol", ATOL, where),
    )


def _tolerance(record: dict[str, Any], key: str, default: float, where: str) -> float:
    value = record.get(key, default)
    try:
        number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else -1.0
    except OverflowError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise UsageError(f"{where}: {key} must be a number of at least 0, not {json.dumps(value)[:40]}")
    return number
