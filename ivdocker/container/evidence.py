"""Saves evidence during the run, so that even a killed run leaves it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ivdocker import clock
from ivdocker.container.session import Session
from ivdocker.engine import argv
from ivdocker.engine.argv import ContainerSpec
from ivdocker.engine.client import Engine, EngineError
from ivdocker.errors import UsageError
from ivdocker.process.run import Child

log = logging.getLogger("ivdocker")

_FILES = (
    *("command.txt", "server.stdout.log", "server.stderr.log", "events.jsonl"),
    *("inspect.json", "inspect-ended.json", "version.json", "requests.jsonl"),
)
_CALL_S = 10.0
_LOG_END_S = 10.0
"""Seconds to wait for docker to write the rest of the log after the server's end."""
_EVENTS_S = 0.2
"""Seconds to wait for docker to write the events of the removal."""


class Evidence:
    """A folder for one attempt on one image.

    ``command.txt``, ``server.stdout.log`` and ``server.stderr.log`` (with the engine's timestamps), ``events.jsonl``,
    ``inspect.json`` (before the stop), ``inspect-ended.json`` (between stop and removal), ``version.json``,
    ``requests.jsonl``. docker itself writes the logs and events into the files.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._log_writer: Child | None = None
        self._writers: list[Child] = []
        self._guarded = contextlib.ExitStack()
        self._lock = threading.Lock()

    def begin(self, command: str) -> None:
        """Make the folder and save the command. Raises UsageError if the folder cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # What an earlier run wrote there is not of this one.
            for name in _FILES:
                (self.folder / name).unlink(missing_ok=True)
            (self.folder / "command.txt").write_text(command + "\n", "utf-8")
        except OSError as error:
            raise UsageError(f"cannot write evidence to {str(self.folder)!r}: {error.strerror}") from None

    def container_made(self, engine: Engine, name: str, session: Session) -> None:
        """Start the docker commands that write the container's log, its events and the engine's version."""
        words = argv.logs(name, timestamps=True)
        self._log_writer = self._start(engine, session, words, "server.stdout.log", "server.stderr.log")
        for words, file in ((argv.events(name), "events.jsonl"), (argv.version(), "version.json")):
            writer = self._start(engine, session, words, file, os.devnull)
            self._writers += [writer] if writer else []

    def inspect(self, engine: Engine, spec: ContainerSpec, file: str) -> None:
        """Save the container's current state."""
        with contextlib.suppress(EngineError, ValueError):
            record = json.loads(engine.inspect_text(spec.name, timeout_s=_CALL_S))
            _redact(record, spec.env)
            self._write(file, json.dumps(record, indent=2) + "\n")

    def container_ended(self) -> None:
        """Wait until docker has written the whole log: the removal of the container deletes it."""
        if self._log_writer:
            with contextlib.suppress(Exception):
                self._log_writer.pump(bytes, bytes, clock.Deadline.after(_LOG_END_S))
            self._log_writer = None

    def outcome(self, record: dict[str, Any]) -> None:
        """Save a request and its response."""
        self._append("requests.jsonl", json.dumps(record, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Wait a moment for the docker commands that still write, then kill them."""
        for writer in [*([self._log_writer] if self._log_writer else []), *self._writers]:
            with contextlib.suppress(Exception):
                writer.pump(bytes, bytes, clock.Deadline.after(_EVENTS_S))
        self._guarded.close()

    def _start(self, engine: Engine, session: Session, words: list[str], stdout: str, stderr: str) -> Child | None:
        with contextlib.ExitStack() as files:
            try:
                descriptors = [self._open(name, files) for name in (stdout, stderr)]
                writer = engine.start(words, (descriptors[0], descriptors[1]))
            except (OSError, EngineError) as error:
                log.warning("evidence: %s", error)
                return None
        self._guarded.enter_context(session.guard_child(writer.pid))
        return writer

    def _open(self, name: str, files: contextlib.ExitStack) -> int:
        fd = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        files.callback(os.close, fd)
        return fd

    def _append(self, name: str, text: str) -> None:
        self._write(name, text, "a")

    def _write(self, name: str, text: str, mode: str = "w") -> None:
        with self._lock:
            try:
                with open(self.folder / name, mode, encoding="utf-8") as file:
                    file.write(text)
            except OSError as error:
                log.warning("evidence: %s", error)


def _redact(record: Any, shown: Iterable[str]) -> None:
    """Replace all environment values by ``***``, except those that stand in the command line anyway."""
    for container in record:
        settings = container["Config"]
        settings["Env"] = [
            text if text.partition("=")[0] in shown else f"{text.partition('=')[0]}=***"
            for text in settings.get("Env") or []
        ]
