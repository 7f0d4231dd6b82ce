"""The look at the container itself before a verdict that has no other evidence than that time has passed."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ivdocker.container import judge
from ivdocker.container.reach import Reach
from ivdocker.diagnosis import explain
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.parse import ContainerState
from ivdocker.errors import EnvironmentFailed, Failure, InfraValidationError, ValidationFailed

log = logging.getLogger("ivdocker")

_LOOK_S = 5.0
_END_NOTICE_S = 3.0
"""Seconds that the watch has to read the log and the state of a container that has ended."""


def error(
    engine: Engine, name: str, seen: ContainerState | None, reach: Reach, pause: Callable[[float], object]
) -> InfraValidationError | None:
    """What the look shows. None: nothing, or the engine does not answer, or the container has ended; then the watch was
    given the time to say how. ``seen``: the container as it was when its ports were found. ``pause(seconds)`` returns
    earlier when the watch has news."""
    try:
        state = engine.inspect(name, timeout_s=min(_LOOK_S, engine.timeout_s))
    except EngineError:
        return None
    interfered = judge.interference(state, name, seen)
    if interfered or (state and state.has_ended):
        if state and state.has_ended and not interfered:
            pause(_END_NOTICE_S)
        return interfered
    unreachable = reach.unreachable()
    if unreachable:
        return EnvironmentFailed(failure=unreachable)
    return _by_events(engine, name)


def _by_events(engine: Engine, name: str) -> InfraValidationError | None:
    """The error for what happened to a container that still runs."""
    try:
        ending = engine.ending(name)
    except EngineError:
        return None
    if ending.was_signalled:
        return EnvironmentFailed(failure=explain.stopped_container(name))
    return ValidationFailed(failure=explain.killed_worker()) if ending.ran_out_of_memory else None


def death(engine: Engine, name: str) -> Failure | None:
    """The failure of a container that ended before somebody told it to. None also if the engine does not say."""
    try:
        ending = engine.ending(name)
    except EngineError:
        return None
    if ending.ran_out_of_memory:
        log.warning("%s: the kernel killed a process of the server for lack of memory", name)
    return explain.died(ending.exit_code) if ending.exit_code is not None and ending.was_by_itself else None
