"""TFX's contract for a model server runner: what GetLogs() and Stop() do whatever has happened."""

from __future__ import annotations

import threading

import pytest

from ivdocker import (
    EnvironmentFailed,
    GracefulShutdown,
    TensorFlowServing,
)
from tests.conftest import Engine, ModelFactory, wait_until
from tests.contract.conftest import PREDICT, RunnerFactory, in_threads, name_of, soon, wait_for_end

# GetLogs


def test_there_are_no_logs_before_start(runner: RunnerFactory, model: ModelFactory) -> None:
    assert runner(model()).GetLogs() is None


def test_the_logs_are_text_while_the_server_runs(runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model(hang_load=True))
    run.Start()
    assert isinstance(run.GetLogs(), str)
    wait_until(lambda: "Loading servable version" in (run.GetLogs() or ""))


def test_the_logs_are_complete_whenever_they_are_asked_for(
    runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    """The server's last line before it is ready is there as soon as it is ready, and after the stop at once."""
    path = model()
    asked, not_asked = runner(path), runner(path)
    for run in (asked, not_asked):
        run.Start()
        run.WaitUntilRunning(soon())
        client = binary.MakeClient(run.GetEndpoint())
        client.WaitUntilModelLoaded(soon())
        if run is asked:
            assert "Exporting HTTP/REST API" in (run.GetLogs() or "")
            client.SendRequests([PREDICT])
            assert "Exporting HTTP/REST API" in (run.GetLogs() or "")
        run.Stop()
        assert "Exporting HTTP/REST API" in (run.GetLogs() or "")


def test_stop_keeps_the_end_of_a_long_log(
    runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model(log_mb=8))
    run.Start()
    run.WaitUntilRunning(soon())
    binary.MakeClient(run.GetEndpoint()).WaitUntilModelLoaded(soon())
    run.Stop()
    assert "Exporting HTTP/REST API" in (run.GetLogs() or "")


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
    wait_until(lambda: "Exporting HTTP/REST API" in (run.GetLogs() or ""))
    assert "binary \N{REPLACEMENT CHARACTER}" in (run.GetLogs() or "")


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
    assert in_threads(run.Stop, 1) == []


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
