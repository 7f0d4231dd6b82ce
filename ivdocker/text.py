"""Text for people and from people: shortened, counted, and read as a size or an age."""

from __future__ import annotations

import re


def shorten(text: str, length: int) -> str:
    """The text, or its first ``length`` characters and dots."""
    return text if len(text) <= length else f"{text[:length]} ..."


def one_line(text: str, length: int | None = None) -> str:
    """The text with every run of white space as one space, shortened to ``length`` characters."""
    line = " ".join(text.split())
    return line if length is None else shorten(line, length)


def plural(count: int, noun: str) -> str:
    """``1 request``, ``2 requests``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def parse_size(text: str) -> int:
    """Bytes of a size as docker writes it: ``512m``, ``2g``, ``1.5GB``; units are powers of 1024. Raises ValueError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?", text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is not a size; write it as docker does: 512m, 2g")
    return int(float(match[1]) * 1024 ** "bkmgt".index(match[2] or "b"))


def parse_age(text: str) -> int:
    """Seconds of a time such as ``90s``, ``30m``, ``2h``, ``7d``. Raises ValueError."""
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise ValueError(f"{text!r} is not a time; give a number and a unit, such as 90s, 30m, 2h or 7d")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
