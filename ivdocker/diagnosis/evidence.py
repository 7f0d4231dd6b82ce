"""Finds the row of a table that names the cause in a log. Pure: it calls nothing.

The last evidence before the end counts most: an exception that was followed by another one, or by a server at work, was
survived.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from ivdocker.diagnosis.log_lines import RANKS, Line, is_by_shutdown
from ivdocker.servers.base import LogPattern

_AT_WORK = 50
"""So many lines of the level INFO after an exception show that the server went on."""


class Found(NamedTuple):
    """A row, where it matches, and the line's place in the log."""

    row: LogPattern
    match: re.Match[str]
    at: int


def find(rows: Sequence[LogPattern], lines: Sequence[Line], has_ended: bool = True) -> Found | None:
    """The row that names the cause, with its last match: of the rows that name a cause the one that matches last, where
    those that match anywhere count as one row, the first of them; else the first row of the others. First: in the order
    of the table.

    ``has_ended``: whether the log ends with the server; a server that runs may write anything after the cause.
    """
    log = _Log(lines, has_ended)
    found = [match for row in rows if (match := log.last_match(row))]
    named = [each for each in found if each.row.names_cause]
    anywhere = [each for each in named if each.row.position == "line"][:1]
    last = [*anywhere, *(each for each in named if each.row.position != "line")]
    return max(last, key=lambda each: each.at) if last else found[0] if found else None


def last_exception(lines: Sequence[Line]) -> int | None:
    """The place of the exception that most likely ended the server: the last one that is no consequence of the end."""
    found = [at for at, line in enumerate(lines) if line.exception and not is_by_shutdown(line.exception)]
    return found[-1] if found else None


def last_error(lines: Sequence[Line]) -> int | None:
    """The place of the last exception, else of the last line with the level ERROR; None when there is neither."""
    errors = [at for at, line in enumerate(lines) if line.level == "error"]
    at = last_exception(lines)
    return at if at is not None else errors[-1] if errors else None


class _Log:
    """The lines of a log, with what came after each."""

    def __init__(self, lines: Sequence[Line], has_ended: bool) -> None:
        self._lines = lines
        self._raised = list(_chains(lines))
        self._last_at_work = _nth_last(lines, "info", _AT_WORK) if has_ended else -1

    def last_match(self, row: LogPattern) -> Found | None:
        """The last line that the row matches and may match. None: there is none."""
        search, lowest = _compiled(row.pattern).search, RANKS[row.min_level]
        for at in range(len(self._lines) - 1, -1, -1):
            line = self._lines[at]
            match = search(line.text) if line.rank >= lowest else None
            if match is not None and self._counts(row, match, at):
                return Found(row, match, at)
        return None

    def _counts(self, row: LogPattern, match: re.Match[str], at: int) -> bool:
        line = self._lines[at]
        if row.only_after and not self._came_before(at, row.only_after):
            return False
        if row.position == "exception" and not line.exception and match.start() > len(line.text) - len(line.said):
            return False
        return row.position == "line" or (at > self._last_at_work and not self._is_superseded(row, at))

    def _came_before(self, at: int, pattern: str) -> bool:
        search = _compiled(pattern).search
        return any(search(line.said) for line in self._lines[:at])

    def _is_superseded(self, row: LogPattern, at: int) -> bool:
        """Whether a later exception, of another chain, is one that the row does not match."""
        search = _compiled(row.pattern).search
        chain = next((chain for place, chain, _ in self._raised if place >= at), None)
        for place, other, exception in reversed(self._raised):
            if place <= at or other == chain:
                return False
            if not search(exception) and not is_by_shutdown(exception):
                return True
        return False


def _chains(lines: Sequence[Line]) -> Iterator[tuple[int, int, str]]:
    """Of each exception its place, the number of its chain, and its words. Exceptions that were raised while another
    one was handled are of one chain."""
    chain, linked = 0, False
    for at, line in enumerate(lines):
        linked = linked or line.is_chain
        if line.exception:
            chain += not linked
            linked = False
            yield at, chain, line.exception


def _nth_last(lines: Sequence[Line], level: str, count: int) -> int:
    """The place of the ``count``-th last line with this level. -1: there are not so many."""
    places = [at for at, line in enumerate(lines) if line.level == level]
    return places[-count] if len(places) >= count else -1


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
