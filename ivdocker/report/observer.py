"""Whom a run tells what happens, while it happens."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ivdocker.errors import Failure
    from ivdocker.report.verdict import MemoryTry, Report, RunReport
    from ivdocker.requests.send import RequestResult
    from ivdocker.servers.base import ServingBinary


class Observer:
    """Does nothing with it; who wants something done overrides what it is told."""

    def planned(self, images: int, requests: int) -> None:
        """What is going to be run: how many images, and how many requests are sent to each."""

    def server(self, binary: ServingBinary) -> None:
        """Which server the image is run as."""

    def stage(self, image: str, stage: str, seconds: float, text: str) -> None:
        """A stage that was completed."""

    def outcome(self, image: str, outcome: RequestResult) -> None:
        """A request and its answer."""

    def measured(self, run: RunReport) -> None:
        """What the run took, once everything was asked."""

    def tried_memory(self, image: str, tried: MemoryTry) -> None:
        """A limit under which it was run, and what came of it."""

    def pull(self, image: str, output: bytes, progress: str) -> None:
        """What docker showed of a pull, and how far it is."""

    def failed_attempt(self, image: str, attempt: int, failure: Failure) -> None:
        """An attempt that failed; there will be another."""

    def finished(self, report: Report) -> None:
        """The verdict. Nothing is run any more."""
