"""HTTP requests with one deadline for the whole exchange and a limit on the size of the response."""

import json
import socket
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ivdocker import clock
from ivdocker.text import one_line

BODY_LIMIT = 16 * 1024 * 1024
"""The largest response body that is read, in bytes."""


class HttpError(Exception):
    """No complete response came. ``kind``: ``refused``, ``reset``, ``timeout``, ``too-large`` or ``protocol``."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Response(NamedTuple):
    """A complete response. ``seconds``: from connecting to the last byte."""

    status: int
    body: bytes
    seconds: float
    content_type: str = ""

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


def request(
    method: str,
    address: tuple[str, int],
    path: str,
    *,
    deadline: clock.Deadline,
    body: bytes | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    """Send one request to ``address`` (host and port) on a new connection, and return the response.

    The connection is closed afterwards, because Triton's shutdown waits for idle connections. Raises HttpError.
    """
    import http.client  # see load()

    host, port = address
    watch = clock.Stopwatch()
    connection = http.client.HTTPConnection(host, port)
    response: http.client.HTTPResponse | None = None
    try:
        connection.sock = _connect(host, port, deadline)
        connection.request(method, path, body, {**headers, "Connection": "close"})
        response = connection.getresponse()
        content = response.read(BODY_LIMIT + 1)
        if len(content) > BODY_LIMIT:
            raise HttpError("too-large", f"the answer to {method} {path} is larger than {BODY_LIMIT >> 20} MiB")
        if response.length:
            raise HttpError("reset", f"the answer to {method} {path} ended {response.length} bytes short")
    except TimeoutError:
        raise HttpError("timeout", f"no whole answer to {method} {path} in {watch.seconds:.1f} s") from None
    except ConnectionRefusedError:
        raise HttpError("refused", f"connection to {host}:{port} refused") from None
    except (http.client.RemoteDisconnected, http.client.IncompleteRead, ConnectionError) as error:
        raise HttpError("reset", f"{host}:{port} closed the connection ({type(error).__name__})") from None
    except http.client.HTTPException as error:
        said = one_line(str(error))[:100] or type(error).__name__
        raise HttpError("protocol", f"{host}:{port} does not speak HTTP ({said})") from None
    except OSError as error:
        raise HttpError("refused", f"cannot reach {host}:{port}: {error.strerror or error}") from None
    finally:
        if response is not None:
            response.close()
        connection.close()
    return Response(response.status, content, watch.seconds, response.headers.get_content_type())


class _DeadlineSocket(socket.socket):
    """A socket with a deadline for all reads together. The normal socket timeout restarts with every read, so a server
    that sends one byte per second would never reach it."""

    deadline: clock.Deadline

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
