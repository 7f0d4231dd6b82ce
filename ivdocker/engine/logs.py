"""Follows a container's log. Memory is bounded, and the log may contain any bytes."""

from __future__ import annotations

import re
import threading
from collections import deque

from ivdocker import clock
from ivdocker.ahead import in_thread
from ivdocker.process.run import Child
from ivdocker.text import bytes_without_escapes, without_escapes

HEAD_BYTES = 256 * 1024
TAIL_BYTES = 1024 * 1024
LINE_BYTES = 4096
"""So much of a line is searched: what a pattern costs may grow faster than the line."""

_PARTIAL_BYTES = 64 * 1024
"""So much of a line without an end is held back."""
_MATCHES = 20
_OVERLONG = re.compile(rb"(?m)^([^\n]{%d})[^\n]+" % LINE_BYTES)
_DOCKERS_ERROR = re.compile(r"(?m)^Error(?: response from daemon)?: [^\n]*\n?\Z")


class LogBuffer:
    """Keeps the beginning (256 KiB) and the end (1 MiB) of a log, and counts what is left out between them."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._dropped = 0

    def append(self, chunk: bytes) -> None:
        room = HEAD_BYTES - len(self._head)
        self._head += chunk[:room]
        rest = chunk[room:]
        if rest:
            self._tail.append(rest)
            self._tail_size += len(rest)
        while self._tail_size > TAIL_BYTES and len(self._tail) > 1:
            oldest = self._tail.popleft()
            self._tail_size -= len(oldest)
            self._dropped += len(oldest)

    def text(self) -> str:
        gap = f"\n... {self._dropped} bytes left out ...\n".encode() if self._dropped else b""
        return (bytes(self._head) + gap + b"".join(self._tail)).decode("utf-8", "replace")


class LogFollower:
    """Reads ``docker logs --follow`` in a thread until the container ends or :meth:`close` is called.

    ``ended`` is set when no more output will come: the container has ended, or its log cannot be read. ``matches`` are
    the last complete lines that ``watch`` matches, without escape sequences; ``matched_at`` is when the first one was
    seen. ``child`` writes both streams into one pipe: only so is their order that in which the engine got them.
    """

    def __init__(self, child: Child, watch: re.Pattern[bytes] | None = None) -> None:
        self.ended = threading.Event()
        self.matches: tuple[str, ...] = ()
        self.matched_at = 0.0
        self.returncode: int | None = None
        """The exit code of ``docker logs``, once it has ended by itself."""
        self._child = child
        self._watch = watch
        self._buffer = LogBuffer()
        self._partial = b""
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = in_thread(self._follow, "logs")
        if self._thread is None:
            self._child.kill()
            self.ended.set()

    def text(self) -> str:
        """The log so far, without escape sequences: the lines of stdout and stderr in the order of arrival."""
        with self._lock:
            text = self._buffer.text()
            partial = self._partial.decode("utf-8", "replace")
        text = without_escapes(text + partial)
        # What docker says of a container that is gone is not the server's.
        return _DOCKERS_ERROR.sub("", text) if self.returncode else text

    def close(self) -> None:
        """Stop following. The text read so far stays available."""
        self._closing.set()
        if self._thread:
            self._thread.join()

    def _follow(self) -> None:
        try:
            self.returncode = self._child.pump(self._take, self._take, cancel=self._closing)
        except Exception:  # noqa: BLE001  (the log is evidence, never a reason to fail)
            pass
        finally:
            self.ended.set()

    def _take(self, chunk: bytes) -> None:
        whole, newline, partial = (self._partial + chunk).rpartition(b"\n")
        if len(partial) > _PARTIAL_BYTES:
            whole, newline, partial = whole + newline + partial, b"", b""
        with self._lock:
            self._partial = partial
            self._buffer.append(whole + newline)
        # Half a line can hide the cause.
        if self._watch is not None and newline:
            self._search(self._watch, whole)

    def _search(self, watch: re.Pattern[bytes], whole: bytes) -> None:
        text = _OVERLONG.sub(rb"\1", bytes_without_escapes(whole))
        found = [_line_around(text, match).decode("utf-8", "replace").strip() for match in watch.finditer(text)]
        if found:
            self.matched_at = self.matched_at or clock.monotonic()
            self.matches = (*self.matches, *found)[-_MATCHES:]


def _line_around(text: bytes, match: re.Match[bytes]) -> bytes:
    start = text.rfind(b"\n", 0, match.start()) + 1
    end = text.find(b"\n", match.end())
    return text[start : end if end >= 0 else None]
