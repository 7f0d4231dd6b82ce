"""The runner that TFX's InfraValidator calls: TFX's interface to a container."""

from __future__ import annotations

import os
from typing import Any

from ivdocker import clock
from ivdocker.container.base import BaseModelServerRunner
from ivdocker.container.container import Container
from ivdocker.container.options import RunOptions
from ivdocker.model_path import absolute
from ivdocker.servers.records import Endpoint
from ivdocker.serving_spec import ServingSpec


class LocalDockerRunner(BaseModelServerRunner):
    """One model server in one container. It uses docker's command line only.

    ``model_path``: a folder or a URI. ``serving_binary``: our ServingBinary, TFX's, or one of your own, whose
    ``MakeDockerRunParams`` gives parameters of docker-py. ``serving_spec``: a ServingSpec, a dict, its JSON text, or
    TFX's message; only ``local_docker`` is read. ``options``: limits and engine.

    Call Start(), WaitUntilRunning() and GetEndpoint() in this order, and Stop() at the end on every path. A second
    Start(), WaitUntilRunning() before Start(), and GetEndpoint() before the server runs raise AssertionError.

    The constructor makes paths absolute and looks at no file. Raises UsageError if the ``serving_spec`` cannot be read,
    or ``model_path`` is no path.
    """

    def __init__(
        self,
        model_path: str | bytes | os.PathLike[str],
        serving_binary: Any,
        serving_spec: Any,
        options: RunOptions | None = None,
    ) -> None:
        options = _resolved(options or RunOptions())
        engine = ServingSpec.of(serving_spec).local_docker.connect(options.engine)
        self._image = serving_binary.image
        self._container = Container(engine, absolute(model_path, "model_path"), serving_binary, options)

    def __repr__(self) -> str:
        return f"LocalDockerRunner(image: {self._image})"

    @property
    def name(self) -> str | None:
        """The container's name. None before Start()."""
        return self._container.name or None

    @property
    def command(self) -> str | None:
        """The docker command that runs the same server in a terminal, without secrets. None before Start()."""
        return self._container.command

    @property
    def was_removed(self) -> bool:
        """Whether Stop() has removed the container."""
        return self._container.was_removed

    def check(self) -> None:
        """Raise an error if the server can no longer become ready or answer: JobAborted, ValidationFailed,
        EnvironmentFailed; GracefulShutdown if it was stopped. Cheap: makes no docker call."""
        self._container.check()

    def Start(self) -> None:
        """Run the container and do not wait for the server. Pulls a missing image (see ``options.pull``).

        Raises EnvironmentFailed, UsageError, GracefulShutdown, after everything made so far is removed.
        """
        self._container.start()

    def WaitUntilRunning(self, deadline: float) -> None:
        """Wait until the container runs and its ports are published; if Start() runs in another thread, also for that.
        ``deadline``: UTC timestamp in seconds.

        Raises JobAborted, DeadlineExceeded, UsageError for a deadline that is no number, what Start() has raised, and
        EnvironmentFailed if the engine does not answer for some seconds or somebody has paused the container.
        """
        self._container.wait_until_running(clock.Deadline.from_utc(deadline))

    def GetEndpoint(self) -> Endpoint:
        """The address of ``serving_binary.container_port``. The Endpoint also has the server's other ports."""
        return self._container.endpoint

    def GetLogs(self) -> str | None:
        """The server's log so far. None before Start(). Raises nothing.

        Of a long log: the beginning (256 KiB) and the end (1 MiB). stdout and stderr in order of arrival.
        """
        return self._container.log() if self._container.name else None

    def Stop(self) -> None:
        """Send SIGTERM, SIGKILL after ``options.grace_s`` seconds (default 10), then remove everything. Gives up 10 s
        after the grace period; another call tries again. Raises nothing itself; after a signal, the main thread calls
        the former handler here, and raises what that raises. Does nothing in a forked child: the server is its
        parent's."""
        self._container.stop()


def _resolved(options: RunOptions) -> RunOptions:
    """The options with absolute paths. Raises UsageError."""
    evidence = None if options.evidence is None else absolute(options.evidence, "options.evidence")
    env_files = tuple(absolute(each, "options.env_files") for each in options.env_files)
    return options._replace(evidence=evidence, env_files=env_files)
