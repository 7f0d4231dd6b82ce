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


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgtp])i?b?|(b))?", re.IGNORECASE)
_CPUS = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(m?)")


def parse_size(text: str) -> int:
    """Read a size in docker's notation (``512m``, ``2g``, ``1.5GB``) or Kubernetes' (``512Mi``, ``2Gi``) as bytes.

    All are powers of 1024, as docker counts. Raises ValueError.
    """
    number, unit = _size(text)
    return int(float(number) * 1024 ** "bkmgtp".index(unit or "b"))


def docker_size(text: str) -> str:
    """The same size as docker and podman write it: ``2Gi`` is ``2g``. Raises ValueError, also for 0: to docker that is
    no limit."""
    if not parse_size(text):
        raise ValueError(
            f"{text!r} would be no limit; leave the option out for that, or write a size such as 512m or 2g"
        )
    return "".join(_size(text))


def docker_cpus(text: str) -> str:
    """Read a number of CPUs as docker writes it (``1.5``) or Kubernetes (``1500m``). Returns docker's notation. Raises
    ValueError, also for 0: to docker that is no limit."""
    match = _CPUS.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a number of CPUs; write 2, 1.5 or 500m")
    count = float(match[1]) / (1000 if match[2] else 1)
    if not count:
        raise ValueError(f"{text!r} would be no limit; leave the option out for that, or write 2, 1.5 or 500m")
    return f"{count:g}" if match[2] else match[1]


def _size(text: str) -> tuple[str, str]:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"{text!r} is not a size; write it as docker does (512m, 2g) or as Kubernetes does (512Mi, 2Gi)"
        )
    return match[1], (match[2] or match[3] or "").lower()


def size_text(size_bytes: int) -> str:
    """``16 MiB``, or ``1000 bytes`` for a size that is no whole number of mebibytes."""
    return f"{size_bytes >> 20} MiB" if size_bytes and size_bytes % (1 << 20) == 0 else f"{size_bytes} bytes"


def parse_age(text: str) -> int:
    """Read a time such as ``90s``, ``30m``, ``2h`` or ``7d`` as seconds. Raises ValueError."""
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise ValueError(f"{text!r} is not a time; give a number and a unit, such as 90s, 30m, 2h or 7d")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
