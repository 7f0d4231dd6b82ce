"""A failure and reports of it."""

from __future__ import annotations

from ivdocker.engine.client import Engine
from ivdocker.engine.dialect import dialect_of
from ivdocker.engine.parse import EngineVersion
from ivdocker.errors import Failure
from ivdocker.report.verdict import Report, RunReport

FAILURE = Failure(
    "model-load-failed",
    "the weights are rotten",
    hint="export the model anew",
    stage="load",
    exit_code=1,
    log_tail=("one", "two"),
    command="docker run x",
)


class Asked(Engine):
    """An engine that says which it is without being called."""

    def version(self, *, timeout_s: float | None = None) -> EngineVersion:
        del timeout_s
        return EngineVersion("docker", "28.2.2", "20.10.24", "1.41", "linux/amd64")


def run_with(failure: Failure | None = None, image: str = "image:1") -> RunReport:
    run = RunReport(image, "triton")
    run.stages = {"start": 0.2804, "running": 0.01, "load": 1.5, "stop": 0.18}
    run.endpoints = {"http": "127.0.0.1:1"}
    run.failure = failure
    return run


def report(*failures: Failure | None) -> Report:
    return Report("/models/m", 2.123456, [run_with(failure) for failure in failures], Asked(dialect_of("docker")))
