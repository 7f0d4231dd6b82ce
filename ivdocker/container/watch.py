"""Watches one container from its start to its end: its log, and whether it still runs."""

from __future__ import annotations

import contextlib
import re
import threading

from ivdocker import clock
from ivdocker.engine import proc_net
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.logs import LogFollower
from ivdocker.engine.parse import ContainerState

_SIGKILLED = 137

HEARTBEAT_S = 1.0
"""Seconds between two looks at a container whose log is still open: the log's end is the faster sign."""

_AFTER_YOU_S = 0.1
"""Seconds for the first look at a server that is ready at once, and for its docker stop: with two docker clients at
the same time each takes longer, and the stop is waited for."""
_READ_UP_S = 0.3
_AFTER_LOG_END_S = 0.02
_UNREADABLE_LOG_S = 0.2
_LAST_LINES_S = 1.0
_EXEC_S = 5.0


class ContainerWatch:
    """A thread that notices the container's end. Reading what it saw costs nothing, so it can be asked often."""

    def __init__(self, engine: Engine, name: str, pattern: re.Pattern[bytes] | None, http_port: int | None) -> None:
        self.end: ContainerState | None = None
        """The state in which the container ended by itself; None while it runs."""
        self.is_gone = False
        """Somebody else removed it."""
        self.error: EngineError | None = None
        """The engine does not answer any more."""
        self.loopback_port: int | None = None
        """The HTTP port, when the server listens on it for its own container alone."""
        self._http_port = http_port
        self._since_look, self._look_pause = clock.Stopwatch(), HEARTBEAT_S
        self._engine = engine
        self._name = name
        self._closing = threading.Event()
        self._following = threading.Event()
        self._pattern = pattern
        self._follower: LogFollower | None = None
        self._thread = threading.Thread(target=self._watch, name="ivdocker-watch", daemon=True)
        self._thread.start()

    @property
    def fatal_line(self) -> str | None:
        """A log line after which the model will not become ready, though the server runs on."""
        return self._follower.matched_line if self._follower else None

    @property
    def fatal_line_age(self) -> float:
        """Seconds since that line was seen."""
        return clock.monotonic() - self._follower.matched_at if self._follower else 0.0

    @property
    def log(self) -> str:
        return self._follower.text() if self._follower else ""

    def expect_end(self) -> None:
        """The container is being stopped: its end will be no news."""
        self._closing.set()

    def read_up(self) -> None:
        """Wait a moment for the log's end, before the container is removed and its log with it."""
        limit = clock.Deadline.after(_READ_UP_S)
        if self._following.wait(limit.remaining) and self._follower:
            self._follower.ended.wait(limit.remaining)

    def close(self) -> None:
        """Stop watching; what was seen stays."""
        self._closing.set()
        self._thread.join()
        if self._follower:
            self._follower.close()

    def _watch(self) -> None:
        clock.sleep(_AFTER_YOU_S)
        try:
            self._follower = follower = self._engine.follow_logs(self._name, self._pattern)
        except EngineError as error:
            self.error = error
            return
        finally:
            self._following.set()
        log_end: clock.Stopwatch | None = None
        while not self._closing.is_set():
            if follower.ended.wait(0 if log_end else HEARTBEAT_S):
                log_end = log_end or clock.Stopwatch()
            if self._closing.is_set() or self._look(follower):
                return
            self._find_loopback_listener()
            if log_end:
                self._closing.wait(_AFTER_LOG_END_S if log_end.seconds < _LAST_LINES_S else _UNREADABLE_LOG_S)

    def _find_loopback_listener(self) -> None:
        """Until it has opened its port: it will not open it otherwise later. Each look costs the engine 0.1 s."""
        if self._http_port is None or self._since_look.seconds < self._look_pause:
            return
        self._since_look, self._look_pause = clock.Stopwatch(), self._look_pause * 2
        try:
            table = self._engine.exec(self._name, ["cat", "/proc/net/tcp", "/proc/net/tcp6"], timeout_s=_EXEC_S)
        except EngineError:
            table = None
        if table is None:
            self._http_port = None
            return
        hosts = proc_net.listeners(table, self._http_port)
        if hosts:
            self.loopback_port = self._http_port if all(host.is_loopback for host in hosts) else None
            self._http_port = None

    def _look(self, follower: LogFollower) -> bool:
        """Whether there is nothing more to see."""
        try:
            state = self._engine.inspect(self._name)
        except EngineError as error:
            if not self._closing.is_set():
                self.error = error
            return True
        if state is not None and not state.has_ended:
            return False
        follower.ended.wait(_LAST_LINES_S)
        self.is_gone, self.end = state is None, state and self._with_oom_event(state)
        return True

    def _with_oom_event(self, state: ContainerState) -> ContainerState:
        if state.exit_code != _SIGKILLED or state.oom_killed:
            return state
        with contextlib.suppress(EngineError):
            return state._replace(oom_killed=self._engine.ran_out_of_memory(self._name))
        return state
