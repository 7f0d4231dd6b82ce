"""The verdict as plain data: a RunReport for each image, and a Report for all images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, Literal, NamedTuple

from ivdocker.container.usage import Usage
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.parse import EngineVersion
from ivdocker.errors import Failure

Verdict = Literal["blessed", "not_blessed", "no_verdict"]

SCHEMA = "ivdocker/report/v1"
"""The schema of the JSON report. New versions may add keys, but never remove or change one."""

_VERSION_TIMEOUT_S = 10.0

EXIT_CODES: dict[Verdict, int] = {"blessed": 0, "not_blessed": 1, "no_verdict": 3}


class RequestFigures(NamedTuple):
    """Numbers of requests, and latencies in milliseconds (None if there was no response)."""

    sent: int = 0
    failed: int = 0
    mismatched: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    first_ms: float | None = None
    error_rate: float | None = None
    """The share of requests that failed or got a wrong response, from 0 to 1."""
    compared: int = 0
    """The number of responses that were compared with an expected one."""

    @property
    def answered(self) -> int:
        """The number of requests with a correct response."""
        return self.sent - self.failed - self.mismatched


class MemoryTry(NamedTuple):
    """A run with a memory limit. ``code``: the failure code, None if the run was blessed."""

    limit_bytes: int
    verdict: Verdict
    code: str | None
    seconds: float


class MemorySearch(NamedTuple):
    """``smallest_bytes``: the smallest limit under which a run was blessed. None if there was none."""

    smallest_bytes: int | None
    tries: tuple[MemoryTry, ...]

    def to_dict(self) -> dict[str, Any]:
        tries = [{**tried._asdict(), "seconds": round(tried.seconds, 3)} for tried in self.tries]
        return {"smallest_bytes": self.smallest_bytes, "tries": tries}


class RunReport:
    """One model on one image. ``stages``: the duration in seconds of each stage that was reached (pull, start, running,
    load, query, stop)."""

    def __init__(self, image: str, server: str) -> None:
        self.image = image
        self.server = server
        self.server_reason: str | None = None
        self.image_id: str | None = None
        self.attempts = 1
        self.stages: dict[str, float] = {}
        self.endpoints: dict[str, str] = {}
        self.requests = RequestFigures()
        self.unasked: dict[str, str] = {}
        """The models that got no request although others did, each with the reason (empty: there was just none)."""
        self.resources = Usage()
        self.log_errors: int | None = None
        """The number of errors that the server's log reports."""
        self.log_error_lines: tuple[str, ...] = ()
        """The first 20 of them."""
        self.memory_search: MemorySearch | None = None
        self.failure: Failure | None = None
        self.history: tuple[Failure, ...] = ()
        """The failures of the earlier attempts."""
        self.kept: str | None = None
        """The name of the container that ``keep`` left in place."""
        self.kept_runs = False
        """Whether that container still runs."""
        self.kept_network = False
        """Whether that container has its own network, with the same name."""
        self.engine_program = "docker"
        """The program with which to look at that container."""

    @property
    def load_seconds(self) -> float | None:
        """Seconds from the container's start until the model was ready."""
        load = self.stages.get("load")
        return None if load is None else self.stages.get("running", 0.0) + load

    @property
    def verdict(self) -> Verdict:
        if self.failure is None:
            return "blessed"
        return "no_verdict" if self.failure.is_environment else "not_blessed"

    def __repr__(self) -> str:
        return f"<RunReport {self.image}: {_summary(self)}>"

    def to_dict(self) -> dict[str, Any]:
        """The run as in the JSON report. Seconds are rounded to milliseconds."""
        return {
            "image": self.image,
            "image_id": self.image_id,
            "server": self.server,
            "server_reason": self.server_reason,
            "verdict": self.verdict,
            "attempts": self.attempts,
            "stages": {stage: round(seconds, 3) for stage, seconds in self.stages.items()},
            "endpoints": self.endpoints,
            "requests": self.requests._asdict(),
            "resources": self.resources._asdict(),
            "load_seconds": None if self.load_seconds is None else round(self.load_seconds, 3),
            "log_errors": self.log_errors,
            "log_error_lines": list(self.log_error_lines),
            "memory_search": self.memory_search.to_dict() if self.memory_search else None,
            "unasked": self.unasked,
            "failure": self.failure._asdict() if self.failure else None,
            "history": [failure._asdict() for failure in self.history],
            "kept": self.kept,
        }


class Report:
    """The verdict on a model: blessed if it is blessed on every image. If one image gives "not blessed" and another one
    "no verdict", the verdict is "not blessed".

    ``seconds``: the duration of all runs. ``asked``: the engine that ran them.
    """

    def __init__(
        self,
        model: str,
        seconds: float,
        runs: Sequence[RunReport],
        asked: Engine | None = None,
    ) -> None:
        self.model = model
        self.seconds = seconds
        self.runs = runs
        self.record_problem: str | None = None
        """Why the requests and responses of a blessed model could not be recorded."""
        self._asked = asked

    def __repr__(self) -> str:
        runs = "; ".join(f"{run.image}: {_summary(run)}" for run in self.runs)
        return f"<Report {self.verdict}: {self.model} on {runs}>"

    @cached_property
    def engine(self) -> EngineVersion | None:
        """The engine's versions. The first read makes a docker call. None if no engine answers: then the failure of the
        run says why."""
        if self._asked is None:
            return None
        with suppress(EngineError):
            return self._asked.version(timeout_s=min(_VERSION_TIMEOUT_S, self._asked.timeout_s))
        return None

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

    def to_dict(self) -> dict[str, Any]:
        """The JSON report (schema ``ivdocker/report/v1``)."""
        engine = self.engine
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "model": self.model,
            "engine": engine._asdict() if engine else None,
            "seconds": round(self.seconds, 3),
            "runs": [run.to_dict() for run in self.runs],
        }

    def to_json(self) -> str:
        """The JSON report as text. Always valid UTF-8, whatever a server sent."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"
        return text.encode("utf-8", "backslashreplace").decode()


def _summary(run: RunReport) -> str:
    return run.verdict if run.failure is None else f"{run.verdict}: {run.failure.code}: {run.failure.message}"
