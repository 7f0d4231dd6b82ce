"""A file that is a request body as it stands, such as an image."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ivdocker.errors import UsageError
from ivdocker.requests.model import Request
from ivdocker.requests.read.source import PIECE_LIMIT, Source, open_unpacked, read_piece, too_long


def read(source: Source) -> Iterator[Request]:
    """One request. Raises UsageError."""
    with open_unpacked(source) as stream:
        body = read_piece(stream, source.name)
    if body:
        yield Request(body, source.name, content_type=content_type(source.name), file=source.path)


def content(path: str, where: str) -> bytes:
    """Raises UsageError, which names the place that named the file."""
    if not os.path.isfile(path):
        raise UsageError(f"{where}: no such file: {path!r}; a path is relative to the requests file")
    try:
        with open(path, "rb") as file:
            body = file.read(PIECE_LIMIT + 1)
    except OSError as error:
        raise UsageError(f"{where}: cannot read the body's file {path!r}: {error.strerror}") from None
    if len(body) > PIECE_LIMIT:
        raise too_long(f"{where}: {path}")
    if not body:
        raise UsageError(f"{where}: the body's file {path!r} is empty")
    return body


def content_type(path: str) -> str | None:
    """The media type that goes with the file's ending, by Python's own table and not this machine's."""
    from mimetypes import MimeTypes

    return MimeTypes().guess_type(path, strict=False)[0]
