"""Follows a container's log. Memory is bounded, and the log may contain any bytes."""

from __future__ import annotations

import re
import threading
from collections import deque

from ivdocker import clock
from ivdocker.ahead import in_thread
from ivdocker.process.run import Child

HEAD_BYTES = 256 * 1024
TAIL_BYTES = 1024 * 1024
_LINE_BYTES = 4096
_DOCKERS_ERROR = re.compile(r"(?m)^Error(?: response from daemon)?: [^\n]*\n?\Z")


class LogBuffer:
    """Keeps the beginning (256 KiB) and the end (1 MiB) of a log, and counts the bytes left out between them."""

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

    ``ended`` is set when no more output will come: the container has ended, or its log cannot be read.
    ``matched_line`` is the first complete line that ``watch`` matches; ``matched_at`` is when it was seen.
    """

    def __init__(self, child: Child, watch: re.Pattern[bytes] | None = None) -> None:
        self.ended = threading.Event()
        self.matched_line: str | None = None
        self.matched_at = 0.0
        self.returncode: int | None = None
        """The exit code of ``docker logs``, once it has ended by itself."""
        self._child = child
        self._watch = watch
        self._buffer = LogBuffer()
        self._partial = {"stdout": b"", "stderr": b""}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = in_thread(self._follow, "logs")
        if self._thread is None:
            self._child.kill()
            self.ended.set()

    def text(self) -> str:
        """The log so far: stdout and stderr in the order of arrival."""
        with self._lock:
            text = self._buffer.text()
        # What docker says of a container that is gone is not the server's.
        return _DOCKERS_ERROR.sub("", text) if self.returncode else text

    def close(self) -> None:
        """Stop following. The text read so far stays available."""
        self._closing.set()
        if self._thread:
            self._thread.join()

    def _follow(self) -> None:
        try:
            self.returncode = self._child.pump(
                lambda chunk: self._take("stdout", chunk),
                lambda chunk: self._take("stderr", chunk),
                cancel=self._closing,
            )
        except Exception:  # noqa: BLE001  (the log is evidence, never a reason to fail)
            pass
        finally:
            self.ended.set()

    def _take(self, stream: str, chunk: bytes) -> None:
        with self._lock:
            self._buffer.append(chunk)
        if self._watch is not None and self.matched_line is None:
            self._search(stream, chunk)

    def _search(self, stream: str, chunk: bytes) -> None:
        """Search only complete lines, because half a line can hide the cause."""
        whole, newline, partial = (self._partial[stream] + chunk).rpartition(b"\n")
        self._partial[stream] = partial[-_LINE_BYTES:]
        found = self._watch.search(whole + newline) if self._watch else None
        if found is None:
            return
        start = whole.rfind(b"\n", 0, found.start()) + 1
        end = whole.find(b"\n", found.end())
        self.matched_at = clock.monotonic()
        self.matched_line = whole[start : end if end >= 0 else None][:_LINE_BYTES].decode("utf-8", "replace").strip()
