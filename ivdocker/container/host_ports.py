"""The server's ports in the host's network, where any process may listen: whose are they?"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from ivdocker.engine import proc_net
from ivdocker.engine.parse import ContainerState
from ivdocker.process import tree

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def taken(ports: Iterable[int]) -> int | None:
    """The first of these ports on which a process of this machine listens. None: none, or this cannot be seen here."""
    listening = {each.port for each in _listeners()}
    return next((port for port in ports if port in listening), None)


def strange(ports: Iterable[int], state: ContainerState) -> int | None:
    """The first of these ports on which a process listens that is not of the container. None also if the processes
    cannot be seen: those of another user, or of an engine that is not on this machine."""
    wanted = set(ports)
    listening = [each for each in _listeners() if each.port in wanted]
    if not listening or not tree.is_of_container(state.pid, state.id):
        return None
    held = _sockets(tree.processes_of(state.pid))
    return next((each.port for each in listening if each.inode not in held), None) if held is not None else None


def _listeners() -> list[proc_net.Listener]:
    found = []
    for table in _TABLES:
        with contextlib.suppress(OSError), open(table, encoding="ascii", errors="replace") as file:
            found += proc_net.listeners(file.read())
    return found


def _sockets(pids: Iterable[int]) -> set[str] | None:
    """The inodes of the sockets that the processes hold. None if those of a process cannot be read."""
    held: set[str] = set()
    for pid in pids:
        try:
            names = os.listdir(f"/proc/{pid}/fd")
        except FileNotFoundError:
            continue
        except PermissionError:
            return None
        for name in names:
            with contextlib.suppress(OSError):
                kind, _, inode = os.readlink(f"/proc/{pid}/fd/{name}").partition(":")
                held |= {inode.strip("[]")} if kind == "socket" else set()
    return held
