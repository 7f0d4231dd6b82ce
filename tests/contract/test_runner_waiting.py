"""A model server runner's waits, on the fake and on the real engine: what a deadline may be, a start in another thread,
an engine that fails now and then, a container that somebody else has paused or removed."""

from __future__ import annotations

import datetime
import math
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ivdocker import (
    DeadlineExceeded,
    Endpoint,
    EnvironmentFailed,
    GracefulShutdown,
    InfraValidationError,
    JobAborted,
    LocalDockerRunner,
    TensorFlowServing,
    UsageError,
    ValidationFailed,
)
from ivdocker.container import tolerance
from ivdocker.servers.records import ModelState
from tests.conftest import Engine, ModelFactory, wait_until
from tests.contract.conftest import PREDICT, RunnerFactory, in_threads, name_of, soon

AWAY: dict[str, Any] = {"exit": 1, "stderr": "Cannot connect to the Docker daemon at unix:///x. Is it running?\n"}
NEVER = math.inf


def running(run: LocalDockerRunner) -> Endpoint:
    run.Start()
    run.WaitUntilRunning(soon())
    return run.GetEndpoint()


def wait_until_paused(engine: Engine) -> None:
    name = name_of(engine)
    engine.docker("pause", name)
    wait_until(lambda: engine.state_of(name)["State"]["Status"] == "paused")


def in_background(work: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """The thread, and what the work raised once it is over."""
    raised: list[BaseException] = []
    thread = threading.Thread(target=lambda: raised.extend(in_threads(work, 1)))
    thread.start()
    return thread, raised


# Deadlines


@pytest.mark.parametrize("deadline", [math.nan, None, "soon", b"1", True, datetime.datetime(2030, 1, 1)])
def test_a_deadline_that_is_none_is_refused_at_once(
    deadline: Any, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model(hang_load=True))
    client = binary.MakeClient(running(run))
    for wait in (run.WaitUntilRunning, client.WaitUntilModelLoaded):
        with pytest.raises(UsageError, match=r"^deadline must be a UTC timestamp in seconds, such as time\.time\(\)"):
            wait(deadline)


def test_with_a_deadline_of_infinity_a_model_loads(
    runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model())
    run.Start()
    run.WaitUntilRunning(NEVER)
    client = binary.MakeClient(run.GetEndpoint())
    client.WaitUntilModelLoaded(NEVER)
    assert client.GetModelState() is ModelState.AVAILABLE


def test_with_a_deadline_of_infinity_a_stop_ends_the_wait(
    runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model(hang_load=True))
    client = binary.MakeClient(running(run))
    waiting, raised = in_background(lambda: client.WaitUntilModelLoaded(NEVER))
    run.Stop()
    waiting.join()
    assert [type(error) for error in raised] == [GracefulShutdown]


@pytest.mark.parametrize("deadline", [0, -1.5, -math.inf])
def test_a_deadline_in_the_past_is_exceeded_at_once(
    deadline: float, engine: Engine, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model(hang_load=True))
    client = binary.MakeClient(running(run))
    calls = len(engine.calls("inspect"))
    for wait in (run.WaitUntilRunning, client.WaitUntilModelLoaded):
        with pytest.raises(DeadlineExceeded):
            wait(deadline)
    assert len(engine.calls("inspect")) == calls


# A start in another thread


def test_waiting_for_a_start_in_another_thread_waits_for_it(
    runner: RunnerFactory, model: ModelFactory, binary: TensorFlowServing
) -> None:
    run = runner(model())
    starting, raised = in_background(run.Start)
    wait_until(lambda: run.name)
    run.WaitUntilRunning(soon())
    starting.join()
    assert raised == []
    binary.MakeClient(run.GetEndpoint()).WaitUntilModelLoaded(soon())


@pytest.mark.parametrize("engine", ["fake"], indirect=True)
def test_waiting_for_a_start_in_another_thread_ends_with_its_deadline(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    engine.faults({"verb": "run", "delay": 1})
    run = runner(model())
    starting, raised = in_background(run.Start)
    wait_until(lambda: engine.calls("run"))
    with pytest.raises(DeadlineExceeded, match=r"start\(\) is still at work in another thread"):
        run.WaitUntilRunning(time.time() + 0.1)
    starting.join()
    assert raised == []


def test_waiting_for_a_start_that_fails_says_why_it_failed(runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model(), binary=TensorFlowServing("127.0.0.1:1/nosuch:1"), pull="never")
    starting, raised = in_background(run.Start)
    wait_until(lambda: run.name)
    with pytest.raises(EnvironmentFailed, match="the image was not found"):
        run.WaitUntilRunning(soon())
    starting.join()
    assert [type(error) for error in raised] == [EnvironmentFailed]


# An engine that fails now and then


@pytest.mark.parametrize("nth", [(1,), (1, 2, 3), (2,), (3, 4)])
def test_a_docker_call_that_fails_and_is_answered_next_ends_no_wait(
    nth: tuple[int, ...], engine: Engine, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    engine.faults(*({"verb": "inspect", "nth": each, **AWAY} for each in nth))
    run = runner(model(load_seconds=2.5))
    client = binary.MakeClient(running(run))
    client.WaitUntilModelLoaded(soon())
    assert client.GetModelState() is ModelState.AVAILABLE


def test_a_log_that_cannot_be_followed_at_first_ends_no_wait(
    engine: Engine, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    engine.faults({"verb": "logs", "nth": 1, **AWAY}, {"verb": "inspect", "nth": 2, **AWAY})
    run = runner(model(load_seconds=1))
    binary.MakeClient(running(run)).WaitUntilModelLoaded(soon())
    assert "Successfully loaded servable version" in (run.GetLogs() or "")


def test_the_log_is_followed_again_after_the_engine_was_away(
    engine: Engine, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    """Only the log says that this server will never open its REST port."""
    engine.faults({"verb": "logs", "nth": 1, **AWAY}, {"verb": "inspect", "nth": 2, **AWAY})
    run = runner(model(load_seconds=1.5, rest_port_taken=True))
    client = binary.MakeClient(running(run))
    with pytest.raises(ValidationFailed, match="runs without its REST API"):
        client.WaitUntilModelLoaded(soon())


def test_an_engine_that_stays_away_is_named(
    engine: Engine,
    runner: RunnerFactory,
    binary: TensorFlowServing,
    model: ModelFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tolerance, "_OUTAGE_S", 0.2)
    run = runner(model(hang_load=True))
    client = binary.MakeClient(running(run))
    engine.faults({"verb": "inspect", **AWAY}, {"verb": "exec", **AWAY})
    for wait in (run.WaitUntilRunning, client.WaitUntilModelLoaded):
        with pytest.raises(EnvironmentFailed) as caught:
            wait(soon())
        assert caught.value.failure.code == "engine-unreachable"


def test_a_deadline_ends_the_wait_for_an_engine_that_is_away(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    run = runner(model())
    run.Start()
    engine.faults({"verb": "inspect", **AWAY})
    with pytest.raises(DeadlineExceeded, match="the engine did not answer: Cannot connect") as caught:
        run.WaitUntilRunning(time.time() + 3)
    assert caught.value.failure.code == "engine-unreachable"


# Somebody else on the same machine


def test_a_paused_container_is_named_before_it_runs(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model())
    run.Start()
    wait_until_paused(engine)
    with pytest.raises(EnvironmentFailed, match=rf"the container {run.name} is paused: somebody else paused it"):
        run.WaitUntilRunning(soon())
    engine.docker("unpause", name_of(engine))
    run.WaitUntilRunning(soon())


@pytest.mark.parametrize("seconds", [1, 60])
def test_a_paused_container_is_no_slow_model(
    seconds: float, engine: Engine, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    """However long the time limit is."""
    run = runner(model(load_seconds=1))
    client = binary.MakeClient(running(run))
    wait_until_paused(engine)
    with pytest.raises(EnvironmentFailed, match="is paused: somebody else paused it"):
        client.WaitUntilModelLoaded(time.time() + seconds)
    engine.docker("unpause", name_of(engine))
    # The watch has to look once more.
    wait_until(lambda: raises_nothing(run.check))
    client.WaitUntilModelLoaded(soon())


def raises_nothing(work: Callable[[], object]) -> bool:
    try:
        work()
    except InfraValidationError:
        return False
    return True


def test_a_request_to_a_paused_container_is_no_slow_answer(
    engine: Engine, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model())
    client = binary.MakeClient(running(run))
    client.WaitUntilModelLoaded(soon())
    wait_until_paused(engine)
    with pytest.raises(EnvironmentFailed, match="is paused: somebody else paused it"):
        client.predict(PREDICT, timeout_s=0.3)


def test_a_paused_container_can_be_stopped(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model(), grace_s=1)
    running(run)
    wait_until_paused(engine)
    run.Stop()
    assert run.was_removed
    assert engine.containers() == []


@pytest.mark.parametrize("engine", [pytest.param("docker", marks=pytest.mark.engine)], indirect=True)
def test_a_container_that_docker_starts_again_has_ended(
    engine: Engine, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    """Its published ports change at each start. The fake has no docker update."""
    run = runner(model(load_seconds=2, exit_during_load=3))
    client = binary.MakeClient(running(run))
    engine.docker("update", "--restart=always", name_of(engine))
    with pytest.raises(JobAborted, match="the server ended by itself"):
        client.WaitUntilModelLoaded(soon())


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_a_container_that_somebody_stops_says_nothing_about_the_model(
    engine: Engine, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory, verb: str
) -> None:
    run = runner(model(load_seconds=30))
    client = binary.MakeClient(running(run))
    engine.docker(verb, *(["--time=1"] if verb == "stop" else []), name_of(engine))
    with pytest.raises(EnvironmentFailed, match="somebody else stopped"):
        client.WaitUntilModelLoaded(soon())


def test_a_container_that_somebody_removes_says_nothing_about_the_model(
    engine: Engine, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model(load_seconds=30))
    client = binary.MakeClient(running(run))
    engine.docker("rm", "--force", "--volumes", name_of(engine))
    with pytest.raises(InfraValidationError, match="somebody else") as caught:
        client.WaitUntilModelLoaded(soon())
    assert caught.value.failure is not None
    assert caught.value.failure.is_environment


@pytest.mark.parametrize("engine", [pytest.param("docker", marks=pytest.mark.engine)], indirect=True)
def test_a_container_that_somebody_renames_is_removed(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    run = runner(model())
    running(run)
    identifier = engine.state_of(name_of(engine))["Id"]
    engine.docker("rename", identifier, f"renamed-{identifier[:12]}")
    run.Stop()
    assert identifier not in engine.docker("ps", "--all", "--quiet", "--no-trunc").split()


@pytest.mark.parametrize("engine", [pytest.param("docker", marks=pytest.mark.engine)], indirect=True)
def test_a_container_that_somebody_starts_again_says_nothing_about_the_model(
    engine: Engine, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model(load_seconds=30))
    client = binary.MakeClient(running(run))
    engine.docker("restart", "--time=0", name_of(engine))
    with pytest.raises(EnvironmentFailed, match="somebody else"):
        client.WaitUntilModelLoaded(soon())
