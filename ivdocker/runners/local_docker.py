"""L4. Runs a model server in the docker runtime of this machine, by docker's command line alone."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from ivdocker import clock, process
from ivdocker.diagnosis import explain
from ivdocker.engine.argv import ContainerSpec
from ivdocker.engine.client import CALL_TIMEOUT_S, Engine, EngineError
from ivdocker.engine.dialect import dialect_of
from ivdocker.engine.parse import ContainerState
from ivdocker.errors import (
    DeadlineExceeded,
    EnvironmentFailed,
    Failure,
    GracefulShutdown,
    JobAborted,
    UsageError,
    error_for,
)
from ivdocker.lifecycle import ownership
from ivdocker.lifecycle.shutdown import guard
from ivdocker.model_path import locate
from ivdocker.runners.base import BaseModelServerRunner
from ivdocker.runners.options import Identity, RunOptions, container_spec
from ivdocker.runners.watch import ContainerWatch
from ivdocker.serving import registry
from ivdocker.serving.base import Endpoint, Signature
from ivdocker.spec import LocalDockerConfig, ServingSpec

log = logging.getLogger("ivdocker")

_POLL_S = 0.02
_FATAL_LINE_GRACE_S = 0.5
"""Seconds that a server gets to end by itself after a fatal line: its exit code belongs to the evidence."""
_REMOVE_MARGIN_S = 10.0
"""Seconds beyond the grace period in which Stop() goes on trying to remove the container."""
_LATE_ARRIVAL_S = 2.0
"""Seconds in which a container may still appear after its ``docker run`` was cut short."""


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
    ) -> None:
        self._model_path = model_path
        self._binary = serving_binary
        self._config = ServingSpec.of(serving_spec).local_docker
        self._options = options or RunOptions()
        self._engine = engine_for(self._config, self._options.engine)
        self._name: str | None = None
        self._command: str | None = None
        self._may_exist = False
        self._may_appear = False
        self._is_made = False
        self._watch: ContainerWatch | None = None
        self._watch_lock = threading.Lock()
        self._endpoint: Endpoint | None = None
        self._state: ContainerState | None = None
        self._start_thread = 0
        self._start_over = threading.Event()
        self._stopping = threading.Event()
        self._stop_lock = threading.RLock()
        self._stopped = False
        self.pull_seconds: float | None = None
        """Seconds that the pull took; None when there was none."""

    def __repr__(self) -> str:
        return f"LocalDockerRunner(image: {self._binary.image})"

    @property
    def engine(self) -> Engine:
        return self._engine

    @property
    def image_id(self) -> str | None:
        """The image's ID, once the container runs."""
        return self._state.image_id if self._state else None

    @property
    def command(self) -> str | None:
        """The docker command that started the server, once Start() has built it. Secrets are not in it."""
        return self._command

    def Start(self) -> None:
        """Run the container; an image that is missing is pulled first (``options.pull``).

        Raises EnvironmentFailed, UsageError; what had been made by then is removed again.
        """
        assert self._name is None, "You cannot start model server multiple times."
        self._name = ownership.new_name()
        self._start_thread = threading.get_ident()
        try:
            guard.add(self)
            self._run(self._name)
        except EngineError as error:
            self._start_over.set()
            self.Stop()
            raise EnvironmentFailed(failure=self._engine_failure(error)) from None
        except BaseException:
            self._start_over.set()
            self.Stop()
            raise
        self._start_over.set()

    def WaitUntilRunning(self, deadline: float) -> None:
        """Wait until the container runs and its ports are published. Raises JobAborted, DeadlineExceeded,
        EnvironmentFailed when the engine does not answer."""
        assert self._name is not None, "container has not been started."
        watch, limit = clock.Stopwatch(), clock.Deadline.from_utc(deadline)
        while not limit.expired:
            state = self._inspect()
            self._begin_watch()
            self.check()
            if state is None:
                raise JobAborted(failure=self._gone())
            if state.has_ended:
                clock.sleep(_POLL_S)
                continue
            self._state = state
            self._endpoint = self._endpoint_of(state) if state.status == "running" else None
            if self._endpoint is not None:
                return
            clock.sleep(min(_POLL_S, limit.remaining))
        status = self._state.status if self._state else "not seen"
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

    def Stop(self) -> None:
        """SIGTERM, after ``options.grace_s`` seconds SIGKILL, then remove; goes on trying a little longer."""
        if self._name is None:
            return
        self._stopping.set()
        with self._stop_lock:
            if self._stopped:
                return
            deadline = clock.Deadline.after(self._options.grace_s + _REMOVE_MARGIN_S)
            self._await_start(deadline)
            if self._watch:
                self._watch.expect_end()
            if self._may_exist:
                self._stop_container(self._name)
                self._remove_container(self._name, deadline)
            if self._watch:
                self._watch.close()
            self._stopped = True
        guard.remove(self)

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
            raise error_for(explain.ended_container(watch.end, watch.log, self._signatures()))
        if watch.is_gone:
            raise JobAborted(failure=self._gone())
        if watch.error is not None:
            raise EnvironmentFailed(failure=self._engine_failure(watch.error))
        if watch.fatal_line is not None and watch.fatal_line_age > _FATAL_LINE_GRACE_S:
            failure = explain.fatal_line(watch.fatal_line, self._signatures())
            if failure is not None:
                raise error_for(failure)

    def _run(self, name: str) -> None:
        model = locate(self._model_path)
        params = self._binary.MakeDockerRunParams(model_path=model.location, needs_mount=not model.is_uri)
        ports = tuple(getattr(self._binary, "ports", {}).values()) or (self._binary.container_port,)
        identity = Identity(name, ownership.labels())
        spec = container_spec(params, ports, self._options, identity, self._publish_address())
        self._command = self._engine.run_command(spec)
        if self._options.pull == "always":
            self._pull(spec.image)
        try:
            self._run_once(spec)
        except EngineError as error:
            if explain.engine_failure(error).code != "image-not-found" or self._options.pull != "missing":
                raise
            self._pull(spec.image)
            self._run_once(spec)

    def _run_once(self, spec: ContainerSpec) -> None:
        self._may_exist = self._may_appear = True
        warning = self._engine.run(spec)
        self._may_appear, self._is_made = False, True
        if warning:
            log.info("docker run: %s", warning)

    def _pull(self, image: str) -> None:
        watch = clock.Stopwatch()
        log.info("pulling %s", image)
        try:
            self._engine.pull(image, self._options.platform, self._stopping)
        except process.Cancelled:
            raise GracefulShutdown(f"the pull of {image} was cancelled") from None
        self.pull_seconds = watch.seconds

    def _begin_watch(self) -> None:
        """Not in Start(): its log follower would compete with the first inspect, which the user waits for."""
        with self._watch_lock:
            if self._watch is None and self._is_made and not self._stopping.is_set():
                assert self._name is not None
                pattern = explain.fatal_pattern(self._signatures())
                self._watch = ContainerWatch(self._engine, self._name, pattern)

    def _inspect(self) -> ContainerState | None:
        assert self._name is not None
        try:
            return self._engine.inspect(self._name)
        except EngineError as error:
            raise EnvironmentFailed(failure=self._engine_failure(error)) from None

    def _endpoint_of(self, state: ContainerState) -> Endpoint | None:
        """None while a port has no binding yet."""
        main = self._binary.container_port
        names = dict(getattr(self._binary, "ports", {}) or {"": main})
        addresses: dict[str, str] = {}
        for protocol, port in names.items():
            address = self._address(state, port)
            if address is None:
                return None
            addresses[protocol] = address
        first = next(protocol for protocol, port in names.items() if port == main)
        return Endpoint(addresses[first], addresses, self.check)

    def _address(self, state: ContainerState, port: int) -> str | None:
        if state.network_mode == "host":
            return f"{self._engine.remote_host or '127.0.0.1'}:{port}"
        binding = state.binding(port)
        if binding is None:
            return None
        host = binding.connect_host
        if binding.address in ("", "0.0.0.0", "::") and self._engine.remote_host:
            host = self._engine.remote_host
        return f"[{host}]:{binding.port}" if ":" in host else f"{host}:{binding.port}"

    def _publish_address(self) -> str:
        address = self._config.host_ip_address
        if not address and self._engine.remote_host and self._options.network != "host":
            raise UsageError(
                f"the engine is on another machine ({self._engine.remote_host}), whose loopback cannot be reached from"
                " here; name an address of that machine: local_docker.host_ip_address in the ServingSpec"
            )
        return address or "127.0.0.1"

    def _signatures(self) -> tuple[Signature, ...]:
        """The binary's own; TFX's own object has none and is known by its image."""
        own: tuple[Signature, ...] | None = getattr(self._binary, "signatures", None)
        known = registry.by_image(self._binary.image)
        return own if own is not None else known.binary.signatures if known else ()

    def _engine_failure(self, error: EngineError) -> Failure:
        return explain.engine_failure(error, self._binary.image)

    def _gone(self) -> Failure:
        text = f"the container {self._name} is gone: somebody else removed it"
        return Failure("container-exited", text, hint="see who runs docker rm or docker system prune on this machine")

    def _await_start(self, deadline: clock.Deadline) -> None:
        """A ``docker run`` under way in another thread is left to end: cut short, its container may come later."""
        if self._start_thread != threading.get_ident():
            self._start_over.wait(deadline.remaining)

    def _stop_container(self, name: str) -> None:
        if not self._is_made or (self._watch and (self._watch.end is not None or self._watch.is_gone)):
            return
        try:
            self._engine.stop(name, self._options.grace_s, guard.hurry)
        except process.Cancelled:
            log.info("second signal: no more grace")
        except EngineError as error:
            log.warning("%s", error)

    def _remove_container(self, name: str, deadline: clock.Deadline) -> None:
        """Until it is gone, and where it may yet appear, until it has stayed away for a while."""
        quiet = clock.Deadline.after(_LATE_ARRIVAL_S if self._may_appear else 0)
        while True:
            try:
                self._engine.remove(name, timeout_s=max(1.0, deadline.remaining))
                if quiet.expired:
                    return
            except EngineError as error:
                log.warning("%s", error)
                if error.kind == "missing":
                    return
            if deadline.expired:
                log.error("could not remove the container; do it by hand: docker rm --force --volumes %s", name)
                return
            clock.sleep(0.1)


def engine_for(config: LocalDockerConfig, engine: str = "docker") -> Engine:
    """The engine that a ServingSpec's ``local_docker`` names."""
    env = {"DOCKER_API_VERSION": config.client_api_version} if config.client_api_version else {}
    return Engine(
        dialect_of(engine), config.client_base_url or None, env, float(config.client_timeout_seconds or CALL_TIMEOUT_S)
    )
