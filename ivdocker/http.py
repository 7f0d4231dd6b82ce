"""HTTP requests with one deadline for the whole exchange and a limit on the size of the response."""

from __future__ import annotations

import contextlib
import json
import select
import socket
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from ivdocker import clock
from ivdocker.text import one_line, size_text

_LOOK_MS = 1
"""Milliseconds in which docker's proxy closes a connection to a port on which nobody listens."""

_HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""A client's first bytes in HTTP/2: the preface, and a frame of no settings."""

_FRAME_HEAD = 9
"""Bytes before each frame of HTTP/2: its length (3), type, flags, and stream (4)."""

BODY_LIMIT = 16 * 1024 * 1024
"""The largest response body that is read by default, in bytes."""


class HttpError(Exception):
    """No complete response came. ``kind``: ``refused``, ``reset``, ``timeout``, ``too-large``, ``protocol`` or
    ``http2`` (the server speaks HTTP/2 alone, as gRPC does)."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Response(NamedTuple):
    """A complete response. ``seconds``: from connecting to the last byte. ``content_type``: without parameters, and
    empty for a response that names none. ``location``: where a redirect leads."""

    status: int
    body: bytes
    seconds: float
    content_type: str = ""
    location: str = ""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. NaN and Infinity are allowed: model servers write them. Raises ValueError."""
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def load() -> None:
    """Import what :func:`request` needs. That takes 30 ms, and nobody waits for it beside docker run."""
    import encodings.idna  # noqa: F401  (getaddrinfo's, for any host)
    import http.client  # noqa: F401


class Limits(NamedTuple):
    """``largest_bytes``: the largest response body that is read; None means BODY_LIMIT."""

    deadline: clock.Deadline
    largest_bytes: int | None = None


def request(
    method: str,
    address: tuple[str, int],
    path: str,
    *,
    deadline: clock.Deadline | Limits,
    body: bytes | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    """Send one request to ``address`` (host and port) on a new connection, and return the response.

    The connection is closed afterwards, because Triton's shutdown waits for idle connections. Raises HttpError.
    """
    watch, limits = clock.Stopwatch(), deadline if isinstance(deadline, Limits) else Limits(deadline)
    with _http_errors(address, f"{method} {path}", watch), _connect(*address, limits.deadline) as sock:
        return _exchange(sock, address, (method, path, body, headers), watch, limits.largest_bytes)


def probe(address: tuple[str, int], path: str, *, deadline: clock.Deadline) -> Response:
    """A GET of a server that perhaps does not listen yet: it takes two thirds of a :func:`request`'s CPU time
    while the server does not.

    docker's proxy accepts a connection though nobody listens, and closes it at once; that is looked for first. Raises
    HttpError.
    """
    watch = clock.Stopwatch()
    with _http_errors(address, f"GET {path}", watch), _connect(*address, deadline) as sock:
        look = select.poll()
        look.register(sock, select.POLLIN)
        if look.poll(_LOOK_MS) and not sock.recv(1, socket.MSG_PEEK):
            raise ConnectionResetError
        return _exchange(sock, address, ("GET", path, None, {}), watch)


def _exchange(
    sock: socket.socket,
    address: tuple[str, int],
    words: tuple[str, str, bytes | None, Mapping[str, str]],
    watch: clock.Stopwatch,
    largest_bytes: int | None = None,
) -> Response:
    import http.client  # see load()

    method, path, body, headers = words
    connection = http.client.HTTPConnection(*address)
    connection.response_class = _final_response_class()
    connection.sock = sock
    connection.request(method, path, body, {**headers, "Connection": "close"})
    _refuse_http2(sock, address)
    with connection.getresponse() as response:
        largest = BODY_LIMIT if largest_bytes is None else largest_bytes
        content = response.read(largest + 1)
        if len(content) > largest:
            raise HttpError("too-large", f"the answer to {method} {path} is larger than {size_text(largest)}")
        if response.length:
            raise HttpError("reset", f"the answer to {method} {path} ended {response.length} bytes short")
        kind = response.headers.get_content_type() if response.headers.get("Content-Type") else ""
        return Response(response.status, content, watch.seconds, kind, response.headers.get("Location", ""))


@cache
def _final_response_class() -> Any:
    """http.client's class of responses, which skips 100 Continue, made to skip 103 Early Hints and the like too."""
    import http.client

    class FinalResponse(http.client.HTTPResponse):
        def _read_status(self) -> tuple[str, int, str]:
            while True:
                version, status, reason = super()._read_status()  # type: ignore[misc]
                if not http.client.SWITCHING_PROTOCOLS < status < http.client.OK:
                    return version, status, reason
                http.client.parse_headers(self.fp)

    return FinalResponse


def speaks_http2(address: tuple[str, int], *, deadline: clock.Deadline) -> bool:
    """Whether the server answers the greeting of HTTP/2: some say nothing at all to any other."""
    try:
        with _connect(*address, deadline) as sock:
            sock.sendall(_HTTP2_GREETING)
            return _begins_as_http2(sock)
    except OSError:
        return False


def _refuse_http2(sock: socket.socket, address: tuple[str, int]) -> None:
    """Raises HttpError once the server has begun to answer in HTTP/2. Nothing more may come, and no end either."""
    if sock.recv(1, socket.MSG_PEEK) == b"\0" and _begins_as_http2(sock):
        host, port = address
        raise HttpError("http2", f"{host}:{port} speaks HTTP/2, as gRPC does, and not HTTP/1.1")


def _begins_as_http2(sock: socket.socket) -> bool:
    """Whether the first thing that comes is a frame of HTTP/2 about the connection itself: SETTINGS or GOAWAY."""
    head = b""
    while len(head) < _FRAME_HEAD and (chunk := sock.recv(_FRAME_HEAD - len(head))):
        head += chunk
    length, kind, stream = head[:3], head[3:4], head[5:]
    return length[:1] == b"\0" and kind in (b"\4", b"\7") and stream in (bytes(4), b"\x80\0\0\0")


@contextlib.contextmanager
def _http_errors(address: tuple[str, int], request: str, watch: clock.Stopwatch) -> Iterator[None]:
    """Raises HttpError for whatever goes wrong in the block."""
    import http.client  # see load()

    host, port = address
    try:
        yield
    except TimeoutError:
        raise HttpError("timeout", f"no whole answer to {request} in {watch.seconds:.1f} s") from None
    except ConnectionRefusedError:
        raise HttpError("refused", f"connection to {host}:{port} refused") from None
    except (http.client.RemoteDisconnected, http.client.IncompleteRead, ConnectionError) as error:
        raise HttpError("reset", f"{host}:{port} closed the connection ({type(error).__name__})") from None
    except http.client.HTTPException as error:
        said = one_line(str(error))[:100] or type(error).__name__
        raise HttpError("protocol", f"{host}:{port} does not speak HTTP ({said})") from None
    except OSError as error:
        raise HttpError("refused", f"cannot reach {host}:{port}: {error.strerror or error}") from None


class _DeadlineSocket(socket.socket):
    """A socket with a deadline for all reads together. The normal socket timeout restarts with every read, so a server
    that sends one byte per second would never reach it."""

    deadline: clock.Deadline

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        self.settimeout(_seconds_left(self.deadline))
        return super().recv(*args, **kwargs)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(_seconds_left(self.deadline))
        return super().recv_into(*args, **kwargs)


def _connect(host: str, port: int, deadline: clock.Deadline) -> socket.socket:
    """Connect. Raises OSError, and TimeoutError when the deadline passes (also during later reads)."""
    plain = socket.create_connection((host, port), timeout=_seconds_left(deadline))
    connected = _DeadlineSocket(fileno=plain.detach())
    try:
        connected.deadline = deadline
        connected.settimeout(_seconds_left(deadline))
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connected.close()
        raise
    return connected


def _seconds_left(deadline: clock.Deadline) -> float:
    if deadline.expired:
        raise TimeoutError
    return deadline.remaining
