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

_HEARTBEATS_S = (1.0, 30.0)
"""Seconds between two looks at a container whose log is still open, at first and at most: the log's end is the faster
sign, and each look costs 6 ms."""

_FOLLOW_AFTER_S = 0.1
"""Seconds before the log is followed: docker logs beside the first look at a server that is ready at once, or beside
its docker stop, makes that slower by 10 to 15 ms."""
_READ_LOG_S = 10.0
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
        self.whole_log: str | None = None
        """The log of a container that ended by itself. Following it is not enough: docker (20.10) ends a log that is
        followed when the container ends, whether or not its last lines were sent."""
        self.loopback_port: int | None = None
        """The HTTP port, when the server listens on it for its own container alone."""
        self._http_port = http_port
        self._since_exec, self._exec_pause = clock.Stopwatch(), _HEARTBEATS_S[0]
        self._heartbeat = _HEARTBEATS_S[0]
        self._engine = engine
        self._name = name
        self._closing = threading.Event()
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
        """What is known of the log: all of it once the container has ended by itself; before that it is some
        milliseconds behind what the server wrote."""
        if self.whole_log is not None:
            return self.whole_log
        return self._follower.text() if self._follower else ""

    def expect_end(self) -> None:
        """The container is being stopped: its end will be no news."""
        self._closing.set()

    def close(self) -> None:
        """Stop watching; what was seen stays."""
        self._closing.set()
        self._thread.join()
        if self._follower:
            self._follower.close()

    def _watch(self) -> None:
        if self._closing.wait(_FOLLOW_AFTER_S):
            return
        try:
            self._follower = follower = self._engine.follow_logs(self._name, self._pattern)
        except EngineError as error:
            self.error = error
            return
        log_end: clock.Stopwatch | None = None
        while not self._closing.is_set():
            if follower.ended.wait(0 if log_end else self._heartbeat):
                log_end = log_end or clock.Stopwatch()
            if self._closing.is_set() or self._look():
                return
            self._heartbeat = min(self._heartbeat * 2, _HEARTBEATS_S[1])
            self._find_loopback_listener()
            if log_end:
                self._closing.wait(_AFTER_LOG_END_S if log_end.seconds < _LAST_LINES_S else _UNREADABLE_LOG_S)

    def _find_loopback_listener(self) -> None:
        """Until the server has opened its port: it does not open it otherwise later. A look costs the engine 0.1 s."""
        if self._http_port is None or self._since_exec.seconds < self._exec_pause:
            return
        self._since_exec, self._exec_pause = clock.Stopwatch(), self._exec_pause * 2
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

    def _look(self) -> bool:
        """Whether there is nothing more to see."""
        try:
            state = self._engine.inspect(self._name)
        except EngineError as error:
            if not self._closing.is_set():
                self.error = error
            return True
        if state is not None and not state.has_ended:
            return False
        if state is None:
            self.is_gone = True
        else:
            with contextlib.suppress(EngineError):
                self.whole_log = self._engine.logs(self._name, timeout_s=min(_READ_LOG_S, self._engine.timeout_s))
            self.end = self._with_oom_event(state)
        return True

    def _with_oom_event(self, state: ContainerState) -> ContainerState:
        if state.exit_code != _SIGKILLED or state.oom_killed:
            return state
        with contextlib.suppress(EngineError):
            return state._replace(oom_killed=self._engine.ran_out_of_memory(self._name))
        return state
