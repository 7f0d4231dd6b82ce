"""Finds the errors that a server's log reports. Pure: it reads no files and calls nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ivdocker.engine.logs import LINE_BYTES
from ivdocker.text import shorten, without_escapes

_ERROR = r"""(?x)
    ^[EF]\d{4}[ ]                                  # glog, as Triton writes it: E1122 10:11:12.131415 1 model.cc:1] ...
    | ^\S{1,40}[ ]\S{1,40}:[ ][EF][ ]              # TensorFlow: 2026-11-22 10:11:12.131415: E tensorflow/core/...
    | \b(?:ERROR|CRITICAL|FATAL)\b                 # Python's and Java's loggers
    | \[(?:error|crit|alert|emerg)\]               # nginx
    | "(?:level|severity)":[ ]?"(?:error|critical|fatal)"
    """
_TRACEBACK = re.compile(r"Traceback \(most recent call last\)")
_CHAINED = re.compile(r"During handling of the above exception|The above exception was the direct cause")
_ANNOUNCES = re.compile(r"\b(?:ERROR|CRITICAL|FATAL)\b")
"""How Python's loggers begin an error whose traceback follows."""
_PLACE = re.compile(r"^.{0,100}?\[[\w./-]{1,80}:\d+\]")
"""Where a line was logged; vLLM logs each line of a traceback from the same place."""

_SHOWN = 300


class _Error:
    """An error, with all lines that belong to it."""

    def __init__(self, line: str) -> None:
        self.lines = [line]
        place = _PLACE.match(line)
        self.place = place[0].partition("[")[2] if place else None
        self.in_traceback = _TRACEBACK.search(line) is not None
        self.announces = not self.in_traceback and _ANNOUNCES.search(line) is not None
        """Whether a traceback may follow."""

    def __str__(self) -> str:
        """The last line of its traceback says most, and its first line where it was logged."""
        parts = dict.fromkeys(line.strip() for line in (self.lines[0], self.lines[-1]) if not _TRACEBACK.match(line))
        return shorten(" ".join(parts) or self.lines[0], _SHOWN)


def find(log: str, ignore: Sequence[str] = ()) -> list[str]:
    """Return the errors of the log, each in one line. A traceback is one error, also with the line that announces it.

    ``ignore``: regular expressions; an error with a line that one of them matches is left out.
    """
    known = [re.compile(pattern).search for pattern in ignore]
    return [
        str(error)
        for error in _errors(without_escapes(log).splitlines())
        if not any(search(line) for search in known for line in error.lines)
    ]


def _errors(lines: Sequence[str]) -> Iterator[_Error]:
    is_error, last = re.compile(_ERROR).search, None
    for whole in lines:
        line = whole[:LINE_BYTES].rstrip()
        if not line:
            continue
        if last and _belongs(last, line):
            last.lines.append(line)
            continue
        if last:
            yield last
        last = None
        if _TRACEBACK.match(line) or is_error(line):
            last = _Error(line)
    if last:
        yield last


def _belongs(error: _Error, line: str) -> bool:
    """Whether a line is the next one of this error."""
    if (error.announces and _TRACEBACK.match(line)) or (not error.announces and _CHAINED.match(line)):
        error.in_traceback, error.announces = True, False
        return True
    if error.place and f"[{error.place}" in line[:200]:
        return True
    belongs = error.in_traceback
    error.in_traceback = belongs and (_TRACEBACK.match(line) is not None or line.startswith((" ", "\t")))
    return belongs
