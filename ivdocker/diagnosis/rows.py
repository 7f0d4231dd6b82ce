"""Finds the rows of a table that match a text, and says what a row means."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ivdocker.servers.base import LogPattern
from ivdocker.text import one_line

LINE_LENGTH = 400
"""So many characters of a line are shown."""


def first_match(rows: Sequence[LogPattern], text: str) -> tuple[LogPattern, re.Match[str]] | None:
    """Return the first row, in the order of the table, that matches."""
    for row in rows:
        match = re.search(row.pattern, text, re.IGNORECASE)
        if match:
            return row, match
    return None


def fill_in(row: LogPattern, match: re.Match[str]) -> str:
    """Return the row's message with the texts of the pattern's groups."""
    groups = {name: strip_frame(text or "") for name, text in match.groupdict().items()}
    return row.message.format(**groups)


def strip_frame(text: str) -> str:
    """Return docker's message as one short line, without the words that docker puts around every error."""
    text = re.sub(r"(?ms)^\s*(Usage:.*|(Run|See) '\S+ run --help'.*)", "", text)
    text = re.sub(r"(?m)^\s*((docker|Error response from daemon|Error): )+", "", text)
    return one_line(text, LINE_LENGTH)


def fatal_pattern(log_patterns: Sequence[LogPattern]) -> re.Pattern[bytes] | None:
    """Return one pattern that finds every line that a fatal row matches. None: no row is fatal."""
    patterns = [re.sub(r"\?P<\w+>", "?:", row.pattern) for row in log_patterns if row.fatal]
    # It is searched in many lines at once, and $ in a row means the end of a line.
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns).encode(), re.MULTILINE) if patterns else None
