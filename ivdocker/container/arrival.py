"""The wait from docker run until the container runs and its ports are published."""

from __future__ import annotations

from collections.abc import Iterator

from ivdocker import clock
from ivdocker.container.judge import interference
from ivdocker.container.tolerance import Tolerance
from ivdocker.diagnosis import explain
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.parse import ContainerState
from ivdocker.errors import EnvironmentFailed, Failure, InfraValidationError
from ivdocker.text import one_line

_SHORTEST_CALL_S = 0.1
_NOTHING = "docker run itself took until then, so it was not looked at"


class Arrival:
    """One wait. ``seen``: what there is instead of a container that runs. ``verdict``: why it will never run."""

    def __init__(self, engine: Engine, name: str, deadline: clock.Deadline) -> None:
        self.seen = _NOTHING
        self.verdict: InfraValidationError | None = None
        self._engine, self._name, self._deadline = engine, name, deadline
        self._tolerance = Tolerance()
        self._trouble: EngineError | None = None
        self._watch = clock.Stopwatch()

    def pauses(self) -> Iterator[float]:
        """The seconds to wait after each look. Ends at the deadline."""
        for pause in clock.pauses():
            if self._deadline.expired:
                return
            yield min(pause, self._deadline.remaining)

    @property
    def timeout(self) -> Failure:
        """The failure when the deadline has passed. If the engine did not answer last, its own code and hint."""
        failure = explain.not_running(self._watch.seconds, self.seen)
        return explain.engine_failure(self._trouble)._replace(message=failure.message) if self._trouble else failure

    def look(self) -> ContainerState | None:
        """Inspect the container once. None if it is gone, or the engine did not answer."""
        limit = min(self._engine.timeout_s, max(_SHORTEST_CALL_S, self._deadline.remaining))
        try:
            state = self._engine.inspect(self._name, timeout_s=limit)
        except EngineError as error:
            # A call that the deadline cut short says less than the look before it.
            if error.kind != "timeout" or not self._deadline.expired or self.seen == _NOTHING:
                self._trouble = error
                self.seen = f"the engine did not answer: {one_line(error.stderr, 200)}"
            if not self._tolerance.forgives(error):
                self.verdict = EnvironmentFailed(failure=explain.engine_failure(error))
            return None
        self._tolerance.answered()
        self._trouble = None
        self.seen = f"status: {state.status if state else 'gone'}"
        self.verdict = interference(state, self._name)
        return state
