"""CSV: each row is a request, each column an input. The delimiter and the header are recognised.

The delimiter is a comma, or a semicolon, tab or vertical bar where the first line has these and no comma, except commas
between digits. The first line is a header unless numbers are in it that no header has.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from ivdocker.errors import UsageError
from ivdocker.requests.model import ONLY_INPUT, Cell, Request, Row
from ivdocker.requests.read.source import Source, numbered_lines, open_unpacked

if TYPE_CHECKING:
    import _csv

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_OTHER_DELIMITERS = ";\t|"
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?", re.IGNORECASE)


def read(source: Source, ignored: Sequence[str] = ()) -> Iterator[Request]:
    """Yield one request per row, which is a batch of one. Raises UsageError, which names the line.

    ``ignored``: columns that are not sent, by their names or their numbers from 1.
    """
    with open_unpacked(source) as stream:
        decoded = (_decode(line, where) for where, line in numbered_lines(stream, source.name))
        first, lines = _first_line(decoded)
        rows = csv.reader(lines, delimiter=_delimiter(first), strict=True)
        try:
            yield from _requests(rows, source.name, ignored)
        except csv.Error as error:
            raise UsageError(f"{source.name}:{rows.line_num}: not valid CSV ({error})") from None


def _requests(rows: _csv.Reader, name: str, ignored: Sequence[str]) -> Iterator[Request]:
    columns: _Columns | None = None
    has_row = False
    for row in rows:
        where = f"{name}:{rows.line_num}"
        if not row:
            continue
        if columns is None:
            columns = _columns(row, where, ignored)
            if columns.names is not None:
                continue
        if len(row) != columns.width:
            what = "the header" if columns.names is not None else "the first row"
            raise UsageError(f"{where}: the number of fields is {len(row)}, but {what} has {columns.width}")
        has_row = True
        yield Request(None, where, values=columns.values(row))
    if columns is not None and not has_row:
        raise UsageError(
            f"{name}: no row follows the header; write one below it (if the first line is no header, write the columns'"
            " names above it)"
        )


class _Columns(NamedTuple):
    """The columns of a file.

    ``width``: how many there are. ``names``: None without a header. ``places``: where the columns are that are sent.
    """

    width: int
    names: list[str] | None
    places: list[int]

    def values(self, row: list[str]) -> dict[str, object]:
        if self.names is None:
            return {ONLY_INPUT: Row(Cell(row[place]) for place in self.places)}
        return {self.names[place]: Cell(row[place]) for place in self.places}


def _columns(first: list[str], where: str, ignored: Sequence[str]) -> _Columns:
    """Return the columns, as the first row shows them. Raises UsageError."""
    fields = [field.strip() for field in first]
    names = fields if _is_header(fields) else None
    left_out = {_place(column, names or [], len(fields), where) for column in ignored}
    places = [place for place in range(len(fields)) if place not in left_out]
    if not places:
        raise UsageError(f"{where}: --ignore-columns leaves no column to send")
    if names is not None:
        _check_names([names[place] for place in places], places, where)
    return _Columns(len(fields), names, places)


def _is_header(fields: list[str]) -> bool:
    """Whether these are names: no numbers, or the numbers of columns (0, 1, ...), or whole numbers beside names."""
    numbers = [field for field in fields if _NUMBER.fullmatch(field)]
    if len(numbers) == len(fields) or not any(field for field in fields if field not in numbers):
        return len(fields) > 1 and fields == [str(place) for place in range(len(fields))]
    return all(field.isdigit() for field in numbers)


def _place(column: str, names: list[str], count: int, where: str) -> int:
    """Return the place of an ignored column, which is given by its name or its number. Raises UsageError."""
    if column in names:
        return names.index(column)
    if column.isdecimal() and 0 < int(column) <= count:
        return int(column) - 1
    known = f"columns: {', '.join(names)}" if names else f"it has no header, and {count} columns, numbered from 1"
    raise UsageError(f"{where}: --ignore-columns {column}: there is no such column ({known})")


def _check_names(names: list[str], places: list[int], where: str) -> None:
    if "" in names:
        number = places[names.index("")] + 1
        raise UsageError(
            f"{where}: column {number} of the header has no name; name the input that it is,"
            f" or leave it out with --ignore-columns {number}"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{where}: the header names {twice[0]!r} twice; name each input once")


def _first_line(lines: Iterator[str]) -> tuple[str, Iterable[str]]:
    """Return the first line that is not blank, and all lines."""
    passed: list[str] = []
    for line in lines:
        passed.append(line)
        if line.strip():
            break
    return (passed[-1] if passed else ""), chain(passed, lines)


def _delimiter(first: str) -> str:
    bare = re.sub(r'"[^"]*"', "", first)
    if "," in re.sub(r"(?<=\d),(?=\d)", "", bare):
        return ","
    return next((letter for letter in _OTHER_DELIMITERS if letter in bare.strip(" \r\n")), ",")


def _decode(line: bytes, where: str) -> str:
    try:
        return line.removeprefix(_BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{where}: not UTF-8 ({error.reason} at byte {error.start + 1}); save the file as UTF-8"
        ) from None
