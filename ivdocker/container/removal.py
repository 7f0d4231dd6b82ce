"""Ends and removes one container; raises nothing, and stops trying when its time is over."""

from __future__ import annotations

import logging
import threading

from ivdocker import clock
from ivdocker.diagnosis import explain
from ivdocker.engine import argv
from ivdocker.engine.client import Engine, EngineError
from ivdocker.process.run import Cancelled

log = logging.getLogger("ivdocker")

_STOP_MARGIN_S = 5
"""Seconds beyond the grace period that ``docker stop`` may take."""
_REMOVE_CALL_S = 10.0
_RETRY_S = 0.2
_LATE_ARRIVAL_S = 3.0
"""Seconds in which a container may still appear after its ``docker run`` was cut short."""


def stop(engine: Engine, name: str, grace_s: int, hurry: threading.Event) -> None:
    """SIGTERM, after ``grace_s`` seconds SIGKILL; ``hurry`` ends the grace."""
    try:
        engine.stop(name, grace_s, timeout_s=grace_s + _STOP_MARGIN_S, cancel=hurry)
    except Cancelled:
        log.info("second signal: no more grace")
    except EngineError as error:
        log.info("%s", error)


def exit_code(engine: Engine, name: str) -> int | None:
    """With what a container has ended; None when the engine does not tell."""
    try:
        state = engine.inspect(name)
    except EngineError as error:
        log.info("%s", error)
        return None
    return state.exit_code if state and state.has_ended else None


def remove_network(engine: Engine, name: str, deadline: clock.Deadline) -> bool:
    """Until it is gone; whether that is so."""
    while True:
        try:
            engine.remove_network(name, timeout_s=min(_REMOVE_CALL_S, engine.timeout_s, max(1.0, deadline.remaining)))
            return True
        except EngineError as error:
            log.info("%s", error)
        if deadline.expired:
            log.warning("could not remove a network; do it by hand: docker network rm %s", name)
            return False
        clock.sleep(_RETRY_S)


def remove(engine: Engine, name: str, deadline: clock.Deadline, container: explain.ContainerPresence) -> bool:
    """Until it is gone, and where it may yet appear, until it has stayed away for a while; whether that is so."""
    quiet = clock.Deadline.after(_LATE_ARRIVAL_S if container == "late" else 0)
    last: EngineError | None = None
    while True:
        try:
            engine.remove(name, timeout_s=min(_REMOVE_CALL_S, engine.timeout_s, max(1.0, deadline.remaining)))
            if quiet.expired:
                return True
        except EngineError as error:
            log.info("%s", error)
            if deadline.expired or (container == "possible" and _is_final(error, last)):
                what = "a container" if container == "certain" else "the container, should there be one"
                log.warning("could not remove %s; do it by hand: %s", what, engine.command_line(argv.remove(name)))
                return False
            last = error
        clock.sleep(_RETRY_S)


def _is_final(error: EngineError, last: EngineError | None) -> bool:
    """An engine that refuses twice in the same words has given its answer; one that cannot be reached has not, nor one
    that takes its time."""
    return error.is_like(last) and explain.engine_failure(error).code not in ("engine-unreachable", "engine-timeout")
