"""TFX's contract for a model server runner, a sentence a test, on the fake and on the real engine: from Start() to the
endpoint."""

from __future__ import annotations

import socket
import time

import pytest

from ivdocker import (
    BaseModelServerRunner,
    DeadlineExceeded,
    Endpoint,
    EnvironmentFailed,
    GracefulShutdown,
    JobAborted,
    TensorFlowServing,
    UsageError,
    ValidationFailed,
)
from tests.conftest import Engine, ModelFactory
from tests.contract.conftest import PREDICT, RunnerFactory, name_of, soon, wait_for_end

# Start


def test_it_is_a_model_server_runner(runner: RunnerFactory, model: ModelFactory) -> None:
    assert isinstance(runner(model()), BaseModelServerRunner)


def test_the_constructor_calls_no_docker(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    runner(model())
    assert engine.journal() == []


def test_start_does_not_wait_for_the_server(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    runner(model(hang_load=True)).Start()
    assert len(engine.containers()) == 1


def test_a_second_start_is_an_assertion_error(runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model())
    run.Start()
    with pytest.raises(AssertionError, match=r"^You cannot start model server multiple times\.$"):
        run.Start()
    run.WaitUntilRunning(soon())


def test_a_start_after_stop_is_an_assertion_error(runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model())
    run.Start()
    run.Stop()
    with pytest.raises(AssertionError, match="You cannot start model server multiple times"):
        run.Start()


def test_a_start_that_fails_says_why_and_leaves_nothing(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    """The engine has made the container by then: it is the port that it cannot have."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = runner(model(), docker_args=(f"--publish=127.0.0.1:{taken.getsockname()[1]}:9999",))
        with pytest.raises(EnvironmentFailed) as caught:
            run.Start()
    assert caught.value.failure is not None
    assert caught.value.failure.code == "port-unavailable"
    assert engine.containers() == []
    run.Stop()


def test_a_model_that_is_not_there_is_a_usage_error(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model() / "2")
    with pytest.raises(UsageError, match="no such model"):
        run.Start()
    assert engine.calls("run") == []


def test_an_image_that_is_missing_is_pulled(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    """From a registry that cannot be reached, which is the environment's fault."""
    run = runner(model(), binary=TensorFlowServing("127.0.0.1:1/tensorflow/serving:1"))
    with pytest.raises(EnvironmentFailed, match="registry cannot be reached"):
        run.Start()
    assert [argv[-1] for argv in engine.calls("pull")] == ["127.0.0.1:1/tensorflow/serving:1"]


def test_an_image_that_is_missing_is_not_pulled_where_that_is_forbidden(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    run = runner(model(), binary=TensorFlowServing("127.0.0.1:1/tensorflow/serving:1"), pull="never")
    with pytest.raises(EnvironmentFailed, match="the image was not found"):
        run.Start()
    assert engine.calls("pull") == []


# WaitUntilRunning


def test_waiting_before_start_is_an_assertion_error(runner: RunnerFactory, model: ModelFactory) -> None:
    with pytest.raises(AssertionError, match=r"^container has not been started\.$"):
        runner(model()).WaitUntilRunning(soon())


def test_waiting_returns_when_the_container_runs(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model(hang_load=True))
    run.Start()
    run.WaitUntilRunning(soon())
    assert engine.state_of(name_of(engine))["State"]["Running"]


def test_the_deadline_is_a_utc_timestamp(runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model())
    run.Start()
    with pytest.raises(DeadlineExceeded):
        run.WaitUntilRunning(time.time() - 1)
    run.WaitUntilRunning(time.time() + 60)


def test_a_server_that_ends_at_once_aborts_the_job(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model(exit_during_load=7))
    run.Start()
    wait_for_end(engine)
    with pytest.raises(JobAborted, match="exit code 7") as caught:
        run.WaitUntilRunning(soon())
    assert caught.value.failure is not None
    assert (caught.value.failure.code, caught.value.failure.exit_code) == ("container-exited", 7)


def test_a_container_that_somebody_removed_aborts_the_job(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    run = runner(model())
    run.Start()
    engine.docker("rm", "--force", "--volumes", name_of(engine))
    # While it is being removed, a real container is for a moment one that was killed.
    with pytest.raises(JobAborted, match=r"gone|SIGKILL"):
        run.WaitUntilRunning(soon())


def test_waiting_after_stop_is_a_graceful_shutdown(runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model())
    run.Start()
    run.Stop()
    with pytest.raises(GracefulShutdown):
        run.WaitUntilRunning(soon())


# GetEndpoint


def test_the_endpoint_before_running_is_an_assertion_error(runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model())
    with pytest.raises(AssertionError):
        run.GetEndpoint()
    run.Start()
    with pytest.raises(AssertionError):
        run.GetEndpoint()


def test_the_endpoint_is_the_grpc_address_and_knows_the_other_ports(
    runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model())
    run.Start()
    run.WaitUntilRunning(soon())
    endpoint = run.GetEndpoint()
    binary.MakeClient(endpoint).WaitUntilModelLoaded(soon())
    assert isinstance(endpoint, Endpoint)
    assert endpoint == endpoint.grpc
    host, port = endpoint.split(":")
    with socket.create_connection((host, int(port))) as connection:
        assert connection.recv(9)[3] == 4  # the SETTINGS frame with which HTTP/2 begins
    assert endpoint.http is not None
    assert endpoint.http != endpoint.grpc
    assert endpoint.metrics is None


def test_a_client_asks_the_server_at_the_endpoint(
    runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model())
    run.Start()
    run.WaitUntilRunning(soon())
    client = binary.MakeClient(run.GetEndpoint())
    client.WaitUntilModelLoaded(soon())
    client.SendRequests([PREDICT, {"inputs": [1.0]}])
    assert client.predict(PREDICT) == {"predictions": [2.5, 3.0, 4.5]}
    with pytest.raises(ValidationFailed, match="request 2: HTTP 400"):
        client.SendRequests([PREDICT, {"instances": []}])
