"""Words for people: texts of bearable length."""

from __future__ import annotations


def shorten(text: str, length: int) -> str:
    """The text, or its first ``length`` characters and dots."""
    return text if len(text) <= length else f"{text[:length]} ..."


def one_line(text: str, length: int | None = None) -> str:
    """The text with every run of white space as one space, shortened to ``length`` characters."""
    line = " ".join(text.split())
    return line if length is None else shorten(line, length)
