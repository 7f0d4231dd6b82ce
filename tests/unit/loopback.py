"""Servers on 127.0.0.1, in this process: one that misbehaves as a test says, one that plays a model server."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Talk = Callable[[socket.socket, threading.Event], None]


@contextmanager
def talking(talk: Talk) -> Iterator[int]:
    """A port on which every connection is handed to ``talk``, with an event that is set when the test is over."""
    over = threading.Event()
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while not over.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connections.append(connection)
                with contextlib.suppress(OSError):
                    talk(connection, over)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in connections:
                connection.close()


def read_request(connection: socket.socket) -> bytes:
    """The request's head."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            break
        data += chunk
    return data


def free_port() -> int:
    """A port that refuses: nobody listens on it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class ModelServer:
    """Answers by method and path; the last answer of a list stays. ``otherwise`` is the answer on any other path."""

    port: int = 0
    answers: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    seen: list[tuple[str, bytes]] = field(default_factory=list)
    otherwise: tuple[int, bytes] = (404, b'{"error": "not found"}')

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def on(self, request: str, body: Any, status: int = 200) -> ModelServer:
        """``request`` is like ``GET /v1/models/m``; a body that is no bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.setdefault(request, []).append((status, content))
        return self

    def answer(self, request: str, body: bytes) -> tuple[int, bytes]:
        self.seen.append((request, body))
        waiting = self.answers.get(request, [self.otherwise])
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


@contextmanager
def model_server() -> Iterator[ModelServer]:
    played = ModelServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply("GET")

        def do_POST(self) -> None:
            self._reply("POST")

        def _reply(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = played.answer(f"{method} {self.path}", body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if status in range(300, 400):
                self.send_header("Location", content.decode())
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        played.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield played
        finally:
            server.shutdown()
            thread.join(5)
