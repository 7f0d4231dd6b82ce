"""Runs ``docker run`` for one container, and pulls its image if the pull policy says so."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from ivdocker import clock
from ivdocker.container.options import RunOptions
from ivdocker.diagnosis import explain
from ivdocker.diagnosis.explain import ContainerPresence
from ivdocker.engine.argv import ContainerSpec
from ivdocker.engine.client import Engine, EngineError, OnPull
from ivdocker.errors import EnvironmentFailed
from ivdocker.text import one_line

log = logging.getLogger("ivdocker")


class Launch:
    """One launch. ``presence``: whether a container exists now. ``is_made``: docker run has succeeded."""

    def __init__(self, engine: Engine, options: RunOptions, on_pull: OnPull) -> None:
        self.presence: ContainerPresence = "none"
        self.is_made = False
        self.pull_seconds: float | None = None
        """How long the pull took, in seconds. None if there was no pull."""
        self._engine = engine
        self._options = options
        self._on_pull = on_pull

    def run(
        self, spec: ContainerSpec, cancel: threading.Event, guarded: Callable[[int], AbstractContextManager[None]]
    ) -> None:
        """Create and start the container. ``cancel`` ends a pull. ``guarded(pid)`` is held while the pull runs.

        Raises EngineError (a container may exist even then), EnvironmentFailed for a limit that the engine left out,
        Cancelled.
        """

        def pull() -> None:
            watch = clock.Stopwatch()
            try:
                self._engine.pull(spec.image, spec.platform, self._on_pull, cancel, guarded)
            finally:
                self.pull_seconds = watch.seconds

        if self._options.pull == "always":
            pull()
        try:
            self._run_once(spec)
        except EngineError as error:
            if explain.engine_failure(error).code != "image-not-found" or self._options.pull != "missing":
                raise
            pull()
            self._run_once(spec)

    def _run_once(self, spec: ContainerSpec) -> None:
        self.presence = "late"
        try:
            warning = self._engine.run(spec)
        except EngineError as error:
            self.presence = explain.presence_after(error)
            raise
        self.presence, self.is_made = "certain", True
        if warning:
            # For example: the image is for another platform, so it will be slow or will not run.
            log.warning("docker run: %s", one_line(warning))
        discarded = explain.discarded_limit(warning)
        if discarded:
            raise EnvironmentFailed(failure=discarded)
