"""Watches one container from its start to its end: reads its log and checks that it runs."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable

from ivdocker import clock
from ivdocker.ahead import Ahead, in_thread
from ivdocker.container.listening import Listening
from ivdocker.container.tolerance import Tolerance
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.logs import LogFollower
from ivdocker.engine.parse import ContainerState, Ending

_SIGKILLED = 137

_HEARTBEATS_S = (1.0, 30.0)
"""Seconds between two looks at the container while its log is still open: the first pause and the longest one. The end
of the log shows the container's end earlier, and each docker call costs 6 ms."""
_GROWTH = 3

_FOLLOW_AFTER_S = 0.1
"""Seconds before docker logs starts. For a server that is ready at once, it would slow down the first readiness probe
or the docker stop by 10 to 15 ms."""
_READ_LOG_S = 10.0
_AFTER_LOG_END_S = 0.02
_UNREADABLE_LOG_S = 0.2
_LAST_LINES_S = 1.0
_EVENT_TRIES = 3
_EVENT_PAUSE_S = 0.1
"""An engine may tell of a container's end before its events do."""


class ContainerWatch:
    """A thread that notices the container's end. Its attributes can be read often: this costs nothing."""

    end: ContainerState | None = None
    """The state of a container that ended by itself. None while it runs."""
    is_gone = False
    """Whether somebody else removed the container."""
    restarted: ContainerState | None = None
    """The state of a container that was started again. Its published ports are others now."""
    is_paused = False
    """Whether somebody else has paused it. The next look may show that this is over."""
    error: EngineError | None = None
    """Set when the engine does not answer any more."""
    whole_log: str | None = None
    """The log of a container that ended by itself, read again after its end: when a container ends, docker (20.10)
    may end a followed log before its last lines."""
    unreached: Listening | None = None
    """What is known of a server that runs and listens where nobody can reach it. None: it may be reached."""
    ready_at: float | None = None
    """When the model was ready. None: it was not yet."""
    last_log: str | None = None
    """The log of a container that ended by itself after its model was ready, since then."""
    harmless_lines: tuple[str, ...] = ()
    """Those of ``fatal_lines`` that have been judged, and are not fatal."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        pattern: re.Pattern[bytes] | None,
        listening: Listening,
        news: threading.Event,
        seen: Callable[[], ContainerState | None],
    ) -> None:
        self._listening = listening
        self._seen = seen
        """Returns the container as it was when its ports were found. None: they were not yet."""
        self._first: ContainerState | None = None
        self._engine = engine
        self._name = name
        self._news = news
        """Set once one of the attributes is set for good."""
        self._tolerance = Tolerance()
        self._is_log_lost = False
        self._closing = threading.Event()
        self._pattern = pattern
        self._follower: LogFollower | None = None
        self._thread = in_thread(self._watch, "watch")
        if self._thread is None:
            self.error = EngineError("exhausted", "docker logs", "no thread to watch the container")

    @property
    def fatal_lines(self) -> tuple[str, ...]:
        """Log lines that may say that the model will never be ready, even if the server continues to run."""
        return self._follower.matches if self._follower else ()

    @property
    def fatal_line_age(self) -> float:
        """Seconds since the first such line was seen."""
        return clock.monotonic() - self._follower.matched_at if self._follower else 0.0

    @property
    def log(self) -> str:
        """The log so far. Complete after the container has ended by itself; before, some milliseconds old."""
        if self.whole_log is not None:
            return self.whole_log
        return self._follower.text() if self._follower else ""

    def model_is_ready(self) -> None:
        """Call this when the model is ready: what the log holds by then has been survived."""
        self.ready_at = self.ready_at or clock.utc()

    def expect_end(self) -> None:
        """Call this before docker stop: the container's end is then not reported."""
        self._closing.set()

    def close(self) -> None:
        """Stop watching. The attributes keep their values."""
        self._closing.set()
        # The thread may be waiting for the end of the log.
        if self._follower:
            self._follower.close()
        if self._thread:
            self._thread.join()
        if self._follower:
            self._follower.close()

    def _watch(self) -> None:
        try:
            self._watch_until_end()
        except Exception as error:  # noqa: BLE001  (a watch that has ended must say why)
            self.error = EngineError("failed", "docker logs", f"the container could not be watched: {error!r}")
        finally:
            self._news.set()

    def _watch_until_end(self) -> None:
        if self._closing.wait(_FOLLOW_AFTER_S):
            return
        log_end: clock.Stopwatch | None = None
        pause = _HEARTBEATS_S[0]
        while not self._closing.is_set():
            follower = self._followed()
            has_ended = follower is None or follower.ended.wait(0 if log_end else pause)
            log_end = (log_end or clock.Stopwatch()) if has_ended else None
            if self._closing.is_set() or self.error:
                return
            if log_end is None:
                self._listening.look()
            if self._look(log_end is not None):
                return
            if self._listening.is_fatal:
                self.unreached = self._listening
                self._news.set()
            is_calm = not self._tolerance.is_strained and not self.is_paused
            pause = min(pause * _GROWTH, _HEARTBEATS_S[1]) if is_calm else _HEARTBEATS_S[0]
            if log_end:
                self._closing.wait(_AFTER_LOG_END_S if log_end.seconds < _LAST_LINES_S else _UNREADABLE_LOG_S)

    def _followed(self) -> LogFollower | None:
        """The log, followed since the first call that could start docker logs; again from its beginning after the
        engine was away, with which docker logs ends."""
        former = self._follower
        if former and not self._is_log_lost:
            return former
        try:
            self._follower = self._engine.follow_logs(self._name, self._pattern)
        except EngineError as error:
            self._fail(error)
            return former
        self._is_log_lost = False
        if former:
            former.close()
        return self._follower

    def _fail(self, error: EngineError) -> bool:
        """A call has failed. Return whether the watch is over."""
        if self._tolerance.forgives(error):
            return False
        if not self._closing.is_set():
            self.error = error
        return True

    def _look(self, log_has_ended: bool) -> bool:
        """Inspect the container once. Return whether the watch is over."""
        # All at once: the verdict on a server that has ended waits for them.
        log = Ahead(self._read_log, "log") if log_has_ended else None
        ending = Ahead(lambda: self._engine.ending(self._name), "events") if log_has_ended else None
        try:
            state = self._engine.inspect(self._name)
        except EngineError as error:
            return self._fail(error)
        finally:
            if log and ending:
                log.wait()
                ending.wait()
        self._is_log_lost = self._is_log_lost or (log_has_ended and self._tolerance.is_strained)
        self._tolerance.answered()
        self.is_paused = state is not None and state.status == "paused"
        if state is not None and not state.has_ended:
            self._first = self._first or self._seen() or state
            self.restarted = state if state.was_started_after(self._first) else None
            return self.restarted is not None
        if state is None or state.is_being_removed:
            self.is_gone = True
        else:
            self.whole_log = log.result() if log else self._read_log()
            self.last_log = self.log_since(self.ready_at) if self.ready_at else None
            self.end = self._with_events(state, ending)
        return True

    def log_since(self, timestamp: float) -> str | None:
        """What the server wrote after this UTC timestamp. None where the engine has another clock, or does not tell."""
        return None if self._engine.remote_host else self._read_log(timestamp)

    def _read_log(self, since: float | None = None) -> str | None:
        """None when docker does not show it all."""
        with contextlib.suppress(EngineError):
            return self._engine.logs(self._name, timeout_s=min(_READ_LOG_S, self._engine.timeout_s), since=since)
        return None

    def _with_events(self, state: ContainerState, ending: Ahead[Ending] | None) -> ContainerState:
        """The state of a container that has ended, with what the engine's events tell of it."""
        with contextlib.suppress(EngineError):
            told = ending.result() if ending else self._engine.ending(self._name)
            for _ in range(_EVENT_TRIES):
                if told.exit_code is not None:
                    break
                self._closing.wait(_EVENT_PAUSE_S)
                told = self._engine.ending(self._name)
            if told.exit_code is None and self._engine.dialect.name == "docker":
                # An engine that was restarted has forgotten its events, and may have ended the container.
                return state._replace(was_signalled=not state.oom_killed)
            if state.exit_code == _SIGKILLED and told.ran_out_of_memory:
                return state._replace(oom_killed=True)
            return state._replace(was_signalled=told.was_signalled and not state.oom_killed)
        return state
