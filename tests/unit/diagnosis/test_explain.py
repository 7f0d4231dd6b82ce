"""What an exit code, and a docker run that failed, mean."""

from __future__ import annotations

import pytest

from ivdocker.diagnosis import explain
from ivdocker.engine.client import EngineError
from tests.unit.recordings import cases, recording


@pytest.mark.parametrize(
    ("exit_code", "name"),
    [(0, None), (1, None), (127, None), (128, None), (132, "SIGILL"), (137, "SIGKILL"), (139, "SIGSEGV"),
     (143, "SIGTERM"), (255, None)],
)  # fmt: skip
def test_an_exit_code_over_128_is_a_signal_where_there_is_one(exit_code: int, name: str | None) -> None:
    assert explain.signal_name(exit_code) == name


NONE = {"run-no-engine", "run-permission-denied", "run-no-such-image", "run-bad-image-name"}
STARTED = {"run-executable-not-found", "run-not-executable", "run-file-mounted-on-folder", "run-port-allocated"}
NO_GPU = "run-gpus-no-driver"
"""podman 4 runs such a container all the same."""


@pytest.mark.parametrize(("engine", "case"), [pair for pair in cases("*/run-*") if recording(*pair).returncode != 0])
def test_a_recorded_docker_run_that_failed_left(engine: str, case: str) -> None:
    """docker prints the container's ID as soon as it is made, podman only once it runs."""
    is_made = engine.startswith("docker") and case in {*STARTED, NO_GPU}
    expected = "none" if case.removeprefix("docker-29-") in NONE else "certain" if is_made else "possible"
    assert explain.presence_after(recording(engine, case).error) == expected


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (EngineError("missing", "docker", "docker: not found"), "none"),
        (EngineError("timeout", "docker", "no answer in 60 s"), "late"),
        (EngineError("failed", "docker", "", -9), "late"),
        (EngineError("failed", "docker", "", 1), "possible"),
        (EngineError("failed", "docker", "docker: error during connect: EOF", 125), "none"),
        (EngineError("failed", "docker", "error waiting for container: unexpected EOF", 125), "possible"),
        (EngineError("failed", "docker", "Cannot connect to the Docker daemon", 125, b"0123abcd\n"), "certain"),
    ],
)
def test_another_docker_run_that_failed_left(error: EngineError, left: str) -> None:
    assert explain.presence_after(error) == left
