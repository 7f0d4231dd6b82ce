"""L4. Finds and removes the containers whose owner is gone: what a power cut or a killed watchdog left."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Literal

from ivdocker import processes
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.parse import Listed
from ivdocker.lifecycle import ownership

log = logging.getLogger("ivdocker")

Fate = Literal["owned", "orphan", "kept", "unknown"]
"""``owned``: its owner lives; ``orphan``: its owner is gone; ``kept``: left on purpose, with --keep, and its owner is
gone; ``unknown``: its owner is on another machine, or its labels do not tell."""


def fate(labels: Mapping[str, str], engine_is_local: bool) -> Fate:
    """What became of the owner that a container's labels name."""
    me = processes.this_process()
    boot, _, namespace = labels.get(ownership.OWNER_BOOT, "").partition("/")
    pid = labels.get(ownership.OWNER_PID, "")
    gone: Fate = "kept" if labels.get(ownership.KEEP) else "orphan"
    if labels.get(ownership.OWNER_HOST) != me.host or not boot or not pid.isdigit():
        return "unknown"
    if boot != me.boot:
        # Two machines of the same name may share a remote engine.
        return gone if engine_is_local else "unknown"
    if namespace != me.namespace:
        return "unknown"
    return "owned" if processes.started(int(pid)) == labels.get(ownership.OWNER_STARTED) else gone


def listed(engine: Engine) -> list[tuple[Listed, Fate]]:
    """All containers of ivdocker on that engine. Raises EngineError."""
    is_local = engine.remote_host is None
    return [(container, fate(container.labels, is_local)) for container in engine.ps(ownership.SESSION)]


def listed_networks(engine: Engine) -> list[tuple[Listed, Fate]]:
    """All networks of ivdocker on that engine. Raises EngineError."""
    is_local = engine.remote_host is None
    return [(network, fate(network.labels, is_local)) for network in engine.networks(ownership.SESSION)]


def sweep(engine: Engine) -> list[str]:
    """Remove the orphans; returns their names. One docker call when there are none. Raises nothing."""
    removed: list[str] = []
    try:
        for container, its_fate in listed(engine):
            if its_fate == "orphan":
                engine.remove(container.name)
                if ownership.NETWORK in container.labels:
                    engine.remove_network(container.name)
                removed.append(container.name)
    except EngineError as error:
        log.debug("sweep: %s", error)
    if removed:
        log.info("removed what an earlier run left: %s", ", ".join(removed))
    return removed
