"""L1. A TCP connection with a deadline over all that is read from it.

A socket's own timeout starts anew with every byte; a server that drips one byte a second would never reach it.
"""

from __future__ import annotations

import socket
from typing import Any

from ivdocker import clock


class _DeadlineSocket(socket.socket):
    deadline: clock.Deadline

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(_seconds(self.deadline))
        return super().recv_into(*args, **kwargs)


def connect(host: str, port: int, deadline: clock.Deadline) -> socket.socket:
    """Raises TimeoutError when the deadline passes, now or while it is read from; OSError."""
    plain = socket.create_connection((host, port), timeout=_seconds(deadline))
    connected = _DeadlineSocket(fileno=plain.detach())
    try:
        connected.deadline = deadline
        connected.settimeout(_seconds(deadline))
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connected.close()
        raise
    return connected


def _seconds(deadline: clock.Deadline) -> float:
    if deadline.expired:
        raise TimeoutError
    return deadline.remaining
