"""A failure and reports of it."""

from __future__ import annotations

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


def run_with(failure: Failure | None = None, image: str = "image:1") -> RunReport:
    run = RunReport(image, "triton")
    run.stages = {"start": 0.2804, "running": 0.01, "load": 1.5, "stop": 0.18}
    run.endpoints = {"http": "127.0.0.1:1"}
    run.failure = failure
    return run


def report(*failures: Failure | None) -> Report:
    engine = EngineVersion("docker", "28.2.2", "20.10.24", "1.41", "linux/amd64")
    return Report("/models/m", 2.123456, [run_with(failure) for failure in failures], engine)
