"""Writes down what happens while it happens, so that a run that is killed leaves it too."""

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
from ivdocker.container.watchdog import watchdogs
from ivdocker.engine import argv
from ivdocker.engine.argv import ContainerSpec
from ivdocker.engine.client import Engine, EngineError
from ivdocker.errors import UsageError
from ivdocker.process.run import Child

log = logging.getLogger("ivdocker")

_CALL_S = 10.0
_LAST_LINES_S = 0.2


class Evidence:
    """A folder for one attempt on one image.

    ``command.txt``, ``server.stdout.log`` and ``server.stderr.log`` (with the engine's timestamps), ``events.jsonl``,
    ``inspect.json``, ``version.json``, ``requests.jsonl``. docker itself writes logs and events.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writers: list[Child] = []
        self._guarded = contextlib.ExitStack()
        self._lock = threading.Lock()

    def begin(self, command: str) -> None:
        """Raises UsageError when the folder cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "command.txt").write_text(command + "\n", "utf-8")
        except OSError as error:
            raise UsageError(f"cannot write evidence to {str(self.folder)!r}: {error.strerror}") from None

    def container_made(self, engine: Engine, name: str) -> None:
        """From now on its log and its events are written."""
        self._start(engine, argv.logs(name, timestamps=True), "server.stdout.log", "server.stderr.log")
        self._start(engine, argv.events(name), "events.jsonl", os.devnull)
        self._start(engine, argv.version(), "version.json", os.devnull)

    def container_ends(self, engine: Engine, spec: ContainerSpec) -> None:
        """The last look at it before it is stopped and removed."""
        with contextlib.suppress(EngineError, ValueError):
            record = json.loads(engine.inspect_text(spec.name, timeout_s=_CALL_S))
            _redact(record, spec.env)
            self._write("inspect.json", json.dumps(record, indent=2) + "\n")

    def outcome(self, record: dict[str, Any]) -> None:
        """A request and its answer."""
        self._write("requests.jsonl", json.dumps(record, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """The container is gone; what still writes has a moment to end."""
        for writer in self._writers:
            with contextlib.suppress(Exception):
                writer.pump(bytes, bytes, clock.Deadline.after(_LAST_LINES_S))
        self._guarded.close()

    def _start(self, engine: Engine, words: list[str], stdout: str, stderr: str) -> None:
        out_fd = err_fd = -1
        try:
            out_fd = os.open(self.folder / stdout, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            err_fd = os.open(self.folder / stderr, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            writer = engine.start(words, (out_fd, err_fd))
            self._writers.append(writer)
            self._guarded.enter_context(watchdogs.child(engine, writer.pid))
        except (OSError, EngineError) as error:
            log.warning("evidence: %s", error)
        finally:
            for fd in (out_fd, err_fd):
                if fd >= 0:
                    os.close(fd)

    def _write(self, name: str, text: str) -> None:
        with self._lock:
            try:
                with open(self.folder / name, "a", encoding="utf-8") as file:
                    file.write(text)
            except OSError as error:
                log.warning("evidence: %s", error)


def _redact(record: Any, shown: Iterable[str]) -> None:
    """Of the environment only the values stay that are in the command line anyway."""
    for container in record:
        settings = container["Config"]
        settings["Env"] = [
            text if text.partition("=")[0] in shown else f"{text.partition('=')[0]}=***"
            for text in settings.get("Env") or []
        ]
