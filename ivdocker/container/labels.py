"""Names and labels. They are chosen before a container exists, so it can always be found and removed."""

from __future__ import annotations

import os

from ivdocker import clock
from ivdocker.process.tree import this_process

PREFIX = "ivdocker."
"""Begins the name of every label of ours."""
SESSION = "ivdocker.session"
OWNER_PID = "ivdocker.owner-pid"
OWNER_STARTED = "ivdocker.owner-started"
OWNER_HOST = "ivdocker.owner-host"
OWNER_BOOT = "ivdocker.owner-boot"
"""The boot of the host and the pid namespace, as ``boot/namespace``."""
OWNER_CONTAINER = "ivdocker.owner-container"
"""The ID of the container in which the owner runs itself, if the engine knows it: the owner ends with it."""
CREATED = "ivdocker.created"
"""Seconds since the epoch."""
NETWORK = "ivdocker.network"
"""Present on a container that has its own network, with the same name."""
KEEP = "ivdocker.keep"
"""Present on a container that --keep may leave in place."""

_sessions: dict[int, str] = {}


def session_id() -> str:
    """The session ID of this process. A forked child has its own."""
    return _sessions.setdefault(os.getpid(), os.urandom(6).hex())


def new_name() -> str:
    """A container name that no other run uses."""
    return f"ivdocker-{session_id()}-{os.urandom(3).hex()}"


def of_this_process(inside: str | None, keep: bool = False, network: bool = False) -> dict[str, str]:
    """The labels of a container: its owner (this process, which runs in the container ``inside``, or in none), whether
    --keep may leave it in place, and whether it has its own network."""
    owner = this_process()
    return {
        SESSION: session_id(),
        OWNER_PID: str(owner.pid),
        OWNER_STARTED: owner.started,
        OWNER_HOST: owner.host,
        OWNER_BOOT: f"{owner.boot}/{owner.namespace}",
        CREATED: f"{clock.utc():.0f}",
        **({OWNER_CONTAINER: inside} if inside else {}),
        **({KEEP: "true"} if keep else {}),
        **({NETWORK: "true"} if network else {}),
    }
