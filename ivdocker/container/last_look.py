"""The look at the container itself before a verdict that has no other evidence than that time has passed."""

from __future__ import annotations

from collections.abc import Callable

from ivdocker.container import judge, workers
from ivdocker.container.reach import Reach
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.parse import ContainerState
from ivdocker.errors import EnvironmentFailed, InfraValidationError, ValidationFailed

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
    killed = workers.killed(engine, name)
    return ValidationFailed(failure=killed) if killed else None
