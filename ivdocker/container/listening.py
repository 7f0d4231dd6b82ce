"""Finds out whether the server listens: inside the container, and where its port is published."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable

from ivdocker.engine import proc_net
from ivdocker.engine.client import Engine, EngineError

_CONNECT_S = 1.0
_EXEC_S = 5.0
_REFUSALS = 2
"""How often, with a pause, a server that listens must not be reached before that is believed."""
_NOBODY = (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL)


def hosts(engine: Engine, name: str, port: int) -> list[proc_net.Address] | None:
    """The addresses in the container on which a process listens on the port. None: this cannot be seen, as in an image
    without ``cat``. Costs the engine 0.1 s."""
    table = None
    with contextlib.suppress(EngineError):
        table = engine.exec(name, ["cat", "/proc/net/tcp", "/proc/net/tcp6"], timeout_s=_EXEC_S)
    return None if table is None else [each.address for each in proc_net.listeners(table) if each.port == port]


def refuses(address: str) -> bool:
    """Whether nobody takes connections at ``host:port``. docker's proxy takes them before the server listens."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S):
            return False
    except OSError as error:
        return error.errno in _NOBODY


class Listening:
    """What is known of the server's HTTP port. ``published``: returns where it is published, None while unknown."""

    def __init__(self, engine: Engine, name: str, port: int | None, published: Callable[[], str | None]) -> None:
        self._engine, self._name, self._port, self._published = engine, name, port, published
        self._refusals = 0
        self.loopback_port: int | None = None
        """The HTTP port, if the server listens on it only on the container's loopback address."""
        self.unreachable: tuple[str, int] | None = None
        """Where the HTTP port is published, and the port, if the server listens but is not reached there."""

    @property
    def is_fatal(self) -> bool:
        """Whether nobody can reach the server, however long it is waited for."""
        return self.loopback_port is not None or self.unreachable is not None

    def look(self) -> None:
        """Look for the port's listener, until there is one: a server does not change its address later."""
        port = self._port
        if port is None:
            return
        found = hosts(self._engine, self._name, port)
        if found and all(host.is_loopback for host in found):
            self.loopback_port = port
        if found is None or (found and not self._is_refused(port)):
            self._port = None

    def _is_refused(self, port: int) -> bool:
        """Whether the server must be looked for again, because nobody answers where it is published."""
        address = None if self.loopback_port else self._published()
        if address is None or not refuses(address):
            return False
        self._refusals += 1
        if self._refusals >= _REFUSALS:
            self.unreachable = address, port
        return True
