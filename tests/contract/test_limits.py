"""The limits of production: what the engine did not set is no verdict, and what the kernel killed is named."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

import ivdocker
from ivdocker import RunOptions, TensorFlowServing, ValidationFailed
from tests.conftest import Cli, Engine, ModelFactory, wait_until
from tests.contract.conftest import MODEL_NAME, RunnerFactory, name_of, soon

pytestmark = pytest.mark.parametrize("engine", ["docker"], indirect=True)

DISCARDED = "WARNING: Your kernel does not support memory limit capabilities. Limitation discarded."
KILLED_WORKER = (
    "import os, time\n"
    "if os.fork() == 0:\n"
    "    hoard = [b'x' * 2**20 for _ in range(500)]\n"
    "print('worker killed', os.wait(), flush=True)\n"
    "time.sleep(600)\n"
)


def without_limits(folder: Path) -> str:
    """A docker on a machine without the control group of memory: it warns, and runs the container without a limit."""
    program, docker = folder / "docker", shutil.which("docker")
    program.write_text(f'#!/bin/sh\n[ "$1" != run ] || echo "{DISCARDED}" >&2\nexec {docker} "$@"\n')
    program.chmod(0o755)
    return str(program)


def test_a_limit_that_the_engine_left_out_is_no_verdict(engine: Engine, model: ModelFactory, tmp_path: Path) -> None:
    options = RunOptions(engine=without_limits(tmp_path), memory="2g")
    report = ivdocker.validate(model(), images=[engine.image], options=options)
    failure = report.runs[0].failure
    assert report.verdict == "no_verdict"
    assert failure is not None
    assert "Limitation discarded" in failure.message
    assert engine.containers() == []


class Forking(TensorFlowServing):
    """A server whose worker takes more memory than the container may have."""

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> Any:
        params = super().MakeDockerRunParams(model_path, needs_mount)
        return {**params, "entrypoint": ["python3", "-c", KILLED_WORKER], "command": []}


def test_a_worker_that_the_kernel_killed_is_named(engine: Engine, model: ModelFactory, runner: RunnerFactory) -> None:
    binary = Forking(engine.image, MODEL_NAME)
    run = runner(model(), binary=binary, memory="64m")
    run.Start()
    run.WaitUntilRunning(soon())
    wait_until(lambda: "worker killed" in engine.docker("logs", name_of(engine)))
    with pytest.raises(ValidationFailed, match="out of memory") as caught:
        binary.MakeClient(run.GetEndpoint()).WaitUntilModelLoaded(time.time() + 2)
    assert caught.value.failure is not None
    assert caught.value.failure.code == "out-of-memory"


@pytest.mark.parametrize("flag", ["--name=x", "--restart=always", "--rm", "--log-driver=none", "sleep"])
def test_a_flag_that_undoes_the_watch_is_a_usage_error(
    cli: Cli, engine: Engine, model: ModelFactory, flag: str
) -> None:
    done = cli("validate", model(), f"--image={engine.image}", f"--docker-arg={flag}")
    assert done.returncode == 2
    assert flag in done.stderr
    assert engine.containers() == []
