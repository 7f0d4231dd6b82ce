"""L2. The engine: one method per docker verb, each with a deadline."""

from __future__ import annotations

import os
import re
import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from ivdocker import clock, process
from ivdocker.engine import argv, parse
from ivdocker.engine.dialect import Dialect
from ivdocker.engine.logs import LogFollower

CALL_TIMEOUT_S = 60.0
"""Seconds that a docker call may take, where nothing else is said (TFX's docker client has the same default)."""

PULL_TIMEOUT_S = 1800.0

_NOT_FOUND = re.compile(r"no such (container|image|object)|no container with name|image not known", re.IGNORECASE)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_BEING_REMOVED = re.compile(r"removal of container .* is already in progress", re.IGNORECASE)


_T = TypeVar("_T")


class EngineError(Exception):
    """A docker call did not do what it was asked.

    ``kind``: ``failed`` (it said so: see ``stderr``), ``missing`` (no such program), ``timeout`` or ``unreadable``.
    """

    def __init__(self, kind: str, command: str, stderr: str, returncode: int | None = None) -> None:
        super().__init__(f"{command}: {kind}: {stderr}")
        self.kind, self.command, self.stderr, self.returncode = kind, command, stderr, returncode


class Engine:
    """Where to reach the engine, and how long a call to it may take.

    ``host`` is docker's ``--host``; without it docker's own rules hold (DOCKER_HOST, contexts). ``env`` is added to
    docker's environment.
    """

    def __init__(
        self,
        dialect: Dialect,
        host: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        self.dialect = dialect
        self.host = host
        self.env = dict(env or {})
        self.timeout_s = timeout_s

    @property
    def remote_host(self) -> str | None:
        """The host name of an engine on another machine, None for one on this machine."""
        parts = urlsplit(self.host or self.env.get("DOCKER_HOST") or os.environ.get("DOCKER_HOST") or "")
        is_remote = parts.scheme in ("tcp", "ssh", "http", "https") and parts.hostname not in _LOOPBACK
        return parts.hostname if is_remote else None

    def run_command(self, spec: argv.ContainerSpec) -> str:
        """The command line that :meth:`run` runs."""
        return self.command_line(argv.run(spec))

    def run(self, spec: argv.ContainerSpec) -> str:
        """``docker run --detach``; returns what it said on stderr (warnings). Raises EngineError, and then the
        container may exist all the same."""
        return self._call(argv.run(spec), secret_env=spec.secret_env).error_text

    def inspect(self, name: str, *, timeout_s: float | None = None) -> parse.ContainerState | None:
        """The container's state, None when there is no such container. Raises EngineError."""
        words = argv.inspect(name)
        result = self._call(words, timeout_s=timeout_s, check=False)
        if result.returncode == 0:
            return self._parsed(words, lambda: parse.container(result.stdout, self.dialect))
        self._check_not_found(words, result)
        return None

    def stop(self, name: str, grace_s: int, cancel: threading.Event | None = None) -> None:
        """SIGTERM, after ``grace_s`` seconds SIGKILL. Raises EngineError, process.Cancelled."""
        self._call(argv.stop(self.dialect, name, grace_s), timeout_s=grace_s + self.timeout_s, cancel=cancel)

    def remove(self, name: str, *, timeout_s: float | None = None) -> None:
        """Remove it and its anonymous volumes, running or not; one that is not there is fine. Raises EngineError."""
        words = argv.remove(name)
        result = self._call(words, timeout_s=timeout_s, check=False)
        if result.returncode != 0 and not _BEING_REMOVED.search(result.error_text):
            self._check_not_found(words, result)

    def pull(self, image: str, platform: str | None, cancel: threading.Event | None = None) -> None:
        """Raises EngineError, process.Cancelled."""
        self._call(argv.pull(image, platform), timeout_s=PULL_TIMEOUT_S, cancel=cancel)

    def image(self, name: str) -> parse.Image | None:
        """The local image of that name, None when there is none. Raises EngineError."""
        words = argv.image_inspect(name)
        result = self._call(words, check=False)
        if result.returncode == 0:
            return self._parsed(words, lambda: parse.image(result.stdout))
        self._check_not_found(words, result)
        return None

    def version(self, *, timeout_s: float | None = None) -> parse.EngineVersion:
        """Raises EngineError, also when the client is there and no engine answers it."""
        words = argv.version()
        result = self._call(words, timeout_s=timeout_s)
        return self._parsed(words, lambda: parse.version(result.stdout, self.dialect))

    def follow_logs(self, name: str, watch: re.Pattern[bytes] | None) -> LogFollower:
        """Follow the container's log in a thread of its own until the container ends. Raises EngineError."""
        words = argv.logs(name)
        try:
            return LogFollower(process.Child.spawn(self._command(words), env=self.env), watch)
        except (process.ProgramNotFound, process.ProgramNotStarted) as error:
            raise EngineError("missing", self.command_line(words), str(error)) from None

    def command_line(self, words: Sequence[str]) -> str:
        """The whole command as one would type it."""
        return shlex.join(self._command(words))

    def _command(self, words: Sequence[str]) -> list[str]:
        host = [f"{self.dialect.host_flag}={self.host}"] if self.host else []
        return [self.dialect.program, *host, *words]

    def _call(
        self,
        words: Sequence[str],
        *,
        timeout_s: float | None = None,
        check: bool = True,
        secret_env: Mapping[str, str] | None = None,
        cancel: threading.Event | None = None,
    ) -> process.Result:
        seconds = self.timeout_s if timeout_s is None else timeout_s
        try:
            result = process.run(
                self._command(words),
                deadline=clock.Deadline.after(seconds),
                env={**self.env, **(secret_env or {})},
                cancel=cancel,
            )
        except process.ProgramNotFound:
            raise EngineError("missing", self.command_line(words), f"{self.dialect.program}: not found") from None
        except process.ProgramNotStarted as error:
            raise EngineError("missing", self.command_line(words), str(error)) from None
        except process.ProgramTimeout:
            raise EngineError("timeout", self.command_line(words), f"no answer in {seconds:g} s") from None
        if check and result.returncode != 0:
            raise self._failed(words, result)
        return result

    def _failed(self, words: Sequence[str], result: process.Result) -> EngineError:
        return EngineError("failed", self.command_line(words), result.error_text, result.returncode)

    def _check_not_found(self, words: Sequence[str], result: process.Result) -> None:
        if not _NOT_FOUND.search(result.error_text):
            raise self._failed(words, result)

    def _parsed(self, words: Sequence[str], read: Callable[[], _T]) -> _T:
        try:
            return read()
        except parse.Unreadable as error:
            raise EngineError("unreadable", self.command_line(words), str(error)) from None
