"""Runs a model server in the docker runtime of this machine, by docker's command line alone."""

from __future__ import annotations

import logging
import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from ivdocker import clock
from ivdocker.container import labels, removal
from ivdocker.container.addresses import addresses, publish_address
from ivdocker.container.base import BaseModelServerRunner
from ivdocker.container.network import OfflineNetwork
from ivdocker.container.options import Identity, RunOptions, container_spec
from ivdocker.container.orphans import sweeps
from ivdocker.container.signals import guard
from ivdocker.container.usage import UsageWatch
from ivdocker.container.watch import ContainerWatch
from ivdocker.container.watchdog import watchdogs
from ivdocker.diagnosis import explain
from ivdocker.engine.argv import ContainerSpec
from ivdocker.engine.client import CALL_TIMEOUT_S, Engine, EngineError, OnPull
from ivdocker.engine.dialect import dialect_of
from ivdocker.engine.parse import ContainerState
from ivdocker.errors import (
    DeadlineExceeded,
    EnvironmentFailed,
    Failure,
    GracefulShutdown,
    JobAborted,
    error_for,
)
from ivdocker.model_path import locate
from ivdocker.process import tree
from ivdocker.process.run import Cancelled
from ivdocker.servers import registry
from ivdocker.servers.base import LogPattern
from ivdocker.servers.client import Endpoint
from ivdocker.text import one_line
from ivdocker.tfx import LocalDockerConfig, ServingSpec

if TYPE_CHECKING:
    from ivdocker.container.evidence import Evidence

log = logging.getLogger("ivdocker")

_POLL_S = 0.02
_FATAL_LINE_GRACE_S = 0.5
"""Seconds that a server gets to end by itself after a fatal line: its exit code belongs to the evidence."""
_AFTER_YOU_S = 0.02
"""Seconds by which the rest lets docker run start first: two forks at once take twice as long each."""
_READ_LOG_S = 10.0
_REMOVE_MARGIN_S = 10.0
"""Seconds beyond the grace period in which Stop() goes on trying to remove the container."""


class LocalDockerRunner(BaseModelServerRunner):
    """One model server in one container.

    ``model_path``: a folder or a URI. ``serving_binary``: ours or TFX's own. ``serving_spec``: a ServingSpec, a dict,
    the JSON text of one, or TFX's message; of it only ``local_docker`` is read. ``options``: limits and engine.
    The constructor does nothing but remember them.
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str],
        serving_binary: Any,
        serving_spec: Any,
        options: RunOptions | None = None,
        on_pull: OnPull = lambda _output, _progress: None,
    ) -> None:
        self._model_path = model_path
        self._binary = serving_binary
        self._config = ServingSpec.of(serving_spec).local_docker
        self._options = options or RunOptions()
        self._on_pull = on_pull
        self._engine = engine_for(self._config, self._options.engine)
        self._evidence = _evidence(self._options.evidence)
        self._spec: ContainerSpec | None = None
        self._name: str | None = None
        self._is_made = False
        """``docker run`` has said so."""
        self._container: explain.ContainerPresence = "none"
        self._watch: ContainerWatch | None = None
        self._watch_lock = threading.Lock()
        self._meanwhile = threading.Thread(target=self._while_it_starts, name="ivdocker-meanwhile", daemon=True)
        self._endpoint: Endpoint | None = None
        self._state: ContainerState | None = None
        self._is_guarded = False
        self._start_thread = 0
        self._start_over = threading.Event()
        self._stopping = threading.Event()
        self._stop_lock = threading.RLock()
        self._stopped = False
        self._network: OfflineNetwork | None = None
        self.stopped_with: int | None = None
        """The exit code with which the server took its SIGTERM, with ``options.graceful_stop``."""
        self.pull_seconds: float | None = None
        """Seconds that the pull took; None when there was none."""
        self.was_removed = False
        """Whether Stop() has removed the container."""

    def __repr__(self) -> str:
        return f"LocalDockerRunner(image: {self._binary.image})"

    @property
    def name(self) -> str | None:
        """The container's name, from Start() on."""
        return self._name

    @property
    def was_made(self) -> bool:
        """Whether there has been a container."""
        return self._is_made

    @property
    def engine_name(self) -> str:
        """``docker`` or ``podman``."""
        return self._engine.dialect.name

    @property
    def image_id(self) -> str | None:
        """The image's ID, once the container runs."""
        return self._state.image_id if self._state else None

    @property
    def evidence(self) -> Evidence | None:
        return self._evidence

    @property
    def command(self) -> str | None:
        """The docker command that runs the same server in a terminal, from Start() on. Secrets are not in it."""
        return self._engine.foreground_command(self._spec, self._network is not None) if self._spec else None

    def measure(self) -> UsageWatch:
        """Begin to sample what the container takes, once it runs; the caller closes it."""
        assert self._state is not None, "container is not running."
        return UsageWatch(self._engine, self._state)

    def plan(self, name: str) -> ContainerSpec:
        """The container that Start() would make. Raises UsageError."""
        model = locate(self._model_path)
        params = self._binary.MakeDockerRunParams(model_path=model.location, needs_mount=not model.is_uri)
        identity = Identity(name, labels.labels(self._options.keep, self._options.offline))
        remote_host = self._engine.remote_host if self._options.network != "host" else None
        address = publish_address(self._config.host_ip_address, remote_host)
        return container_spec(params, tuple(self._ports().values()), self._options, identity, address)

    def Start(self) -> None:
        """Run the container; an image that is missing is pulled first (``options.pull``).

        Raises EnvironmentFailed, UsageError, GracefulShutdown; what had been made by then is removed again.
        """
        assert self._name is None, "You cannot start model server multiple times."
        self._name = labels.new_name()
        self._start_thread = threading.get_ident()
        try:
            guard.add(self)
            watchdogs.hold(self._engine)
            self._is_guarded = True
            spec = self.plan(self._name)
            sweeps.sweep(self._engine, self._stopping)
            if self._options.offline:
                self._network = OfflineNetwork(self._engine, self._name, self._options.keep)
                self._network.create()
            self._run(spec)
        except BaseException as error:
            # Nothing of Start() is under way any more, and who stops us waits for that.
            self._start_over.set()
            self.Stop()
            if isinstance(error, EngineError):
                raise EnvironmentFailed(failure=self._engine_failure(error)) from None
            if isinstance(error, Cancelled):
                guard.raise_if_requested()
                raise GracefulShutdown("the model server was stopped before it ran") from None
            raise
        self._start_over.set()

    def WaitUntilRunning(self, deadline: float) -> None:
        """Wait until the container runs and its ports are published. Raises JobAborted, DeadlineExceeded,
        EnvironmentFailed when the engine does not answer."""
        assert self._name is not None, "container has not been started."
        watch, limit = clock.Stopwatch(), clock.Deadline.from_utc(deadline)
        while not limit.expired:
            state = self._inspect(self._name)
            self._begin_watch()
            self.check()
            if state is None:
                raise JobAborted(failure=self._gone())
            self._state = state
            if state.status == "running":
                self._endpoint = self._endpoint_of(state)
                if self._endpoint is not None:
                    return
            clock.sleep(min(_POLL_S, limit.remaining))
        status = self._state.status if self._state else "not looked at"
        text = f"the container was not running with its ports published after {watch.seconds:.1f} s (status: {status})"
        raise DeadlineExceeded(failure=Failure("engine-timeout", text))

    def GetEndpoint(self) -> Endpoint:
        assert self._endpoint is not None, "the model server is not running yet; call WaitUntilRunning() first."
        return self._endpoint

    def GetLogs(self) -> str | None:
        """The beginning (256 KiB) and the end (1 MiB) of what the server wrote, stdout and stderr as they came."""
        if self._name is None:
            return None
        self._begin_watch()
        return self._watch.log if self._watch else ""

    def read_log(self) -> str:
        """The same up to this moment, for one docker call: what is read along is some milliseconds behind. Raises
        EnvironmentFailed."""
        try:
            return self._engine.logs(self._name or "", timeout_s=_READ_LOG_S)
        except EngineError as error:
            raise EnvironmentFailed(failure=self._engine_failure(error)) from None

    def Stop(self) -> None:
        """SIGTERM, after ``options.grace_s`` seconds SIGKILL, then remove; goes on trying a little longer."""
        self._end(leave=False)

    def Leave(self) -> str | None:
        """Instead of Stop(): leave the container as it is, for somebody to look into; its name, if there is one."""
        self._end(leave=True)
        return self._name if self._is_made else None

    def check(self) -> None:
        """Raises what has happened to the server: JobAborted, ValidationFailed, EnvironmentFailed; GracefulShutdown
        when it was stopped. Costs next to nothing."""
        guard.raise_if_requested()
        if self._stopping.is_set():
            raise GracefulShutdown("the model server was stopped")
        watch = self._watch
        if watch is None:
            return
        if watch.end is not None:
            raise error_for(explain.ended_container(watch.end, watch.log, self._log_patterns()))
        if watch.is_gone:
            raise JobAborted(failure=self._gone())
        if watch.error is not None:
            raise EnvironmentFailed(failure=self._engine_failure(watch.error))
        if watch.loopback_port is not None:
            raise error_for(explain.loopback_listener(watch.loopback_port))
        if watch.fatal_line is not None and watch.fatal_line_age > _FATAL_LINE_GRACE_S:
            failure = explain.fatal_line(watch.fatal_line, watch.log, self._log_patterns())
            if failure is not None:
                raise error_for(failure)

    def _run(self, spec: ContainerSpec) -> None:
        self._spec = spec
        if self._evidence:
            self._evidence.begin(self._engine.run_command(spec))
        if self._options.pull == "always":
            self._pull(spec.image)
        try:
            self._run_once(spec)
        except EngineError as error:
            if explain.engine_failure(error).code != "image-not-found" or self._options.pull != "missing":
                raise
            self._pull(spec.image)
            self._run_once(spec)
        if self._evidence:
            self._evidence.container_made(self._engine, spec.name)

    def _run_once(self, spec: ContainerSpec) -> None:
        if self._meanwhile.ident is None:
            self._meanwhile.start()
        self._container = "late"
        try:
            warning = self._engine.run(spec)
        except EngineError as error:
            self._container = explain.presence_after(error)
            raise
        self._container, self._is_made = "certain", True
        if warning:
            # That the image is for another platform, for instance, and will be slow if it runs at all.
            log.warning("docker run: %s", one_line(warning))

    def _while_it_starts(self) -> None:
        """What is needed once it runs takes 45 ms to import."""
        clock.sleep(_AFTER_YOU_S)
        tree.prepare()
        explain.fatal_pattern(self._log_patterns())

    def _pull(self, image: str) -> None:
        watch, guarded = clock.Stopwatch(), partial(watchdogs.child, self._engine)
        try:
            self._engine.pull(image, self._options.platform, self._on_pull, self._stopping, guarded)
        finally:
            self.pull_seconds = watch.seconds

    def _begin_watch(self) -> None:
        """Not in Start(): its log follower would compete with the first inspect, which the user waits for."""
        with self._watch_lock:
            if self._watch is None and self._is_made and not self._stopped:
                assert self._name is not None
                http_port = self._ports().get("http")
                pattern = explain.fatal_pattern(self._log_patterns())
                self._watch = ContainerWatch(self._engine, self._name, pattern, http_port)

    def _inspect(self, name: str) -> ContainerState | None:
        try:
            return self._engine.inspect(name)
        except EngineError as error:
            raise EnvironmentFailed(failure=self._engine_failure(error)) from None

    def _ports(self) -> dict[str, int]:
        """By protocol; TFX's own object knows one port only, which speaks gRPC."""
        return dict(getattr(self._binary, "ports", {"grpc": self._binary.container_port}))

    def _endpoint_of(self, state: ContainerState) -> Endpoint | None:
        """None while a port has no binding yet."""
        ports = self._ports()
        found = addresses(state, ports, self._engine.remote_host, self._name if self._network else None)
        if found is None:
            return None
        main = next(protocol for protocol, port in ports.items() if port == self._binary.container_port)
        return Endpoint(found[main], found, self.check, self.GetLogs)

    def _log_patterns(self) -> tuple[LogPattern, ...]:
        """The binary's own; TFX's own object has none and is known by its image."""
        own: tuple[LogPattern, ...] | None = getattr(self._binary, "log_patterns", None)
        known = registry.by_image(self._binary.image)
        return own if own is not None else known.binary.log_patterns if known else ()

    def _engine_failure(self, error: EngineError) -> Failure:
        return explain.engine_failure(error, self._binary.image)

    def _gone(self) -> Failure:
        text = f"the container {self._name} is gone: somebody else removed it"
        return Failure("container-exited", text, hint="see who runs docker rm or docker system prune on this machine")

    def _end(self, leave: bool) -> None:
        if self._name is None:
            return
        self._stopping.set()
        with self._stop_lock:
            if not self._stopped:
                self._end_for_good(self._name, leave)
                self._stopped = True
        # Also when another thread was faster: only the main thread can put signal handlers back.
        guard.remove(self)

    def _end_for_good(self, name: str, leave: bool) -> None:
        deadline = clock.Deadline.after(self._options.grace_s + _REMOVE_MARGIN_S)
        # A docker run under way in another thread is left to end: cut short, its container may come later.
        if self._start_thread != threading.get_ident():
            self._start_over.wait(deadline.remaining)
        self._end_container(name, deadline, leave)
        if self._is_guarded:
            watchdogs.release(self._engine)

    def _end_container(self, name: str, deadline: clock.Deadline, leave: bool) -> None:
        self._begin_watch()
        if self._watch:
            self._watch.expect_end()
        if self._evidence and self._spec and self._is_made:
            self._evidence.container_ends(self._engine, self._spec)
        if self._container != "none" and not leave:
            has_ended = self._watch is not None and (self._watch.end is not None or self._watch.is_gone)
            if self._is_made and not has_ended:
                self._stop_server(name)
            self.was_removed = removal.remove(self._engine, name, deadline, self._container)
        if self._network and not leave:
            self._network.remove(deadline)
        if self._watch:
            self._watch.close()
        if self._evidence:
            self._evidence.close()
        if self._meanwhile.ident is not None:
            self._meanwhile.join(deadline.remaining)

    def _stop_server(self, name: str) -> None:
        removal.stop(self._engine, name, self._options.grace_s, guard.hurry)
        if self._watch:
            self._watch.read_up()
        if self._options.graceful_stop:
            self.stopped_with = removal.exit_code(self._engine, name)


def _evidence(folder: str | os.PathLike[str] | None) -> Evidence | None:
    if folder is None:
        return None
    from pathlib import Path

    from ivdocker.container.evidence import Evidence

    return Evidence(Path(folder))


def engine_for(config: LocalDockerConfig, engine: str = "docker") -> Engine:
    """The engine that a ServingSpec's ``local_docker`` names."""
    env = {"DOCKER_API_VERSION": config.client_api_version} if config.client_api_version else {}
    return Engine(
        dialect_of(engine), config.client_base_url or None, env, float(config.client_timeout_seconds or CALL_TIMEOUT_S)
    )
