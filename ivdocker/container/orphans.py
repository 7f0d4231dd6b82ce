"""Finds and removes the containers whose owner is gone: what a power cut or a killed watchdog left."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping
from typing import Literal

from ivdocker import clock
from ivdocker.container import labels
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.parse import Listed
from ivdocker.process import tree
from ivdocker.process.run import Call, Cancelled

log = logging.getLogger("ivdocker")

_AGAIN_S = 60.0
"""Seconds after which a process that makes one container after another looks for orphans again."""

_REMOVE_S = 10.0
"""Seconds that the removal of an orphan may take; a run waits for it."""

Fate = Literal["owned", "orphan", "kept", "unknown"]
"""``owned``: its owner lives; ``orphan``: its owner is gone; ``kept``: left on purpose, with --keep, and its owner is
gone; ``unknown``: its owner is on another machine, or its labels do not tell."""


def fate(found: Mapping[str, str], engine_is_local: bool) -> Fate:
    """What became of the owner that a container's labels name."""
    me = tree.this_process()
    boot, _, namespace = found.get(labels.OWNER_BOOT, "").partition("/")
    pid = found.get(labels.OWNER_PID, "")
    gone: Fate = "kept" if found.get(labels.KEEP) else "orphan"
    if found.get(labels.OWNER_HOST) != me.host or not boot or not pid.isdigit():
        return "unknown"
    if boot != me.boot:
        # Two machines of the same name may share a remote engine.
        return gone if engine_is_local else "unknown"
    if namespace != me.namespace:
        return "unknown"
    return "owned" if tree.started(int(pid)) == found.get(labels.OWNER_STARTED) else gone


def listed(engine: Engine) -> list[tuple[Listed, Fate]]:
    """All containers of ivdocker on that engine. Raises EngineError."""
    return _with_fate(engine, engine.ps(labels.SESSION))


def listed_networks(engine: Engine) -> list[tuple[Listed, Fate]]:
    """All networks of ivdocker on that engine. Raises EngineError."""
    return _with_fate(engine, engine.networks(labels.SESSION))


def _with_fate(engine: Engine, found: list[Listed]) -> list[tuple[Listed, Fate]]:
    is_local = engine.remote_host is None
    return [(each, fate(each.labels, is_local)) for each in found]


class Sweeps:
    """Removes the orphans before a container is made. Whether there are any is one docker call, which may begin
    before anything waits for it, and which is not made for each container of a process: orphans come of other
    processes, and those end seldom without removing what they made."""

    def __init__(self) -> None:
        self._begun: dict[tuple[int, str], Call] = {}
        self._swept: dict[tuple[int, str], clock.Stopwatch] = {}

    @contextlib.contextmanager
    def ahead(self, engine: Engine) -> Iterator[None]:
        """Begin; who sweeps first in the block finds docker's answer there."""
        # Why docker cannot be run, who sweeps will say.
        with contextlib.suppress(EngineError):
            self._begun[labels.key(engine)] = engine.begin_ps(labels.SESSION)
        try:
            yield
        finally:
            begun = self._begun.pop(labels.key(engine), None)
            if begun is not None:
                begun.kill()

    def sweep(self, engine: Engine, cancel: threading.Event) -> None:
        """Remove the orphans, as far as the engine names them and lets them go, unless this process did so within the
        last minute. Raises EngineError when the engine does not answer, process.Cancelled."""
        key = labels.key(engine)
        if key in self._swept and self._swept[key].seconds < _AGAIN_S:
            return
        begun = self._begun.pop(key, None)
        try:
            found = _with_fate(engine, engine.ps(labels.SESSION, begun, cancel))
        except EngineError as error:
            if error.kind == "timeout":
                raise
            log.debug("no orphans known: %s", error)
            return
        for container, its_fate in found:
            if cancel.is_set():
                raise Cancelled
            if its_fate == "orphan":
                _remove(engine, container)
        self._swept[key] = clock.Stopwatch()


def _remove(engine: Engine, orphan: Listed) -> None:
    try:
        engine.remove(orphan.name, timeout_s=_REMOVE_S)
        if labels.NETWORK in orphan.labels:
            engine.remove_network(orphan.name, timeout_s=_REMOVE_S)
    except EngineError as error:
        log.warning("%s, which an earlier run left, stays: %s", orphan.name, error.stderr)
    else:
        log.info("removed what an earlier run left: %s", orphan.name)


sweeps = Sweeps()
"""Those of this process."""
