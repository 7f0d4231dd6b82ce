"""Requests as JSON Lines, or in one JSON file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from ivdocker.errors import UsageError
from ivdocker.requests.model import Request
from ivdocker.requests.read.jsonl_line import request_of
from ivdocker.requests.read.source import Source, numbered_lines, open_unpacked, read_piece


def read_lines(source: Source) -> Iterator[Request]:
    """One request a line; blank lines are passed over. Raises UsageError, with the line's number."""
    folder = os.path.dirname(source.path or "")
    with open_unpacked(source) as stream:
        for where, line in numbered_lines(stream, source.name):
            if line.strip():
                yield request_of(_parse(line, where, "one whole JSON request body a line is expected"), where, folder)


def read_file(source: Source) -> Iterator[Request]:
    """One request, or a list of them. Raises UsageError, with the request's number in the list."""
    with open_unpacked(source) as stream:
        text = read_piece(stream, source.name)
    if not text.strip():
        return
    record = _parse(text, source.name, "a .json file holds one request or a list of them; name JSON Lines .jsonl")
    folder = os.path.dirname(source.path or "")
    if not isinstance(record, list):
        yield request_of(record, source.name, folder)
        return
    for number, each in enumerate(record, 1):
        yield request_of(each, f"{source.name}: request {number}", folder)


def _parse(text: bytes, where: str, expected: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: no JSON ({error}); {expected}") from None
