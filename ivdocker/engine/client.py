"""Runs the engine's command line: one method per docker verb, each call with a deadline."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from ivdocker import clock
from ivdocker.engine import argv, parse
from ivdocker.engine.dialect import Dialect
from ivdocker.engine.logs import LogFollower
from ivdocker.engine.pull import PullProgress, shown_errors
from ivdocker.process.run import (
    Child,
    NoMoreProcesses,
    Output,
    ProgramNotFound,
    ProgramNotStarted,
    ProgramTimeout,
    Result,
    run,
)

CALL_TIMEOUT_S = 60.0
"""Default limit for one docker call, in seconds. TFX's docker client has the same default."""

PULL_IDLE_S = 120.0
"""A pull fails after this many seconds without progress. A pull that makes progress has no time limit."""

_NOT_FOUND = (
    r"(?i)no such (container|image|object|network)|network \S+ not found|unable to find network"
    r"|no container with name|image not known"
)
_LOOPBACK = r"localhost|127(\.\d+){3}|::1"
_BEING_REMOVED = r"(?i)removal of container .* is already in progress"


_EVENTS_S = 5.0
_PULL_ERROR_BYTES = 8192
_LOG_TRIES = 3
_LOG_RETRY_S = 0.2

OnPull = Callable[[bytes, str], object]
"""Called with docker's raw progress output of a pull, and with a summary of the progress."""

Guarded = Callable[[int], AbstractContextManager[None]]
_T = TypeVar("_T")


class EngineError(Exception):
    """A docker call failed.

    ``kind``: ``failed`` (docker reported an error: see ``stderr``), ``missing`` (no such program), ``timeout``,
    ``stalled`` (a pull without progress), ``exhausted`` (the system has no process or thread left) or ``unreadable``
    (unknown output). ``stdout``: the output until then;
    ``docker run`` prints the container's ID as soon as the container exists.
    """

    def __init__(
        self, kind: str, command: str, stderr: str, returncode: int | None = None, stdout: bytes = b""
    ) -> None:
        super().__init__(f"{command}: {kind}: {stderr}")
        self.kind, self.command, self.stderr, self.returncode = kind, command, stderr, returncode
        self.stdout = stdout

    @property
    def was_cut_short(self) -> bool:
        """Whether docker was killed or lost before it finished. The engine may still carry out the request."""
        return self.kind in ("timeout", "exhausted") or (self.returncode or 0) < 0

    def is_like(self, other: EngineError | None) -> bool:
        """Whether both errors have the same kind, exit code and message."""
        mine = self.kind, self.returncode, self.stderr
        return other is not None and mine == (other.kind, other.returncode, other.stderr)


class Engine:
    """One engine, reached through its command line.

    ``host``: docker's ``--host``; without it docker's own rules apply (DOCKER_HOST, contexts). ``env`` is added to
    docker's environment. ``timeout_s``: the limit for one call, in seconds (default 60). ``publish_address``: the
    address on which ports are published (default 127.0.0.1).
    """

    def __init__(
        self,
        dialect: Dialect,
        host: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
        publish_address: str = "",
    ) -> None:
        self.dialect = dialect
        self.publish_address = publish_address
        self.host = host
        self.env = dict(env or {})
        self.timeout_s = timeout_s

    @property
    def remote_host(self) -> str | None:
        """The host name of the engine if it is on another machine, else None."""
        address = self.host or self.env.get("DOCKER_HOST") or os.environ.get("DOCKER_HOST")
        if not address:
            return None
        from urllib.parse import urlsplit

        parts = urlsplit(address)
        is_remote = parts.scheme in ("tcp", "ssh") and not re.fullmatch(_LOOPBACK, parts.hostname or "localhost")
        return parts.hostname if is_remote else None

    def run_command(self, spec: argv.ContainerSpec) -> str:
        """The command line that :meth:`run` runs."""
        return self.command_line(argv.run(spec))

    def foreground_command(self, spec: argv.ContainerSpec, offline: bool = False) -> str:
        """The command that runs the same container in the foreground and removes it at its end.

        ``offline``: the container's own network no longer exists then, so the command uses ``--network=none``."""
        if offline:
            spec = spec._replace(network="none")
        return self.command_line(argv.run_in_foreground(spec))

    def run(self, spec: argv.ContainerSpec) -> str:
        """``docker run --detach``. Return docker's warnings (stderr). Raises EngineError; the container may exist even
        then."""
        return self._call(argv.run(spec), env=spec.secret_env).error_text

    def inspect(self, name: str, *, timeout_s: float | None = None) -> parse.ContainerState | None:
        """The container's state. None if there is no such container. Raises EngineError."""
        words = argv.inspect(name)
        result = self._call(words, timeout_s=timeout_s, check=False)
        if result.returncode == 0:
            return self._parsed(words, lambda: parse.container(result.stdout, self.dialect))
        self._check_not_found(words, result)
        return None

    def inspect_text(self, name: str, *, timeout_s: float) -> bytes:
        """The output of ``container inspect``: JSON. Raises EngineError."""
        return self._call(argv.inspect(name), timeout_s=timeout_s).stdout

    def stop(self, name: str, grace_s: int, *, timeout_s: float, cancel: threading.Event) -> None:
        """Send SIGTERM, and SIGKILL after ``grace_s`` seconds. Raises EngineError, Cancelled."""
        self._call(argv.stop(self.dialect, name, grace_s), timeout_s=timeout_s, cancel=cancel)

    def remove(self, name: str, *, timeout_s: float | None = None) -> None:
        """Remove a container, even a running one, and its anonymous volumes. A missing container is no error. Raises
        EngineError."""
        words = argv.remove(name)
        result = self._call(words, timeout_s=timeout_s, check=False)
        if result.returncode != 0 and not re.search(_BEING_REMOVED, result.error_text):
            self._check_not_found(words, result)

    def ps(self, label: str, cancel: threading.Event | None = None) -> list[parse.Listed]:
        """List the containers with the label, in any state. Raises EngineError, Cancelled."""
        words = argv.listing(label)
        result = self._call(words, cancel=cancel)
        return self._parsed(words, lambda: parse.listing(result.stdout))

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Create an internal network, without access to other machines. Raises EngineError."""
        self._call(argv.network_create(name, labels))

    def remove_network(self, name: str, *, timeout_s: float | None = None) -> None:
        """Remove a network. A missing network is no error; a network with a container in it is. Raises EngineError."""
        words = argv.network_remove(name)
        result = self._call(words, timeout_s=timeout_s, check=False)
        if result.returncode != 0:
            self._check_not_found(words, result)

    def networks(self, label: str) -> list[parse.Listed]:
        """List the networks with the label. Raises EngineError."""
        words = argv.network_listing(label)
        result = self._call(words)
        return self._parsed(words, lambda: parse.networks(result.stdout))

    def pull(
        self, image: str, platform: str | None, on_output: OnPull, cancel: threading.Event, guarded: Guarded
    ) -> None:
        """Pull an image on a pseudo-terminal, because docker shows detailed progress only there. ``on_output`` gets it.

        The context manager ``guarded(pid)`` is held while the program runs. Raises EngineError (kind ``stalled`` after
        PULL_IDLE_S seconds without progress), Cancelled.
        """
        words = argv.pull(image, platform)
        output, errors = self.dialect.pull_output, bytearray()
        progress, patience = PullProgress(), clock.Patience(PULL_IDLE_S)

        def show(chunk: bytes) -> None:
            if progress.feed(chunk):
                patience.renew()
            on_output(chunk, str(progress))

        def read_errors(chunk: bytes) -> None:
            errors[:] = (errors + chunk)[-_PULL_ERROR_BYTES:]
            # A wrapper that is not known may show its progress here, too.
            if output == "error terminal":
                show(chunk)
            elif progress.feed(chunk):
                patience.renew()

        child = self._spawn(words, output)
        try:
            with guarded(child.pid):
                returncode = child.pump(show, read_errors, patience, cancel)
        except ProgramTimeout:
            raise EngineError("stalled", self.command_line(words), f"no progress for {PULL_IDLE_S:g} s") from None
        if returncode != 0:
            raise EngineError("failed", self.command_line(words), shown_errors(bytes(errors)), returncode)

    def ending(self, name: str) -> parse.Ending:
        """What the engine's events tell of the container's end. Raises EngineError."""
        words = argv.past_events(name, clock.utc())
        result = self._call(words, timeout_s=_EVENTS_S)
        return self._parsed(words, lambda: parse.ending(result.stdout))

    def exec(self, name: str, command: Sequence[str], *, timeout_s: float) -> str | None:
        """Run a command in the container and return its stdout. None if the command fails. Raises EngineError."""
        result = self._call(argv.exec(name, command), timeout_s=timeout_s, check=False)
        return result.stdout.decode("utf-8", "replace") if result.returncode == 0 else None

    def kill(self, name: str, *, timeout_s: float) -> None:
        """Send SIGKILL. Raises EngineError, also if the container has ended."""
        self._call(argv.kill(name), timeout_s=timeout_s)

    def memory(self, name: str, *, timeout_s: float, cancel: threading.Event) -> int | None:
        """The memory that the container uses, in bytes, from ``docker stats``. None if the container has ended. Raises
        EngineError, Cancelled."""
        words = argv.stats(name)
        result = self._call(words, timeout_s=timeout_s, cancel=cancel)
        return self._parsed(words, lambda: parse.memory(result.stdout))

    def start(self, words: Sequence[str], output: tuple[int, int]) -> Child:
        """Start any docker command with stdout and stderr on the two descriptors. Raises EngineError."""
        return self._spawn(words, output)

    def image(self, name: str) -> parse.Image | None:
        """The local image with this name. None if there is none. Raises EngineError."""
        words = argv.image_inspect(name)
        result = self._call(words, check=False)
        if result.returncode == 0:
            return self._parsed(words, lambda: parse.image(result.stdout))
        self._check_not_found(words, result)
        return None

    def images(self, *, timeout_s: float) -> list[str]:
        """The names of the images on the engine's machine, each with its tag. Raises EngineError."""
        names = self._call(argv.images(), timeout_s=timeout_s).stdout.decode("utf-8", "replace").split()
        return [name for name in names if "<none>" not in name]

    def info(self, *, timeout_s: float) -> parse.EngineInfo:
        """What the engine can do on its machine. Raises EngineError."""
        words = argv.info()
        result = self._call(words, timeout_s=timeout_s)
        return self._parsed(words, lambda: parse.info(result.stdout))

    def version(self, *, timeout_s: float | None = None) -> parse.EngineVersion:
        """The versions of client and engine. Raises EngineError, also if the client runs but no engine answers."""
        words = argv.version()
        result = self._call(words, timeout_s=timeout_s)
        return self._parsed(words, lambda: parse.version(result.stdout, self.dialect))

    def follow_logs(self, name: str, watch: re.Pattern[bytes] | None) -> LogFollower:
        """Follow the container's log in a thread until the container ends. Raises EngineError."""
        return LogFollower(self._spawn(argv.logs(name), "one pipe"), watch)

    def logs(self, name: str, *, timeout_s: float, since: float | None = None) -> str:
        """The container's log so far: its beginning (256 KiB) and its end (1 MiB). ``since``: only what was written
        after this UTC timestamp, by the engine's clock. Raises EngineError after 3 tries, because once the container is
        removed its log is gone for good."""
        limit = clock.Deadline.after(timeout_s)
        for _ in range(_LOG_TRIES - 1):
            with contextlib.suppress(EngineError):
                return self._logs(name, limit.remaining, since)
            clock.sleep(min(_LOG_RETRY_S, limit.remaining))
        return self._logs(name, limit.remaining, since)

    def _logs(self, name: str, timeout_s: float, since: float | None) -> str:
        words = argv.logs(name, follow=False, since=since)
        reader = LogFollower(self._spawn(words, "one pipe"))
        reader.ended.wait(timeout_s)
        reader.close()
        if reader.returncode != 0:
            # The text may be an error message of docker itself.
            raise EngineError("failed", self.command_line(words), "it does not show the whole log", reader.returncode)
        return reader.text()

    def command(self, words: Sequence[str]) -> list[str]:
        """The full command: program, host flag and ``words``."""
        host = [f"{self.dialect.host_flag}={self.host}"] if self.host else []
        return [self.dialect.program, *host, *words]

    def command_line(self, words: Sequence[str]) -> str:
        """The full command, quoted for a shell."""
        return shlex.join(self.command(words))

    def _call(
        self,
        words: Sequence[str],
        *,
        timeout_s: float | None = None,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cancel: threading.Event | None = None,
    ) -> Result:
        seconds = self.timeout_s if timeout_s is None else timeout_s
        limit, added = clock.Deadline.after(seconds), {**self.env, **(env or {})}
        try:
            result = self._started(words, lambda: run(self.command(words), deadline=limit, env=added, cancel=cancel))
        except ProgramTimeout:
            raise EngineError("timeout", self.command_line(words), f"no answer in {seconds:g} s") from None
        if check and result.returncode != 0:
            raise self._failed(words, result)
        return result

    def _spawn(self, words: Sequence[str], output: Output = "pipes") -> Child:
        return self._started(words, lambda: Child.spawn(self.command(words), env=self.env, output=output))

    def _started(self, words: Sequence[str], start: Callable[[], _T]) -> _T:
        try:
            return start()
        except ProgramNotFound:
            raise EngineError("missing", self.command_line(words), f"{self.dialect.program}: not found") from None
        except NoMoreProcesses as error:
            raise EngineError("exhausted", self.command_line(words), str(error)) from None
        except ProgramNotStarted as error:
            raise EngineError("missing", self.command_line(words), str(error)) from None

    def _failed(self, words: Sequence[str], result: Result) -> EngineError:
        return EngineError("failed", self.command_line(words), result.error_text, result.returncode, result.stdout)

    def _check_not_found(self, words: Sequence[str], result: Result) -> None:
        if not re.search(_NOT_FOUND, result.error_text):
            raise self._failed(words, result)

    def _parsed(self, words: Sequence[str], read: Callable[[], _T]) -> _T:
        try:
            return read()
        except parse.Unreadable as error:
            raise EngineError("unreadable", self.command_line(words), str(error)) from None
