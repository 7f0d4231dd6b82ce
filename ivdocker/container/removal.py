"""Stops and removes one container. Raises nothing, and gives up at its deadline."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

from ivdocker import clock
from ivdocker.diagnosis import explain
from ivdocker.diagnosis.explain import ContainerPresence
from ivdocker.engine import argv
from ivdocker.engine.client import Engine, EngineError
from ivdocker.process.run import Cancelled

log = logging.getLogger("ivdocker")

_STOP_MARGIN_S = 5
"""Seconds that ``docker stop`` may take after the grace period."""
_KILL_S = 10.0
_REMOVE_CALL_S = 10.0
_RETRY_S = 0.2
_INTERPRETER_ENDS = "interpreter shutdown"
"""From Python's message: since 3.12 neither a thread nor a child process can be started when the interpreter ends."""
_LATE_ARRIVAL_S = 3.0
"""Seconds in which a container may still appear after its ``docker run`` was killed."""


class Leftovers:
    """What could not be removed. Each removal is a function that returns whether it succeeded."""

    def __init__(self) -> None:
        self._left: list[Callable[[], bool]] = []

    def __bool__(self) -> bool:
        return bool(self._left)

    def try_(self, remove: Callable[[], bool]) -> None:
        """Run the removal, and keep it for :meth:`retry` if it does not succeed."""
        is_gone = False
        try:
            is_gone = remove()
        finally:
            self._left += [] if is_gone else [remove]

    def retry(self) -> None:
        """Run each removal again, in the same order."""
        again, self._left = self._left, []
        for remove in again:
            self.try_(remove)


def stop(engine: Engine, name: str, grace_s: float, hurry: threading.Event) -> None:
    """Send the image's stop signal (usually SIGTERM), and SIGKILL after ``grace_s`` seconds or when ``hurry`` is set.

    docker counts whole seconds only. If ``grace_s`` is not a whole number, we measure it and send SIGKILL ourselves.
    """
    whole = math.ceil(grace_s)
    limit = grace_s if grace_s < whole else grace_s + _STOP_MARGIN_S
    try:
        engine.stop(name, whole, timeout_s=limit, cancel=hurry)
        return
    except Cancelled:
        log.info("second signal: no more grace")
    except EngineError as error:
        if error.kind != "timeout":
            log.info("%s", error)
            return
        log.info("the server did not end within %g s of its stop signal; it is killed", limit)
    try:
        engine.kill(name, timeout_s=min(_KILL_S, engine.timeout_s))
    except EngineError as error:
        log.info("%s", error)


def exit_code(engine: Engine, name: str) -> int | None:
    """The exit code of a container that has ended. None if the engine does not report it."""
    try:
        state = engine.inspect(name)
    except EngineError as error:
        log.info("%s", error)
        return None
    return state.exit_code if state and state.has_ended else None


def remove_network(engine: Engine, name: str, deadline: clock.Deadline) -> bool:
    """Try until the network is gone or the deadline passes. Return whether it is gone."""
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


def remove(engine: Engine, name: str, deadline: clock.Deadline, presence: ContainerPresence) -> bool:
    """Try until the container is gone or the deadline passes. If it may still appear (``late``), also wait until it has
    stayed away for 3 s. Return whether it is gone."""
    quiet = clock.Deadline.after(_LATE_ARRIVAL_S if presence == "late" else 0)
    last: EngineError | None = None
    while True:
        try:
            engine.remove(name, timeout_s=min(_REMOVE_CALL_S, engine.timeout_s, max(1.0, deadline.remaining)))
            if quiet.expired:
                return True
        except EngineError as error:
            log.info("%s", error)
            if error.kind == "exhausted" and _INTERPRETER_ENDS in error.stderr:
                log.info("the watchdog removes %s when this process has ended", name)
                return False
            if deadline.expired or (presence == "possible" and _is_final(error, last)):
                what = "a container" if presence == "certain" else "the container, if it exists"
                log.warning("could not remove %s; do it by hand: %s", what, engine.command_line(argv.remove(name)))
                return False
            last = error
        clock.sleep(_RETRY_S)


def _is_final(error: EngineError, last: EngineError | None) -> bool:
    """Whether to give up: the engine refused twice with the same message. An engine that is unreachable or slow may
    still recover."""
    return error.is_like(last) and explain.engine_failure(error).code not in ("engine-unreachable", "engine-timeout")
