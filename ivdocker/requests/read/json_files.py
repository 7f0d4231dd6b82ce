"""Requests as JSON Lines, or in one JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ivdocker.errors import UsageError
from ivdocker.requests.model import Request
from ivdocker.requests.read.jsonl_line import request_of
from ivdocker.requests.read.source import Source, numbered_lines, open_unpacked, read_whole


def read_lines(source: Source) -> Iterator[Request]:
    """Yield one request per line; blank lines are skipped. Raises UsageError, which names the line."""
    with open_unpacked(source) as stream:
        for where, line in numbered_lines(stream, source.name):
            if line.strip():
                record = _parse(line, where, "each line must be one whole JSON request body")
                yield request_of(record, where, source.folder)


def read_file(source: Source) -> Iterator[Request]:
    """Yield the one request of a JSON file, or each request of its list.

    Raises UsageError, which names the request's number in the list.
    """
    text = read_whole(source)
    if not text.strip():
        return
    expected = "a .json file holds one request or a list of requests; for JSON Lines, use the ending .jsonl"
    record = _parse(text, source.name, expected)
    if not isinstance(record, list):
        yield request_of(record, source.name, source.folder)
        return
    for number, each in enumerate(record, 1):
        yield request_of(each, f"{source.name}: request {number}", source.folder)


def _parse(text: bytes, where: str, expected: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: not valid JSON ({error}); {expected}") from None
