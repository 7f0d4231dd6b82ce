"""One model server in one container, from before ``docker run`` to after ``docker rm``."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ivdocker import clock, http
from ivdocker.ahead import Ahead
from ivdocker.container import entrypoint, judge, labels, last_look, removal, session, similar_images
from ivdocker.container.arrival import Arrival
from ivdocker.container.launch import Launch
from ivdocker.container.listening import Listening
from ivdocker.container.network import OfflineNetwork
from ivdocker.container.options import GRACE_S, RunOptions
from ivdocker.container.plan import Server, container_spec, server_of
from ivdocker.container.reach import Reach
from ivdocker.container.signals import guard
from ivdocker.container.state import End, State
from ivdocker.container.usage import IdleGauge
from ivdocker.container.watch import ContainerWatch
from ivdocker.diagnosis import rows
from ivdocker.engine.argv import ContainerSpec
from ivdocker.engine.client import Engine, EngineError, OnPull
from ivdocker.engine.parse import ContainerState
from ivdocker.errors import DeadlineExceeded, Failure, GracefulShutdown, InfraValidationError
from ivdocker.process.run import Cancelled
from ivdocker.servers.records import Endpoint

if TYPE_CHECKING:
    from ivdocker.container.evidence import Evidence

log = logging.getLogger("ivdocker")

_READ_LOG_S = 30.0
_START_S = 20.0
"""Seconds that stop() waits for a docker run in another thread."""
_REMOVE_S = 10.0
"""Seconds in which stop() goes on trying to remove the container, and then its network."""


class Container:
    """A container and everything that belongs to it.

    ``model``: a folder or a URI. ``binary``: our ServingBinary or TFX's. The constructor only stores its arguments.
    For each thing that :meth:`start` acquires it puts a clean-up function on one stack. :meth:`stop` unwinds the stack:
    it stops the server, reads its log and state, removes the container and its network, and ends the watch, the
    evidence and finally the watchdog. All methods are thread-safe.
    """

    name = ""
    """Set by start()."""
    evidence: Evidence | None = None
    """Set by start(), with ``options.evidence``."""
    exit_code_after_sigterm: int | None = None
    """Set by stop() with ``options.graceful_stop``."""
    was_removed = False

    def __init__(
        self,
        engine: Engine,
        model: str | os.PathLike[str],
        binary: Any,
        options: RunOptions,
        on_pull: OnPull = lambda _output, _progress: None,
    ) -> None:
        self._engine, self._model, self._binary, self._options = engine, model, binary, options
        self._grace_s = GRACE_S if options.grace_s is None else options.grace_s
        self.launch = Launch(engine, options, on_pull)
        self._state = State.INITIAL
        self._owner = os.getpid()
        """The process that has called start(). In a forked child its threads are gone, and its locks may be held."""
        self._start_error: InfraValidationError | None = None
        self._lock = threading.RLock()
        """Protects the state, the stack and the watch."""
        self._ends = contextlib.ExitStack()
        self._session = contextlib.ExitStack()
        """Closed when everything is removed: it disarms the watchdog."""
        self._left = removal.Leftovers()
        """What stop() could not remove. The next stop() tries again."""
        self._end = End(leave=False, keep_log=True)
        self._start_thread = 0
        self._start_is_over = threading.Event()
        self._stopping = threading.Event()
        self._news = threading.Event()
        """There is something for check() to raise."""
        self._ending = threading.RLock()
        """Held by the thread that unwinds the stack."""
        self._spec: ContainerSpec | None = None
        self.seen: ContainerState | None = None
        """The container as it was when its ports were found. None until it runs."""
        self._endpoint: Endpoint | None = None
        self._watch: ContainerWatch | None = None
        self._death: Ahead[Failure | None] | None = None
        self._last_log: str | None = None
        """The log, read before the container was removed."""

    @property
    def was_made(self) -> bool:
        """Whether docker run has created the container."""
        return self.launch.is_made

    @property
    def command(self) -> str | None:
        """The docker command that runs the same server in a terminal, without secrets. None before start()."""
        return self._engine.foreground_command(self._spec, self._options.offline) if self._spec else None

    @property
    def endpoint(self) -> Endpoint:
        """The server's addresses. Raises AssertionError before the container runs."""
        assert self._endpoint is not None, "the model server is not running yet; call WaitUntilRunning() first."
        return self._endpoint

    def start(self) -> None:
        """Run the container and do not wait for the server. Pulls a missing image (see ``options.pull``).

        Raises EnvironmentFailed, UsageError, GracefulShutdown, after everything made so far is removed. A second call
        raises AssertionError.
        """
        with self._lock:
            assert self._state is State.INITIAL, "You cannot start model server multiple times."
            self._owner, self._start_thread = os.getpid(), threading.get_ident()
            self._state, self.name = State.STARTING, labels.new_name()
        try:
            self._acquire()
        except BaseException as error:
            self._start_error = failed = similar_images.start_error(error, self._binary.image, self._engine)
            # The start is over: stop() in another thread waits for this event.
            self._start_is_over.set()
            self.stop()
            if isinstance(error, Cancelled):
                guard.raise_if_requested()
            if failed:
                raise failed from None
            raise
        self._advance(State.SCHEDULED)
        self._start_is_over.set()

    def wait_until_running(self, deadline: clock.Deadline) -> None:
        """Wait until the container runs and its ports are published, also for a start() in another thread.

        Raises JobAborted if the container has ended, DeadlineExceeded, EnvironmentFailed if the engine does not answer
        or somebody has paused the container, what start() has raised, AssertionError before start().
        """
        assert self._state is not State.INITIAL, "container has not been started."
        arrival = Arrival(self._engine, self.name, deadline)
        for pause in arrival.pauses():
            if self._has_arrived(arrival):
                return
            self._pause(pause)
        raise DeadlineExceeded(failure=arrival.timeout)

    def check(self) -> None:
        """Raise an error if the server can no longer become ready or answer: JobAborted, ValidationFailed,
        EnvironmentFailed; GracefulShutdown if it was stopped. Cheap: makes no docker call."""
        guard.raise_if_requested()
        if self._stopping.is_set():
            raise GracefulShutdown("the model server was stopped")
        watch = None if self._is_forked else self._watch
        error = watch and judge.watched(watch, self.name, self._binary.image, self._server.log_patterns)
        if error:
            raise error

    def look(self) -> None:
        """check(), after a look at the container itself. For a verdict that has no other evidence than the time: the
        watch looks seldom at a container whose log has not ended."""
        self.check()
        error = last_look.error(self._engine, self.name, self.seen, self._reach, self._pause)
        self.check()
        if error:
            raise error

    def log(self) -> str:
        """The server's log so far: the beginning (256 KiB) and the end (1 MiB), stdout and stderr in order of arrival.
        Makes a docker call while the server runs, but not after its end. Raises nothing."""
        if self._last_log is None and self.was_made:
            with contextlib.suppress(EngineError):
                return self._read_log()
        return self.log_so_far()

    def log_so_far(self) -> str:
        """The part of the log that the watch has read: some milliseconds old, but without a docker call."""
        watch = self._watch_it()
        return self._last_log if self._last_log is not None else watch.log if watch else ""

    def log_since(self, timestamp: float) -> str | None:
        """What the server wrote after this UTC timestamp; None when that is not known. Raises nothing."""
        return self._watch.log_since(timestamp) if self._watch else None

    def stop(self, keep_log: bool = True, prove_life: bool = False) -> None:
        """Stop the server, and remove everything that start() made. Blocks. May be called at any time, from any thread,
        any number of times; a call after one that could not remove everything tries again. Raises nothing itself; after
        a signal, the main thread calls the former handler here, and raises what that raises. ``keep_log``: read the
        whole log before the removal, for log(): a docker call of 35 ms. ``prove_life``: find out beside the removal
        what death() tells. In a forked child it does nothing."""
        self._finish(End(False, keep_log, prove_life))

    def death(self) -> Failure | None:
        """The failure of a server that ended by itself before stop() had told it to. None also if that is not known.
        Call this after ``stop(prove_life=True)``."""
        return self._death.result() if self._death else None

    def leave(self) -> str | None:
        """Call this instead of stop() to leave the container for inspection. Return its name, None if none was made."""
        self._finish(End(leave=True, keep_log=False))
        return self.name if self.was_made else None

    @property
    def _is_forked(self) -> bool:
        return os.getpid() != self._owner

    @property
    def _id(self) -> str:
        """The container's ID once it runs: somebody else may change its name."""
        return self.seen.id if self.seen and self._endpoint else self.name

    @cached_property
    def _server(self) -> Server:
        return server_of(self._binary)

    @cached_property
    def _reach(self) -> Reach:
        return Reach(self._engine, self._server.ports, self.name if self._options.offline else None)

    def _acquire(self) -> None:
        """Register each clean-up function before its resource can exist. The last one registered runs first."""
        options, ends = self._options, self._ends
        guard.add(self)
        here = session.hold(self._engine)
        self._session.callback(session.release, here)
        self._spec = spec = container_spec(self._model, self._binary, options, self._engine, self.name)
        here.prepare(self._stopping)
        if options.evidence is not None:
            from ivdocker.container.evidence import Evidence

            self.evidence = Evidence(options.evidence)
            ends.callback(self.evidence.close)
            self.evidence.begin(self._engine.run_command(spec))
        ends.callback(self._close_watch)
        if options.offline:
            network = OfflineNetwork(self._engine, self.name, options.keep)
            ends.callback(self._left.try_, lambda: self._end.leave or network.remove(clock.Deadline.after(_REMOVE_S)))
            network.create(here)
        loading = Ahead(http.load, "http")
        ends.callback(loading.wait)
        if spec.network == "host":
            self._reach.check_free()
        ends.callback(self._left.try_, self._remove)
        self.launch.run(spec, self._stopping, here.guard_child)
        if self._state in (State.STOPPING, State.ENDED):
            # stop() was called meanwhile, and may have given up waiting for this docker run.
            self._left.try_(self._remove)
            raise Cancelled
        ends.callback(self._stop_server)
        if self.evidence:
            self.evidence.container_made(self._engine, self.name, here)

    def _has_arrived(self, arrival: Arrival) -> bool:
        """Look once whether the container runs. Raises what wait_until_running() raises."""
        if self._state is State.STARTING and not self._start_is_over.is_set():
            arrival.seen = "start() is still at work in another thread"
            self.check()
            return False
        if self._start_error:
            raise copy(self._start_error)
        state = arrival.look()
        self._watch_it()
        self.check()
        if arrival.verdict:
            raise arrival.verdict
        self.seen = state or self.seen
        self._endpoint = self._endpoint_of(state) if state and state.status == "running" else None
        if self._endpoint is not None and not self._is_forked:
            self._advance(State.RUNNING)
        return self._endpoint is not None

    def _pause(self, seconds: float) -> None:
        """Sleep until there is something for check() to raise, at most so long."""
        wait = clock.sleep if self._is_forked else self._news.wait
        wait(seconds)

    def _advance(self, state: State) -> None:
        with self._lock:
            if self._state.value < state.value:
                self._state = state

    def _finish(self, end: End) -> None:
        if self._is_forked:
            return
        with self._lock:
            if self._state is State.INITIAL:
                return
        self._stopping.set()
        self._news.set()
        with self._ending:
            if self._state is not State.ENDED:
                self._unwind(end)
        # Also if another thread did the clean-up: only the main thread can restore signal handlers.
        guard.remove(self)

    def _unwind(self, end: End) -> None:
        self._advance(State.STOPPING)
        self._end = end
        # A docker run in another thread is left to end: cut short, its container may come later.
        if self._start_thread != threading.get_ident():
            self._start_is_over.wait(_START_S)
        for work in (self._left.retry, self._ends.close, self._end_session):
            try:
                work()
            except Exception as error:  # noqa: BLE001  (stop() raises nothing)
                log.warning("could not clean up %s completely: %r", self.name, error)

    def _end_session(self) -> None:
        if not self._left:
            self._advance(State.ENDED)
            self._session.close()

    def _stop_server(self) -> None:
        """Stop the server, and save the evidence before the removal: both states, the exit code, the log."""
        watch = self._watch_it()
        if watch:
            watch.expect_end()
        if self.evidence and self._spec:
            self.evidence.inspect(self._engine, self._spec, "inspect.json")
        if self._end.leave:
            return
        has_ended = watch is not None and (watch.end is not None or watch.is_gone)
        if not has_ended:
            removal.stop(self._engine, self._id, self._grace_s, guard.hurry)
            if self._options.graceful_stop:
                self.exit_code_after_sigterm = removal.exit_code(self._engine, self._id)
        if self._end.prove_life:
            # Beside docker rm, for which it does not wait: the engine remembers its events.
            self._death = Ahead(lambda: last_look.death(self._engine, self._id), "events")
        if self._end.keep_log:
            with contextlib.suppress(EngineError):
                self._last_log = self._read_log()
        if self.evidence and self._spec:
            self.evidence.container_ended()
            self.evidence.inspect(self._engine, self._spec, "inspect-ended.json")

    def _read_log(self) -> str:
        """Raises EngineError."""
        watch = self._watch
        if watch and watch.whole_log is not None:
            return watch.whole_log
        return self._engine.logs(self.name, timeout_s=min(_READ_LOG_S, self._engine.timeout_s))

    def _remove(self) -> bool:
        presence = self.launch.presence
        if presence == "none" or self._end.leave:
            return True
        self.was_removed = removal.remove(self._engine, self._id, clock.Deadline.after(_REMOVE_S), presence)
        # An engine that refused both docker run and docker rm has most likely made nothing.
        return self.was_removed or presence == "possible"

    def _close_watch(self) -> None:
        if self._watch:
            self._watch.close()

    def _watch_it(self) -> ContainerWatch | None:
        """Return the watch; the first call starts it. start() does not: docker logs would slow down the first docker
        inspect, for which the user waits. None in a forked child: the watch's thread is not there."""
        if self._is_forked:
            return None
        with self._lock:
            if self._watch is None and self.was_made and self._state is not State.ENDED:
                server = self._server
                pattern = rows.fatal_pattern(server.log_patterns)
                # In the host's network anybody may listen there.
                http_port = None if self._spec and self._spec.network == "host" else server.ports.get("http")
                listening = Listening(self._engine, self.name, http_port, self._reach.http)
                engine, news = self._engine, self._news
                self._watch = ContainerWatch(engine, self.name, pattern, listening, news, lambda: self.seen)
            return self._watch

    def _vouch(self) -> None:
        """Raise an error if what answers is not this server, or not one that production could start."""
        self._reach.vouch()
        if self.seen and self._spec and self._spec.init and self._options.init is None:
            entrypoint.check(self._engine, self.seen)

    def _endpoint_of(self, state: ContainerState) -> Endpoint | None:
        """The endpoint. None while a port has no binding yet."""
        server, found = self._server, self._reach.find(state)
        if found is None:
            return None
        main = next(protocol for protocol, port in server.ports.items() if port == server.main_port)
        gauge = IdleGauge(state, self._engine)
        endpoint = Endpoint(found[main], found, self.check, self.log_so_far, self._pause, gauge.is_idle)
        endpoint.look, endpoint.vouch = self.look, self._vouch
        if self._watch:
            endpoint.is_ready = self._watch.model_is_ready
        return endpoint
