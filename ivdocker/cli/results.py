"""The result files of ``ivdocker validate``: their places are checked before the run, and they are written after it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ivdocker.cli import streams
from ivdocker.errors import UsageError
from ivdocker.report import places
from ivdocker.report.blessing import check_blessing, write_blessing
from ivdocker.report.terminal import Terminal
from ivdocker.report.verdict import Report


def check_places(arguments: argparse.Namespace) -> None:
    """Raises UsageError for a result that could not be written. Makes nothing."""
    checks: dict[str, Callable[[str, str], None]] = {
        "json": places.check_file,
        "record": places.check_replaceable_file,
        "evidence": places.check_folder,
        "warmup": places.check_folder,
        "blessing": check_blessing,
    }
    for name, check in checks.items():
        path = getattr(arguments, name)
        if path is not None and (name, path) != ("json", "-"):
            check(f"--{name}", path)


class Results(Terminal):
    """Prints to the terminal, and writes the result files once there is a verdict.

    A file that cannot be written is named. It changes neither the verdict nor the other files.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        super().__init__(sys.stderr, 2 if arguments.verbose else 0 if arguments.quiet else 1)
        self._arguments = arguments

    def finished(self, report: Report) -> None:
        super().finished(report)
        arguments = self._arguments
        if arguments.record:
            self.recorded(report, arguments.record)
        if arguments.blessing:
            with self._told():
                write_blessing(arguments.blessing, report.verdict)
        if arguments.json == "-":
            self._print(report)
        elif arguments.json:
            self._write(arguments.json, report)
        if arguments.evidence:
            self._write(os.path.join(arguments.evidence, "report.json"), report)

    def _write(self, path: str, report: Report) -> None:
        with self._told():
            try:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(report.to_json())
            except OSError as error:
                raise UsageError(f"cannot write the report to {path!r}: {error.strerror}") from None

    def _print(self, report: Report) -> None:
        text = report.to_json()
        if sys.stdout.encoding.lower() not in ("utf-8", "utf8"):
            text = json.dumps(json.loads(text), indent=2) + "\n"
        sys.stdout.write(text)
        sys.stdout.flush()
        error = streams.error_of(sys.stdout)
        # Who closes a pipe has read what it wanted.
        if error and not isinstance(error, BrokenPipeError):
            self.problem(f"cannot write the report to stdout: {error.strerror}")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except UsageError as error:
            self.problem(str(error))
