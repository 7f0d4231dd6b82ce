"""An engine that hangs, or babbles, ends in bounded time with a verdict, and what it made is removed. Fake only."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

import ivdocker
from ivdocker import Failure, RunOptions
from ivdocker.container import session, tolerance
from tests.conftest import Engine, ModelFactory, wait_until
from tests.contract.conftest import in_threads

pytestmark = pytest.mark.parametrize("engine", ["fake"], indirect=True)

_BOUND_S = 40
"""Seconds, on a busy machine too; what is not bounded hangs for ever."""


@pytest.fixture(autouse=True)
def sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has made no container yet, and that waits a shorter time for an engine to come back."""
    monkeypatch.setattr(session, "_swept", {})
    monkeypatch.setattr(tolerance, "_OUTAGE_S", 0.5)


def validate(engine: Engine, model: Path) -> Failure | None:
    """With a second for each docker call."""
    name, _, tag = engine.image.partition(":")
    spec = {
        "tensorflow_serving": {"image_name": name, "tags": [tag]},
        "local_docker": {"client_timeout_seconds": 1},
        "model_name": "half_plus_two",
    }
    before = time.monotonic()
    (run,) = ivdocker.validate(model, spec=spec, timeout_s=5, options=RunOptions(grace_s=1)).runs
    assert time.monotonic() - before < _BOUND_S
    return run.failure


HANG: dict[str, Any] = {"hang": True}
ENDLESS: dict[str, Any] = {"endless": True}
HALF: dict[str, Any] = {"half_json": True}
GRANDCHILD: dict[str, Any] = {"grandchild": 30}
KILLED: dict[str, Any] = {"signal": 9}


@pytest.mark.parametrize("fault", [HANG, ENDLESS, KILLED], ids=lambda fault: "".join(fault))
@pytest.mark.parametrize("late", [False, True], ids=["at-once", "once-the-container-runs"])
def test_run(fault: dict[str, Any], late: bool, engine: Engine, model: ModelFactory) -> None:
    """A container that was made all the same is removed, by the name that was chosen for it."""
    engine.faults({"verb": "run", "late": late, **fault})
    failure = validate(engine, model())
    assert failure is not None
    assert failure.code == ("engine-error" if "signal" in fault else "engine-timeout")
    assert engine.containers() == []


def test_a_program_that_is_no_engine_has_said_so_when_it_refuses_twice(
    engine: Engine, model: ModelFactory, caplog: pytest.LogCaptureFixture
) -> None:
    engine.faults({"verb": "run", "exit": 1}, {"verb": "rm", "exit": 1})
    failure = validate(engine, model())
    assert failure is not None
    assert failure.code == "engine-error"
    assert len(engine.calls("rm")) == 2
    assert "could not remove the container, if it exists; do it by hand: docker rm" in caplog.text


RESTARTING: dict[str, Any] = {"exit": 1, "stderr": "Cannot connect to the Docker daemon at unix:///x. Is it there?\n"}
BROKEN_OFF: dict[str, Any] = {"exit": 125, "stderr": "docker: error waiting for container: unexpected EOF\n"}
BUSY: dict[str, Any] = {"exit": 1, "stderr": "Error response from daemon: device or resource busy\n"}


@pytest.mark.parametrize(
    ("run", "rm"),
    [
        (BROKEN_OFF, [RESTARTING] * 3),
        ({**RESTARTING, "stdout": "0123456789ab\n"}, [RESTARTING] * 3),
        ({**RESTARTING, "stdout": "0123456789ab\n"}, [BUSY] * 3),
        ({"exit": 125, "stderr": "docker: Error response from daemon: jammed\n"}, [BUSY, RESTARTING] * 2),
    ],
    ids=["broken-off", "created", "created-and-busy", "other-words"],
)
def test_what_a_failed_run_left_is_removed_once_the_engine_is_back(
    run: dict[str, Any], rm: list[dict[str, Any]], engine: Engine, model: ModelFactory
) -> None:
    """The container is there, though docker run failed."""
    later = [{"verb": "rm", "nth": nth, **fault} for nth, fault in enumerate(rm, start=1)]
    engine.faults({"verb": "run", "late": True, **run}, *later)
    assert validate(engine, model()) is not None
    assert len(engine.calls("rm")) == len(rm) + 1
    assert engine.containers() == []


def test_a_server_that_ran_is_removed_however_often_the_engine_refuses(engine: Engine, model: ModelFactory) -> None:
    engine.faults(*({"verb": "rm", "nth": nth, **BUSY} for nth in range(1, 5)))
    assert validate(engine, model()) is None
    assert len(engine.calls("rm")) == 5
    assert engine.containers() == []


@pytest.mark.parametrize("fault", [HANG, ENDLESS], ids=lambda fault: "".join(fault))
def test_an_engine_that_does_not_say_what_it_has_is_asked_for_nothing_more(
    fault: dict[str, Any], engine: Engine, model: ModelFactory
) -> None:
    engine.faults({"verb": "ps", **fault})
    failure = validate(engine, model())
    assert failure is not None
    assert failure.code == "engine-timeout"
    assert "docker ps" in failure.message
    assert engine.calls("run") == []


@pytest.mark.parametrize(
    "fault", [HALF, GRANDCHILD, KILLED, {"exit": 1, "stderr": "ps is forbidden\n"}], ids=lambda fault: "".join(fault)
)
def test_orphans_that_cannot_be_known_are_no_reason_to_fail(
    fault: dict[str, Any], engine: Engine, model: ModelFactory
) -> None:
    engine.faults({"verb": "ps", **fault})
    assert validate(engine, model()) is None


@pytest.mark.parametrize(("pause", "calls"), [(60, 1), (0, 2)])
def test_a_process_looks_for_orphans_first_and_then_now_and_again(
    pause: float, calls: int, engine: Engine, model: ModelFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_AGAIN_S", pause)
    path = model()
    assert (validate(engine, path), validate(engine, path)) == (None, None)
    assert len(engine.calls("ps")) == calls
    verbs = [call.verb for call in engine.journal()]
    assert verbs.index("ps") < verbs.index("run")


@pytest.mark.parametrize("fault", [HANG, ENDLESS], ids=lambda fault: "".join(fault))
@pytest.mark.parametrize("nth", [1, 2])
def test_inspect(fault: dict[str, Any], nth: int, engine: Engine, model: ModelFactory) -> None:
    engine.faults(*({"verb": "inspect", "nth": each, **fault} for each in range(nth, 50)))
    failure = validate(engine, model(hang_load=True))
    assert failure is not None
    assert failure.code in ("engine-timeout", "load-timeout")
    assert engine.containers() == []


@pytest.mark.parametrize(
    "fault",
    [HALF, {"stdout": ""}, {"stdout": "[]"}, {"stdout": "[" * 100_000}, {"stdout": "WARNING: what a day\n"}],
    ids=["half", "empty", "none", "deep", "warning"],
)
def test_inspect_that_prints_no_container(fault: dict[str, Any], engine: Engine, model: ModelFactory) -> None:
    engine.faults({"verb": "inspect", **fault})
    failure = validate(engine, model())
    assert failure is not None
    assert failure.code == "engine-error"
    assert "container inspect" in failure.message
    assert engine.containers() == []


def test_inspect_of_a_container_that_vanished(engine: Engine, model: ModelFactory) -> None:
    engine.faults({"verb": "inspect", "nth": 1, "vanish": True})
    failure = validate(engine, model())
    assert failure is not None
    assert failure.code == "engine-error"
    assert "gone" in failure.message
    assert "No such container" not in "".join(failure.log_tail)


@pytest.mark.parametrize(
    "fault",
    [HANG, ENDLESS, GRANDCHILD, KILLED, {"exit": 1, "stderr": "no log driver"}],
    ids=lambda fault: "".join(fault),
)
def test_logs_are_evidence_and_never_a_reason_to_fail(
    fault: dict[str, Any], engine: Engine, model: ModelFactory
) -> None:
    engine.faults({"verb": "logs", **fault})
    assert validate(engine, model()) is None


@pytest.mark.parametrize("fault", [HANG, KILLED, {"exit": 1}], ids=lambda fault: "".join(fault))
def test_a_death_is_noticed_without_logs(fault: dict[str, Any], engine: Engine, model: ModelFactory) -> None:
    engine.faults({"verb": "logs", **fault})
    failure = validate(engine, model(load_seconds=0.5, exit_during_load=3))
    assert failure is not None
    assert (failure.code, failure.exit_code) == ("container-exited", 3)


@pytest.mark.parametrize("fault", [HANG, ENDLESS, GRANDCHILD, KILLED], ids=lambda fault: "".join(fault))
@pytest.mark.parametrize("verb", ["stop", "rm"])
def test_a_container_is_removed_though_a_call_of(
    verb: str, fault: dict[str, Any], engine: Engine, model: ModelFactory
) -> None:
    """The next call does what this one did not."""
    engine.faults({"verb": verb, "nth": 1, **fault})
    assert validate(engine, model()) is None
    assert engine.containers() == []


def test_a_container_that_cannot_be_removed_is_named_with_what_to_do(
    engine: Engine, model: ModelFactory, caplog: pytest.LogCaptureFixture
) -> None:
    engine.faults({"verb": "rm", **BUSY})
    run = ivdocker.LocalDockerRunner(model(), ivdocker.TensorFlowServing(engine.image), {}, RunOptions(grace_s=0))
    run.Start()
    run.Stop()
    (name,) = engine.containers()
    assert f"docker rm --force --volumes {name}" in caplog.text
    assert not run.was_removed
    engine.faults()
    engine.docker("rm", "--force", "--volumes", name)
    run.Stop()
    assert run.was_removed


@pytest.mark.parametrize("fault", [HANG, ENDLESS, HALF, KILLED], ids=lambda fault: "".join(fault))
def test_a_version_that_cannot_be_had_is_left_out(fault: dict[str, Any], engine: Engine, model: ModelFactory) -> None:
    engine.faults({"verb": "version", **fault})
    assert validate(engine, model()) is None


@pytest.mark.parametrize("verb", ["run", "inspect", "version"])
def test_a_grandchild_that_holds_the_output_is_not_waited_for(verb: str, engine: Engine, model: ModelFactory) -> None:
    """Credential helpers do that."""
    engine.faults({"verb": verb, **GRANDCHILD})
    assert validate(engine, model()) is None


def test_an_image_that_was_missing_is_run_once_it_is_pulled(engine: Engine, model: ModelFactory) -> None:
    text = f"docker: Error response from daemon: No such image: {engine.image}\n"
    engine.faults({"verb": "run", "nth": 1, "exit": 125, "stderr": text})
    report = ivdocker.validate(model(), images=[engine.image])
    assert report.blessed
    assert list(report.runs[0].stages)[:2] == ["pull", "start"]


@pytest.mark.parametrize("verb", ["ps", "pull"])
def test_a_start_is_cut_short_when_the_runner_is_stopped(verb: str, engine: Engine, model: ModelFactory) -> None:
    engine.faults({"verb": verb, "hang": True})
    binary = ivdocker.TensorFlowServing("127.0.0.1:1/tensorflow/serving:1")
    run = ivdocker.LocalDockerRunner(model(), binary, {})
    raised: list[BaseException] = []
    starter = threading.Thread(target=lambda: raised.extend(in_threads(run.Start, 1)))
    starter.start()
    wait_until(lambda: engine.calls(verb) or raised)
    run.Stop()
    starter.join()
    assert [type(error) for error in raised] == [ivdocker.GracefulShutdown]


def test_a_slow_engine_is_no_failure(engine: Engine, model: ModelFactory) -> None:
    engine.faults(*({"verb": verb, "delay": 0.5} for verb in ("run", "inspect", "logs", "stop", "rm")))
    assert ivdocker.validate(model(), images=[engine.image]).blessed
