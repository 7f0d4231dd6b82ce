"""CSV with a header: each column is an input, each row is a request."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from ivdocker.errors import UsageError
from ivdocker.requests.model import Cell, Request
from ivdocker.requests.read.source import Source, numbered_lines, open_unpacked

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read(source: Source) -> Iterator[Request]:
    """Yield one request per row, which is a batch of one. Raises UsageError, which names the line."""
    with open_unpacked(source) as stream:
        text = (_decode(line, where) for where, line in numbered_lines(stream, source.name))
        rows = csv.reader(text, strict=True)
        names: list[str] = []
        count = 0
        try:
            for row in rows:
                where = f"{source.name}:{rows.line_num}"
                if not row:
                    continue
                if not names:
                    names = _header(row, where)
                    continue
                if len(row) != len(names):
                    raise UsageError(f"{where}: the number of fields is {len(row)}, but the header has {len(names)}")
                count += 1
                yield Request(None, where, values=dict(zip(names, map(Cell, row), strict=True)))
        except csv.Error as error:
            raise UsageError(f"{source.name}:{rows.line_num}: not valid CSV ({error})") from None
        if names and not count:
            raise UsageError(f"{source.name} has a header and no row; write each request as a row below the header")


def _header(row: list[str], where: str) -> list[str]:
    names = [name.strip() for name in row]
    if "" in names:
        raise UsageError(f"{where}: column {names.index('') + 1} of the header has no name; name the input that it is")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{where}: the header names {twice[0]!r} twice; name each input once")
    return names


def _decode(line: bytes, where: str) -> str:
    try:
        return line.removeprefix(_BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{where}: not UTF-8 ({error.reason} at byte {error.start + 1}); save the file as UTF-8"
        ) from None
