"""Prints progress and verdicts for people. Colours and control codes only if the stream is a terminal."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

from ivdocker import clock
from ivdocker.errors import Failure
from ivdocker.report.observer import Observer
from ivdocker.report.verdict import MemoryTry, Report, RunReport
from ivdocker.servers.base import ServingBinary
from ivdocker.text import plural, shorten

if TYPE_CHECKING:
    from ivdocker.requests.send import RequestResult

_PULL_LINE_S = 5.0
_PROGRESS_LINE_S = 5.0
_PROGRESS_REQUESTS = 1000
_FAILURES_SHOWN = 20
_WIDTH = 160
_COLOURS = {"blessed": "32", "not_blessed": "31", "no_verdict": "33"}
_WORDS = {"blessed": "blessed", "not_blessed": "not blessed", "no_verdict": "no verdict"}


class Terminal(Observer):
    """Prints stages and verdicts. ``level``: 0 the verdicts alone, 1 also stages and causes (default), 2 also requests
    and responses.

    With several images each line begins with the image.
    """

    def __init__(self, stream: TextIO, level: int = 1) -> None:
        self._stream = stream
        self._level = level
        self._several = False
        self._requests = 0
        self._colour = stream.isatty() and "NO_COLOR" not in os.environ
        self._lock = threading.Lock()
        self._since_pull_line: clock.Stopwatch | None = None
        self._asked: dict[str, _Progress] = {}

    def planned(self, images: int, requests: int) -> None:
        """Remember how many images and requests there are."""
        self._several, self._requests = images > 1, requests

    def server(self, binary: ServingBinary) -> None:
        """Print the kind of server, if it is not evident."""
        if self._level >= 2 or (self._level == 1 and not binary.server_is_evident):
            self._line(binary.image, f"{'server':<8} {'':9}  {binary.kind}: {binary.server_reason}")

    def stage(self, image: str, stage: str, seconds: float, text: str) -> None:
        """Print a completed stage."""
        self._asked_all(image)
        if self._level >= 1:
            self._line(image, f"{stage:<8} {seconds:7.2f} s  {text}")

    def outcome(self, image: str, outcome: RequestResult) -> None:
        """Print a request and its response (level 2: all, level 1: the first 20 that failed), and the progress."""
        asked = self._asked.setdefault(image, _Progress())
        asked.count(outcome)
        if self._level == 2 or (self._level == 1 and outcome.failure and asked.failed <= _FAILURES_SHOWN):
            self._show(image, outcome)
        if self._level == 1 and asked.sent != self._requests and asked.is_time():
            of = f" of {self._requests}" if self._requests else ""
            self._line(image, f"{'query':<8} {asked.watch.seconds:7.2f} s  {asked.sent}{of} requests sent")

    def _asked_all(self, image: str) -> None:
        """After the last request: say how many failures were not shown."""
        asked = self._asked.pop(image, None)
        if asked and self._level == 1 and asked.failed > _FAILURES_SHOWN:
            more = plural(asked.failed - _FAILURES_SHOWN, "more request")
            self._line(image, f"{'query':<8} {'':10}  {more} failed; -v shows all")

    def _show(self, image: str, outcome: RequestResult) -> None:
        shown = outcome.failure.message if outcome.failure else _short(outcome.answer)
        took = f"{outcome.milliseconds:7.1f} ms" if outcome.milliseconds is not None else " " * 10
        self._line(image, f"request  {took}  {_short(outcome.request.shown)}")
        self._line(image, f"answer   {'':10}  {shown}")

    def measured(self, run: RunReport) -> None:
        """Print the figures of a run."""
        self._asked_all(run.image)
        if self._level >= 1:
            self._line(run.image, f"measured {'':10}  {', '.join(_figures(run))}")
        if self._level >= 2:
            for line in run.log_error_lines:
                self._line(run.image, f"error    {'':10}  {shorten(line, _WIDTH)}")

    def tried_memory(self, image: str, tried: MemoryTry) -> None:
        """Print the result of a run with a memory limit."""
        if self._level >= 1:
            result = tried.code or "loads and answers"
            limit = f"--memory={tried.limit_bytes >> 20}m"
            self._line(image, f"memory   {tried.seconds:7.2f} s  {limit:<16} {result}")

    def pull(self, image: str, output: bytes, progress: str) -> None:
        """Show docker's progress bars on a terminal, else a line every 5 seconds."""
        if self._level < 1:
            return
        if self._stream.isatty() and not self._several:
            with self._lock:
                self._stream.write(output.decode("utf-8", "replace"))
                self._stream.flush()
        elif self._since_pull_line is None or self._since_pull_line.seconds >= _PULL_LINE_S:
            self._since_pull_line = clock.Stopwatch()
            self._line(image, f"pulling {image}: {progress}")

    def failed_attempt(self, image: str, attempt: int, failure: Failure) -> None:
        """Print the failure of an attempt that another attempt will follow."""
        if self._level >= 1:
            self._line(image, f"attempt {attempt} failed: {failure.code}: {failure.message}; trying again")

    def finished(self, report: Report) -> None:
        """Print each image's verdict, and after a failure (level 1) what to do and the log around the cause."""
        for run in report.runs:
            self._line("", self._summary(report, run), _COLOURS[run.verdict])
            if run.memory_search and run.memory_search.smallest_bytes:
                smallest = run.memory_search.smallest_bytes >> 20
                self._line("", f"  smallest memory limit under which it loads and answers: {smallest}m")
            if run.failure and self._level >= 1:
                for line in _explanation(run):
                    self._line("", f"  {line}")

    def recorded(self, report: Report, path: str) -> None:
        """Print the result of ``--record``."""
        if not report.blessed:
            if self._level >= 1:
                self._line("", f"nothing recorded in {path}: the model is not blessed on every image")
        elif report.record_problem:
            self.problem(report.record_problem)
        elif self._level >= 1:
            self._line("", f"recorded {plural(report.runs[0].requests.sent, 'request')} and answers in {path}")

    def problem(self, text: str) -> None:
        """Print why a result could not be written."""
        self._line("", f"ivdocker: {text}; the verdict stands")

    def _summary(self, report: Report, run: RunReport) -> str:
        word = _WORDS[run.verdict].upper()
        parts = report.model.rstrip("/").split("/")
        name = "/".join(parts[-2:] if parts[-1].isdigit() else parts[-1:])
        if run.failure is None:
            return f"{word}  {name} on {run.image} ({_tried(run)}, {sum(run.stages.values()):.2f} s)"
        return f"{word}  {name} on {run.image}: {run.failure.code}: {run.failure.message}"

    def _line(self, image: str, text: str, colour: str | None = None) -> None:
        line = (f"{image}  " if self._several and image else "") + _printable(text)
        if self._colour and colour:
            verdict, _, rest = line.partition("  ")
            line = f"\033[1;{colour}m{verdict}\033[0m  {rest}"
        with self._lock:
            # In one piece: a signal between the line and its end would leave the next text on the same line.
            self._stream.write(f"{line}\n")
            self._stream.flush()


class _Progress:
    """Counts the requests to one image. A progress line is due every 5 seconds and every 1000 requests."""

    def __init__(self) -> None:
        self.sent = self.failed = 0
        self.watch = clock.Stopwatch()
        self._told_s = 0.0

    def count(self, outcome: RequestResult) -> None:
        self.sent += 1
        self.failed += outcome.failure is not None

    def is_time(self) -> bool:
        now = self.watch.seconds
        if self.sent % _PROGRESS_REQUESTS and now - self._told_s < _PROGRESS_LINE_S:
            return False
        self._told_s = now
        return True


def _explanation(run: RunReport) -> list[str]:
    failure = run.failure
    assert failure is not None
    lines = [f"to do: {failure.hint}"] if failure.hint else []
    if failure.log_tail:
        lines += ["from the server's log:", *(f"  | {shorten(line, _WIDTH)}" for line in failure.log_tail)]
    if failure.command:
        lines.append(f"run it yourself: {failure.command}")
    if run.kept:
        engine, name = run.engine_program, run.kept
        # Nothing can be run in a container that has ended.
        look = f"{engine} exec -it {name} sh" if run.kept_runs else f"{engine} cp {name}:/PATH ."
        lines.append(f"look into the container: {engine} logs {name}; {look}")
        network = f" && {engine} network rm {name}" if run.kept_network else ""
        lines.append(f"remove it with: {engine} rm --force --volumes {name}{network}")
    return lines


def _tried(run: RunReport) -> str:
    """What a blessing rests on: the load, how many answers, how many of them compared, and models without any."""
    asked = run.requests
    if not asked.sent:
        return "only the load was tried, no request was sent"
    count = plural(asked.sent, "request")
    answered = count if asked.answered == asked.sent else f"{asked.answered} of {count}"
    none = f", no request for {', '.join(run.unasked)}" if run.unasked else ""
    return f"loaded, {answered} answered, {asked.compared} compared{none}"


def _figures(run: RunReport) -> Iterator[str]:
    asked, used = run.requests, run.resources
    if asked.first_ms is not None:
        yield f"first answer {asked.first_ms:.1f} ms"
    if asked.sent > 1 and asked.p50_ms is not None:
        yield f"p50 {asked.p50_ms:.1f} ms, p95 {asked.p95_ms:.1f} ms, p99 {asked.p99_ms:.1f} ms"
    if used.peak_memory_bytes is not None:
        yield f"peak memory {used.peak_memory_bytes / (1 << 20):.0f} MiB"
    if used.cpu_seconds is not None:
        yield f"{used.cpu_seconds:.1f} s of CPU"
    if run.log_errors is not None:
        yield f"{plural(run.log_errors, 'error')} in the log"


def _short(value: Any) -> str:
    return shorten(json.dumps(value, ensure_ascii=False), _WIDTH)


def _printable(text: str) -> str:
    """Replace control characters: text from a server must not control the terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
