"""A TCP port that leads to another one, with a delay in each direction."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress


class SlowLink:
    """Use it as a context manager. ``port``: where it listens."""

    def __init__(self, port: int, seconds: float) -> None:
        self._target, self._seconds = port, seconds
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> SlowLink:
        self._start(self._accept)
        return self

    def __exit__(self, *_error: object) -> None:
        for each in (self._listening, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in (self._listening, *self._sockets):
            each.close()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [near, far]
                self._join(near, far)
                self._join(far, near)

    def _join(self, source: socket.socket, target: socket.socket) -> None:
        pieces: queue.Queue[tuple[float, bytes]] = queue.Queue()
        self._start(lambda: self._read(source, pieces))
        self._start(lambda: self._write(target, pieces))

    def _read(self, source: socket.socket, pieces: queue.Queue[tuple[float, bytes]]) -> None:
        piece = b"-"
        while piece:
            piece = b""
            with suppress(OSError):
                piece = source.recv(65536)
            pieces.put((time.monotonic() + self._seconds, piece))

    def _write(self, target: socket.socket, pieces: queue.Queue[tuple[float, bytes]]) -> None:
        with suppress(OSError):
            while True:
                due, piece = pieces.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not piece:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(piece)
