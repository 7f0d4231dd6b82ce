"""The interface through which a run reports its events."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ivdocker.errors import Failure
    from ivdocker.report.verdict import MemoryTry, Report, RunReport
    from ivdocker.requests.send import RequestResult
    from ivdocker.servers.base import ServingBinary


class Observer:
    """Ignores all events. Override the methods for the events that you need."""

    def planned(self, images: int, requests: int) -> None:
        """Before the runs: the number of images, and of requests for each."""

    def server(self, binary: ServingBinary) -> None:
        """The kind of server that was chosen for an image."""

    def stage(self, image: str, stage: str, seconds: float, text: str) -> None:
        """A completed stage."""

    def outcome(self, image: str, outcome: RequestResult) -> None:
        """A request and its response."""

    def measured(self, run: RunReport) -> None:
        """The figures of a run, after the last request."""

    def tried_memory(self, image: str, tried: MemoryTry) -> None:
        """A run with a memory limit, and its result."""

    def pull(self, image: str, output: bytes, progress: str) -> None:
        """docker's raw progress output of a pull, and a summary of the progress."""

    def failed_attempt(self, image: str, attempt: int, failure: Failure) -> None:
        """A failed attempt that another attempt will follow."""

    def finished(self, report: Report) -> None:
        """The verdict, after all runs."""
