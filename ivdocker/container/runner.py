"""TFX's face on a container: the runner that TFX's InfraValidator calls."""

from __future__ import annotations

import os
from typing import Any

from ivdocker import clock
from ivdocker.container.base import BaseModelServerRunner
from ivdocker.container.container import Container
from ivdocker.container.options import RunOptions
from ivdocker.servers.records import Endpoint
from ivdocker.tfx import ServingSpec


class LocalDockerRunner(BaseModelServerRunner):
    """One model server in one container, by docker's command line alone.

    ``model_path``: a folder or a URI. ``serving_binary``: ours or TFX's own. ``serving_spec``: a ServingSpec, a dict,
    the JSON text of one, or TFX's message; of it only ``local_docker`` is read. ``options``: limits and engine.
    The constructor remembers them and does nothing else. Raises UsageError for a ``serving_spec`` that cannot be read.
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str],
        serving_binary: Any,
        serving_spec: Any,
        options: RunOptions | None = None,
    ) -> None:
        options = options or RunOptions()
        engine = ServingSpec.of(serving_spec).local_docker.connect(options.engine)
        self._image = serving_binary.image
        self._container = Container(engine, model_path, serving_binary, options)

    def __repr__(self) -> str:
        return f"LocalDockerRunner(image: {self._image})"

    @property
    def name(self) -> str | None:
        """The container's name, from Start() on."""
        return self._container.name or None

    @property
    def command(self) -> str | None:
        """The docker command that runs the same server in a terminal, from Start() on. Secrets are not in it."""
        return self._container.command

    @property
    def was_removed(self) -> bool:
        """Whether Stop() has removed the container."""
        return self._container.was_removed

    def check(self) -> None:
        """Raises what has happened to the server: JobAborted, ValidationFailed, EnvironmentFailed; GracefulShutdown
        when it was stopped. Costs next to nothing."""
        self._container.check()

    def Start(self) -> None:
        """Run the container and do not wait for the server; an image that is missing is pulled (``options.pull``).

        Raises EnvironmentFailed, UsageError, GracefulShutdown; what had been made by then is removed again.
        """
        self._container.start()

    def WaitUntilRunning(self, deadline: float) -> None:
        """Wait until the container runs and its ports are published. ``deadline``: UTC timestamp in seconds.

        Raises JobAborted, DeadlineExceeded, EnvironmentFailed when the engine does not answer.
        """
        self._container.wait_until_running(clock.Deadline.from_utc(deadline))

    def GetEndpoint(self) -> Endpoint:
        """The address of ``serving_binary.container_port``; it knows the server's other ports too."""
        return self._container.endpoint

    def GetLogs(self) -> str | None:
        """All that the server has written by now; None before Start(). Raises nothing.

        Of a long log the beginning (256 KiB) and the end (1 MiB), stdout and stderr in the order in which they came.
        """
        return self._container.log() if self._container.name else None

    def Stop(self) -> None:
        """SIGTERM, after ``options.grace_s`` seconds (default 10) SIGKILL, then remove; tries a little longer than
        that."""
        self._container.stop()
