"""Starts the watchdog and removes orphans of earlier runs, once for all containers of this process on an engine."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator

from ivdocker import clock
from ivdocker.ahead import Ahead
from ivdocker.container import orphans
from ivdocker.container.orphans import Fate
from ivdocker.container.watchdog import Watchdog
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.parse import Listed
from ivdocker.process.run import Cancelled, ProgramNotFound, ProgramNotStarted

log = logging.getLogger("ivdocker")

_AGAIN_S = 60.0
"""Seconds between two searches for orphans in a process that makes many containers. Orphans are rare: they come from
other processes, and those nearly always clean up."""
_TICK_S = 0.05

Key = tuple[int, str]
"""The pid and the engine's command line. A forked child has its own session."""


class Session:
    """Shared by all containers of this process on one engine. Use :func:`held` to get it.

    The watchdog starts, and docker lists the containers, in the background.
    """

    def __init__(self, engine: Engine, key: Key) -> None:
        self.users = 0
        self._engine = engine
        self.key = key
        self._cancel_listing = threading.Event()
        self._lock = threading.Lock()
        self._no_watchdog: Exception | None = None
        self._watchdog = Ahead(self._start_watchdog, "watchdog")
        self._listing: Ahead[list[tuple[Listed, Fate]]] | None = None if _is_swept(key) else self._list()

    def prepare(self, cancel: threading.Event) -> None:
        """Wait until the watchdog runs and the orphans of earlier runs are removed. Orphans that the engine does not
        list or remove are only logged. ``cancel`` ends the wait. Raises EngineError on a timeout, Cancelled."""
        self._warn_of_no_watchdog()
        with self._lock:
            if _is_swept(self.key):
                return
            listing, self._listing = self._listing or self._list(), None
            self._remove_orphans(listing, cancel)

    def guard_network(self, name: str) -> None:
        """Call this before creating a network: the watchdog removes it if this process is killed."""
        watchdog = self._watchdog.result()
        if watchdog:
            watchdog.network(name)

    def guard_child(self, pid: int) -> contextlib.AbstractContextManager[None]:
        """While the block runs, the watchdog ends the program if this process is killed."""
        watchdog = self._watchdog.result()
        return watchdog.child(pid) if watchdog else contextlib.nullcontext()

    def end(self) -> None:
        """End the watchdog, after the last user has removed everything that it made."""
        self._cancel_listing.set()
        if self._listing:
            self._listing.wait()
        watchdog = self._watchdog.result()
        if watchdog:
            watchdog.end()

    def _start_watchdog(self) -> Watchdog | None:
        try:
            return Watchdog(self._engine)
        except (ProgramNotFound, ProgramNotStarted, OSError) as error:
            self._no_watchdog = error
            return None

    def _warn_of_no_watchdog(self) -> None:
        """Warn once, not before the first container: the application may set up logging late."""
        self._watchdog.wait()
        error, self._no_watchdog = self._no_watchdog, None
        if error:
            log.warning("no watchdog: after a SIGKILL the next run removes what is left (%s)", error)

    def _list(self) -> Ahead[list[tuple[Listed, Fate]]]:
        self._cancel_listing = cancel = threading.Event()
        return Ahead(lambda: orphans.containers(self._engine, cancel), "orphans")

    def _remove_orphans(self, listing: Ahead[list[tuple[Listed, Fate]]], cancel: threading.Event) -> None:
        while not listing.wait(_TICK_S):
            if cancel.is_set():
                self._cancel_listing.set()
        try:
            found = listing.result()
        except EngineError as error:
            if error.kind == "timeout":
                raise
            log.debug("could not list orphans: %s", error)
            return
        for container, fate in found:
            if cancel.is_set():
                raise Cancelled
            if fate == "orphan":
                orphans.remove(self._engine, container)
        _swept[self.key] = clock.Stopwatch()


def hold(engine: Engine) -> Session:
    """Hold the session of this process on the engine, until :func:`release`. It ends with the last holder.

    A holder that never releases it leaves its containers to the watchdog, which removes them when this process ends.
    """
    key = os.getpid(), engine.command_line([])
    with _lock:
        session = _sessions.get(key) or _sessions.setdefault(key, Session(engine, key))
        session.users += 1
    return session


def release(session: Session) -> None:
    """Call this when everything that was made in the session is removed."""
    with _lock:
        session.users -= 1
        is_last = not session.users
        if is_last:
            del _sessions[session.key]
    if is_last:
        session.end()


@contextlib.contextmanager
def held(engine: Engine) -> Iterator[Session]:
    """Hold the session while the block runs."""
    session = hold(engine)
    try:
        yield session
    finally:
        release(session)


_lock = threading.Lock()
_sessions: dict[Key, Session] = {}
_swept: dict[Key, clock.Stopwatch] = {}
"""When the orphans were last removed."""


def _is_swept(key: Key) -> bool:
    return key in _swept and _swept[key].seconds < _AGAIN_S
