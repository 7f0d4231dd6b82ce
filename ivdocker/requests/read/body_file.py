"""A file whose bytes are one request body, such as an image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from mimetypes import MimeTypes

from ivdocker.errors import UsageError, os_error_as_usage_error
from ivdocker.requests.model import Request
from ivdocker.requests.read.source import Source, read_piece, read_whole


def read(source: Source) -> Iterator[Request]:
    """Yield one request whose body is the file, or none when the file is empty. Raises UsageError."""
    body = read_whole(source)
    if body:
        yield Request(body, source.name, content_type=content_type(source.name), file=source.path)


def read_body(path: str, where: str) -> bytes:
    """Return the bytes of the file that a line of a requests file names. Raises UsageError, which names the line."""
    if not os.path.isfile(path):
        raise UsageError(f"{where}: no such file: {path!r}; a path is relative to the requests file")
    with os_error_as_usage_error(f"{where}: cannot read the body file {path!r}"), open(path, "rb") as file:
        body = read_piece(file, f"{where}: {path}")
    if not body:
        raise UsageError(f"{where}: the body file {path!r} is empty")
    return body


def content_type(path: str) -> str | None:
    """Return the media type of the file's ending, None for an unknown one.

    Only Python's own table is used, so that the result is the same on every machine.
    """
    return MimeTypes().guess_type(path, strict=False)[0]
