"""The verdict, as plain data."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from ivdocker.container.usage import Usage
from ivdocker.engine.parse import EngineVersion
from ivdocker.errors import Failure

Verdict = Literal["blessed", "not_blessed", "no_verdict"]

EXIT_CODES: dict[Verdict, int] = {"blessed": 0, "not_blessed": 1, "no_verdict": 3}


class RequestFigures(NamedTuple):
    """Counts, and latencies in milliseconds (None when nothing was answered)."""

    sent: int = 0
    failed: int = 0
    mismatched: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    first_ms: float | None = None
    error_rate: float | None = None
    """The share of requests that failed or were answered wrongly, from 0 to 1."""


class MemoryTry(NamedTuple):
    """A run with a memory limit. ``code``: its failure's, None when it was blessed."""

    limit_bytes: int
    verdict: Verdict
    code: str | None
    seconds: float


class MemorySearch(NamedTuple):
    """``smallest_bytes``: the smallest limit that was seen to be enough; None when none was found."""

    smallest_bytes: int | None
    tries: tuple[MemoryTry, ...]


class RunReport:
    """One model on one image. ``stages``: seconds of the stages that were reached: pull, start, running, load, query,
    stop."""

    def __init__(self, image: str, server: str) -> None:
        self.image = image
        self.server = server
        self.server_reason: str | None = None
        self.image_id: str | None = None
        self.attempts = 1
        self.stages: dict[str, float] = {}
        self.endpoints: dict[str, str] = {}
        self.requests = RequestFigures()
        self.resources = Usage()
        self.log_errors: int | None = None
        """Lines of the server's log that report an error."""
        self.memory_search: MemorySearch | None = None
        self.failure: Failure | None = None
        self.history: tuple[Failure, ...] = ()
        """The failures of the attempts before this one."""
        self.kept: str | None = None
        """The container that was left behind, with ``keep``."""
        self.kept_network = False
        """Whether it is in a network of its own, of the same name."""
        self.engine_program = "docker"
        """The command line with which to look at it."""

    @property
    def load_seconds(self) -> float | None:
        """From the container's start until the model was ready."""
        load = self.stages.get("load")
        return None if load is None else self.stages.get("running", 0.0) + load

    @property
    def verdict(self) -> Verdict:
        if self.failure is None:
            return "blessed"
        return "no_verdict" if self.failure.is_environment else "not_blessed"


class Report(NamedTuple):
    """The verdict on a model: blessed on every image, or not; not blessed on one weighs more than no verdict on
    another."""

    model: str
    seconds: float
    runs: Sequence[RunReport]
    engine: EngineVersion | None = None

    @property
    def verdict(self) -> Verdict:
        found = {run.verdict for run in self.runs}
        return "not_blessed" if "not_blessed" in found else "no_verdict" if "no_verdict" in found else "blessed"

    @property
    def blessed(self) -> bool:
        return self.verdict == "blessed"

    @property
    def exit_code(self) -> int:
        """0 blessed, 1 not blessed, 3 no verdict."""
        return EXIT_CODES[self.verdict]
