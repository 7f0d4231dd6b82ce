"""Finds out whether the kernel has killed a process of a server that itself lives on, for lack of memory."""

from __future__ import annotations

import contextlib

from ivdocker.diagnosis import explain
from ivdocker.engine.client import Engine, EngineError
from ivdocker.errors import Failure


def killed(engine: Engine, name: str) -> Failure | None:
    """The failure, by the engine's events. None: no process was killed, or the engine does not say. One docker call."""
    with contextlib.suppress(EngineError):
        return explain.killed_worker() if engine.ending(name).ran_out_of_memory else None
    return None
