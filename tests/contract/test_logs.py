"""GetLogs() is complete at the moment of the call, on the fake and on the real engine."""

from __future__ import annotations

import subprocess

import pytest

from ivdocker import JobAborted, LocalDockerRunner, TensorFlowServing, ValidationFailed
from tests.conftest import Engine, ModelFactory, wait_until
from tests.contract.conftest import PREDICT, RunnerFactory, name_of, soon, wait_for_end

READY = "Entering the event loop"
"""The server's last line before it answers."""


def logs(run: LocalDockerRunner) -> str:
    return run.GetLogs() or ""


def running(run: LocalDockerRunner) -> None:
    run.Start()
    run.WaitUntilRunning(soon())


def test_right_after_the_model_is_loaded(runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory) -> None:
    run = runner(model())
    running(run)
    binary.MakeClient(run.GetEndpoint()).WaitUntilModelLoaded(soon())
    assert READY in logs(run)


@pytest.mark.parametrize("lines", [0, 500])
def test_right_after_the_requests(
    lines: int, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model(log_errors=lines))
    running(run)
    client = binary.MakeClient(run.GetEndpoint())
    client.WaitUntilModelLoaded(soon())
    client.SendRequests([PREDICT] * 3)
    assert READY in logs(run)
    assert logs(run).count("something that is no reason to stop") == lines


def test_where_tfx_reads_it_after_a_request_that_failed(
    runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model(http_status=500))
    running(run)
    client = binary.MakeClient(run.GetEndpoint())
    client.WaitUntilModelLoaded(soon())
    text = ""
    try:
        client.SendRequests([PREDICT])
    except ValidationFailed:
        text = logs(run)
    assert READY in text


def test_where_tfx_reads_it_after_a_server_that_ended_at_a_request(
    runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model(exit_after_requests=1, exit_code=9))
    running(run)
    client = binary.MakeClient(run.GetEndpoint())
    client.WaitUntilModelLoaded(soon())
    text = ""
    try:
        client.SendRequests([PREDICT] * 3)
    except JobAborted:
        text = logs(run)
    assert READY in text


def test_the_first_time_that_it_is_asked_for_after_start(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    """Nobody has waited for anything: nothing follows the log yet."""
    run = runner(model())
    run.Start()
    wait_until(lambda: READY in engine_log(engine))
    assert READY in logs(run)


def engine_log(engine: Engine) -> str:
    """What docker itself shows: the server writes to stderr."""
    command = ["docker", "logs", name_of(engine)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60).stdout


def test_after_stop_with_a_log_of_18_mb(runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory) -> None:
    run = runner(model(log_mb=18))
    running(run)
    binary.MakeClient(run.GetEndpoint()).WaitUntilModelLoaded(soon())
    assert READY in logs(run)
    run.Stop()
    text = logs(run)
    assert READY in text
    assert "Adding/updating models" in text
    assert len(text) < 2 * 2**20


def test_after_stop_when_nobody_has_waited_for_a_log_of_18_mb(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    run = runner(model(log_mb=18, log_binary=True, exit_during_load=4))
    run.Start()
    wait_for_end(engine)
    run.Stop()
    assert "escape" in logs(run).splitlines()[-1]


def test_after_a_crash_and_after_its_stop(
    runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    folder = model()
    (folder / "1" / "saved_model.pb").write_text("corrupt\n")
    run = runner(folder)
    run.Start()

    def wait() -> None:
        # It may be over before anybody looks.
        run.WaitUntilRunning(soon())
        binary.MakeClient(run.GetEndpoint()).WaitUntilModelLoaded(soon())

    with pytest.raises(ValidationFailed, match="damaged"):
        wait()
    last = "Failed to start server. Error"
    assert last in logs(run)
    run.Stop()
    assert last in logs(run)


def test_after_the_container_is_gone(
    engine: Engine, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    """Somebody else has removed it: what was read until then is left."""
    run = runner(model())
    running(run)
    binary.MakeClient(run.GetEndpoint()).WaitUntilModelLoaded(soon())
    wait_until(lambda: READY in logs(run))
    engine.docker("rm", "--force", "--volumes", name_of(engine))
    assert isinstance(run.GetLogs(), str)
    run.Stop()
    assert isinstance(run.GetLogs(), str)
