"""TFX's contract for a model server runner, a sentence a test, on the fake and on the real engine."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from ivdocker import (
    BaseModelServerRunner,
    DeadlineExceeded,
    Endpoint,
    EnvironmentFailed,
    GracefulShutdown,
    InfraValidationError,
    JobAborted,
    TensorFlowServing,
    UsageError,
    ValidationFailed,
)
from tests.conftest import Engine, ModelFactory, wait_until
from tests.contract.conftest import RunnerFactory, in_threads

PREDICT = {"instances": [1.0, 2.0, 5.0]}


def soon() -> float:
    """A deadline as TFX makes them, that nothing here comes near."""
    return time.time() + 60


def name_of(engine: Engine) -> str:
    """The one container's name."""
    (name,) = engine.containers()
    return name


def wait_for_end(engine: Engine) -> None:
    wait_until(lambda: engine.state_of(name_of(engine))["State"]["Status"] == "exited")


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
    with pytest.raises(EnvironmentFailed, match="there is no such image"):
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


# GetLogs


def test_there_are_no_logs_before_start(runner: RunnerFactory, model: ModelFactory) -> None:
    assert runner(model()).GetLogs() is None


def test_the_logs_are_text_while_the_server_runs(runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model(hang_load=True))
    run.Start()
    assert isinstance(run.GetLogs(), str)
    wait_until(lambda: "Loading servable version" in (run.GetLogs() or ""))


def test_the_logs_of_a_dead_server_stay_readable_after_stop(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    run = runner(model(exit_during_load=1))
    run.Start()
    wait_for_end(engine)
    wait_until(lambda: "Loading servable version" in (run.GetLogs() or ""))
    run.Stop()
    assert "Loading servable version" in (run.GetLogs() or "")


def test_the_logs_can_be_read_after_stop_when_nobody_did_before(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    run = runner(model(exit_during_load=1))
    run.Start()
    wait_for_end(engine)
    run.Stop()
    assert "Loading servable version" in (run.GetLogs() or "")


def test_the_logs_raise_nothing_when_docker_is_gone(
    runner: RunnerFactory, model: ModelFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runner(model())
    run.Start()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        assert isinstance(run.GetLogs(), str)


def test_the_logs_survive_any_bytes(runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model(log_binary=True))
    run.Start()
    wait_until(lambda: "\N{REPLACEMENT CHARACTER}" in (run.GetLogs() or ""))


def test_a_flood_of_logs_is_bounded_and_keeps_its_beginning_and_end(
    runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model(log_mb=8))
    run.Start()
    run.WaitUntilRunning(soon())
    binary.MakeClient(run.GetEndpoint()).WaitUntilModelLoaded(soon())
    wait_until(lambda: "Exporting HTTP/REST API" in (run.GetLogs() or ""))
    text = run.GetLogs() or ""
    assert len(text) < 2 * 2**20
    assert "Adding/updating models" in text
    assert "bytes left out" in text


def test_the_logs_after_a_start_that_failed_raise_nothing(runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model(), binary=TensorFlowServing("127.0.0.1:1/nosuch:1"), pull="never")
    with pytest.raises(EnvironmentFailed):
        run.Start()
    assert isinstance(run.GetLogs(), str)


# Stop


def test_stop_before_start_does_nothing(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    runner(model()).Stop()
    assert engine.journal() == []


def test_stop_removes_the_container(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model())
    run.Start()
    run.WaitUntilRunning(soon())
    run.Stop()
    assert engine.containers() == []


def test_stop_may_be_called_at_once_and_again(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model())
    run.Start()
    run.Stop()
    calls = len(engine.journal())
    run.Stop()
    run.Stop()
    assert engine.containers() == []
    assert [call.argv for call in engine.journal()[calls:] if call.argv[0] != "ps"] == []


def test_stop_may_be_called_from_several_threads(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model())
    run.Start()
    run.WaitUntilRunning(soon())
    assert in_threads(run.Stop, 4) == []
    assert engine.containers() == []
    run.Stop()


def test_stop_from_another_thread_ends_the_waiting(runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model(hang_load=True))
    run.Start()
    run.WaitUntilRunning(soon())
    client = TensorFlowServing("any", "half_plus_two").MakeClient(run.GetEndpoint())
    stopper = threading.Timer(0.2, run.Stop)
    stopper.start()
    with pytest.raises(GracefulShutdown):
        client.WaitUntilModelLoaded(soon())
    stopper.join()


def test_stop_during_start_leaves_nothing(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model())
    starter = threading.Thread(target=lambda: in_threads(run.Start, 1))
    starter.start()
    wait_until(lambda: engine.calls("run"))
    run.Stop()
    starter.join()
    assert engine.containers() == []


def test_stop_raises_nothing_when_the_container_is_gone(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    run = runner(model())
    run.Start()
    run.WaitUntilRunning(soon())
    engine.docker("rm", "--force", "--volumes", name_of(engine))
    run.Stop()


def test_stop_raises_nothing_when_the_server_has_died(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    run = runner(model(exit_during_load=1))
    run.Start()
    wait_for_end(engine)
    run.Stop()
    assert engine.containers() == []


def test_stop_kills_a_server_that_ignores_sigterm_after_the_grace_period(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    run = runner(model(ignore_sigterm=True), grace_s=1)
    run.Start()
    wait_until(lambda: "Exporting HTTP/REST API" in (run.GetLogs() or ""))
    run.Stop()
    assert engine.containers() == []


def test_two_runners_do_not_know_of_each_other(
    engine: Engine, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    path = model()
    first, second = runner(path), runner(path)
    first.Start()
    second.Start()
    second.WaitUntilRunning(soon())
    first.Stop()
    assert len(engine.containers()) == 1
    binary.MakeClient(second.GetEndpoint()).WaitUntilModelLoaded(soon())


# What it runs


def test_the_container_is_never_removed_by_itself(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    runner(model()).Start()
    (argv,) = engine.calls("run")
    assert "--rm" not in argv
    assert engine.state_of(name_of(engine))["HostConfig"]["AutoRemove"] is False


def test_the_ports_are_published_on_loopback_alone(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model())
    run.Start()
    run.WaitUntilRunning(soon())
    ports = engine.state_of(name_of(engine))["NetworkSettings"]["Ports"]
    assert {port: [each["HostIp"] for each in bindings] for port, bindings in ports.items()} == {
        "8500/tcp": ["127.0.0.1"],
        "8501/tcp": ["127.0.0.1"],
    }


def test_the_model_is_mounted_in_place_and_read_only(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    folder = model()
    runner(folder).Start()
    (mount,) = engine.state_of(name_of(engine))["Mounts"]
    assert (mount["Source"], mount["Destination"], mount["RW"]) == (str(folder), "/models/half_plus_two", False)


@pytest.mark.parametrize(
    "name", ["with space", "comma,comma", 'quo"te', "it's", "größe", "a=b", "dollar$HOME", "co:lon"]
)
def test_the_models_path_may_look_like_anything(
    name: str, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    folder = model()
    run = runner(folder.rename(folder.with_name(name)))
    run.Start()
    run.WaitUntilRunning(soon())
    binary.MakeClient(run.GetEndpoint()).WaitUntilModelLoaded(soon())


@pytest.mark.parametrize("version", ["", "1"])
def test_the_model_may_be_a_version_or_the_folder_of_versions(
    version: str, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model() / version)
    run.Start()
    run.WaitUntilRunning(soon())
    binary.MakeClient(run.GetEndpoint()).WaitUntilModelLoaded(soon())


def test_a_uri_is_passed_to_the_server_as_it_is(
    engine: Engine, runner: RunnerFactory, binary: TensorFlowServing
) -> None:
    run = runner("gs://bucket/half_plus_two")
    run.Start()
    run.WaitUntilRunning(soon())
    binary.MakeClient(run.GetEndpoint()).WaitUntilModelLoaded(soon())
    assert engine.state_of(name_of(engine))["Mounts"] == []
    assert "--model_base_path=gs://bucket/half_plus_two" in engine.calls("run")[0]


def test_the_container_says_whose_it_is(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    runner(model()).Start()
    name = name_of(engine)
    labels = engine.state_of(name)["Config"]["Labels"]
    assert name.startswith("ivdocker-")
    assert {"ivdocker.session", "ivdocker.owner-pid", "ivdocker.owner-started", "ivdocker.owner-host"} <= set(labels)


def test_a_secret_reaches_the_server_but_no_command_line(
    engine: Engine, runner: RunnerFactory, model: ModelFactory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    run = runner(model(), env={"AWS_SECRET_ACCESS_KEY": "hunter2"})
    run.Start()
    (call,) = [call for call in engine.journal() if call.argv[0] == "run"]
    assert "--env=AWS_SECRET_ACCESS_KEY" in call.argv
    assert "AWS_SECRET_ACCESS_KEY" in call.env
    assert not any("hunter2" in word for call in engine.journal() for word in call.argv)
    assert "hunter2" not in caplog.text + str(run.command)


def test_api_version_and_host_are_the_specs(
    engine: Engine, runner: RunnerFactory, model: ModelFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    spec = {"local_docker": {"client_base_url": "unix:///nowhere.sock", "client_api_version": "1.41"}}
    with pytest.raises(EnvironmentFailed) as caught:
        runner(model(), spec=spec).Start()
    assert caught.value.failure is not None
    assert caught.value.failure.code == "engine-unreachable"
    assert {call.argv[0] for call in engine.journal()} == {"--host=unix:///nowhere.sock"}
    assert all("DOCKER_API_VERSION" in call.env for call in engine.journal())


def test_every_error_is_an_infra_validation_error() -> None:
    for error in (DeadlineExceeded, JobAborted, ValidationFailed, GracefulShutdown, EnvironmentFailed, UsageError):
        assert issubclass(error, InfraValidationError)


def test_the_runner_can_be_told_from_its_repr(runner: RunnerFactory, model: ModelFactory, engine: Engine) -> None:
    assert repr(runner(model())) == f"LocalDockerRunner(image: {engine.image})"
