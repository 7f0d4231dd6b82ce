"""Finds and removes containers whose owner is gone, for example after a power cut or a killed watchdog."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Literal

from ivdocker.container import labels
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.parse import Listed
from ivdocker.process import tree

log = logging.getLogger("ivdocker")

_REMOVE_S = 10.0
"""Limit for the removal of an orphan, in seconds. A run waits for it."""

Fate = Literal["owned", "orphan", "kept", "unknown"]
"""``owned``: the owner process lives. ``orphan``: the owner is gone. ``kept``: the owner is gone, and --keep left the
container on purpose. ``unknown``: the owner is on another machine, or the labels do not name it."""


def fate_of(container_labels: Mapping[str, str], engine_is_local: bool, runs: Callable[[str], bool]) -> Fate:
    """Find out whether the owner that the labels name still lives. ``runs(id)``: whether that container runs."""
    get, me = container_labels.get, tree.this_process()
    boot, _, namespace = get(labels.OWNER_BOOT, "").partition("/")
    pid = get(labels.OWNER_PID, "")
    gone: Fate = "kept" if get(labels.KEEP) else "orphan"
    inside = get(labels.OWNER_CONTAINER)
    if inside and not runs(inside):
        return gone
    if get(labels.OWNER_HOST) != me.host or not boot or not pid.isdigit():
        return "unknown"
    if boot != me.boot:
        # Two machines with the same name may share a remote engine.
        return gone if engine_is_local else "unknown"
    if namespace != me.namespace:
        return "unknown"
    return "owned" if tree.started(int(pid)) == get(labels.OWNER_STARTED) else gone


def containers(engine: Engine, cancel: threading.Event | None = None) -> list[tuple[Listed, Fate]]:
    """List ivdocker's containers on the engine. Raises EngineError, Cancelled."""
    return _with_fate(engine, engine.ps(labels.SESSION, cancel))


def networks(engine: Engine) -> list[tuple[Listed, Fate]]:
    """List ivdocker's networks on the engine. Raises EngineError."""
    return _with_fate(engine, engine.networks(labels.SESSION))


def remove(engine: Engine, orphan: Listed) -> None:
    """Remove the container and its network. Raises nothing; on failure it logs a warning."""
    try:
        engine.remove(orphan.name, timeout_s=_REMOVE_S)
        if labels.NETWORK in orphan.labels:
            engine.remove_network(orphan.name, timeout_s=_REMOVE_S)
    except EngineError as error:
        log.warning("could not remove %s, left by an earlier run: %s", orphan.name, error.stderr)
    else:
        log.info("removed %s, left by an earlier run", orphan.name)


def _with_fate(engine: Engine, found: list[Listed]) -> list[tuple[Listed, Fate]]:
    is_local = engine.remote_host is None
    runs = cache(partial(_runs, engine))
    return [(each, fate_of(each.labels, is_local, runs)) for each in found]


def _runs(engine: Engine, container_id: str) -> bool:
    """Whether a container runs, or may."""
    try:
        state = engine.inspect(container_id)
    except EngineError:
        return True
    return state is not None and not state.has_ended
