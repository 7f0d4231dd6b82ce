"""Formats text for people, and reads sizes and ages that people write."""

from __future__ import annotations

import re

_ESCAPES = (
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours and movements of the cursor
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # titles, links, the clipboard: a string up to its end
    r"|\x1b[ -/]*[0-~]?"  # any other sequence, and one that was cut off
)
_ESCAPE, _ESCAPE_BYTES = re.compile(_ESCAPES), re.compile(_ESCAPES.encode())


def without_escapes(text: str) -> str:
    """The text without a terminal's escape sequences: they hide words from a search, and control a terminal."""
    return _ESCAPE.sub("", text) if "\x1b" in text else text


def bytes_without_escapes(text: bytes) -> bytes:
    """As :func:`without_escapes`, for bytes."""
    return _ESCAPE_BYTES.sub(b"", text) if b"\x1b" in text else text


def shorten(text: str, length: int) -> str:
    """The text, cut to ``length`` characters and `` ...`` if it is longer."""
    return text if len(text) <= length else f"{text[:length]} ..."


def one_line(text: str, length: int | None = None) -> str:
    """The text with every run of white space replaced by one space, cut to ``length`` characters (None: not cut)."""
    line = " ".join(text.split())
    return line if length is None else shorten(line, length)


def plural(count: int, noun: str) -> str:
    """``1 request``, ``2 requests``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def parse_size(text: str) -> int:
    """Read a size in docker's notation (``512m``, ``2g``, ``1.5GB``; powers of 1024) as bytes. Raises ValueError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?", text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is not a size; write it as docker does: 512m, 2g")
    return int(float(match[1]) * 1024 ** "bkmgt".index(match[2] or "b"))


def size_text(size_bytes: int) -> str:
    """``16 MiB``, or ``1000 bytes`` for a size that is no whole number of mebibytes."""
    return f"{size_bytes >> 20} MiB" if size_bytes and size_bytes % (1 << 20) == 0 else f"{size_bytes} bytes"


def parse_age(text: str) -> int:
    """Read a time such as ``90s``, ``30m``, ``2h`` or ``7d`` as seconds. Raises ValueError."""
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise ValueError(f"{text!r} is not a time; give a number and a unit, such as 90s, 30m, 2h or 7d")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
