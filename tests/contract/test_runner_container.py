"""What a model server runner makes: the container's mounts, ports, environment and labels."""

from __future__ import annotations

import pytest

from ivdocker import (
    DeadlineExceeded,
    EnvironmentFailed,
    GracefulShutdown,
    InfraValidationError,
    JobAborted,
    TensorFlowServing,
    UsageError,
    ValidationFailed,
)
from tests.conftest import Engine, ModelFactory
from tests.contract.conftest import PREDICT, RunnerFactory, name_of, soon


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
    name: str, engine: Engine, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    folder = model()
    folder = folder.rename(folder.with_name(name))
    run = runner(folder)
    run.Start()
    run.WaitUntilRunning(soon())
    client = binary.MakeClient(run.GetEndpoint())
    client.WaitUntilModelLoaded(soon())
    assert [mount["Source"] for mount in engine.state_of(name_of(engine))["Mounts"]] == [str(folder)]
    assert client.predict(PREDICT) == {"predictions": [2.5, 3.0, 4.5]}


@pytest.mark.parametrize("version", ["", "1"])
def test_the_model_may_be_a_version_or_the_folder_of_versions(
    version: str, engine: Engine, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model() / version)
    run.Start()
    run.WaitUntilRunning(soon())
    client = binary.MakeClient(run.GetEndpoint())
    client.WaitUntilModelLoaded(soon())
    (mount,) = engine.state_of(name_of(engine))["Mounts"]
    assert mount["Destination"] == f"/models/half_plus_two/{version}".rstrip("/")
    assert client.predict(PREDICT) == {"predictions": [2.5, 3.0, 4.5]}


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
