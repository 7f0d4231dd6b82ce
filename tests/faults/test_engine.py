"""What the engine may do to us: not be there, refuse, freeze, die, be full, not see our files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Engine, ModelFactory, wait_until
from tests.fakes.verbs import IMAGE
from tests.faults.conftest import Start
from tests.faults.registry import Registry
from tests.faults.run import MODEL, Run, validate
from tests.faults.second_engine import SecondEngine, why_none

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("second engine")]

_NO_ENGINE_S = 3.0
_CALL_S = 5
_DISK_MB = 40
"""Less than the layer that the registry feeds."""
_HOST = "faults-engine"
_EMPTY_IMAGE = "ivdocker/tensorflow-serving-empty:1"
Breaks = Callable[[SecondEngine], AbstractContextManager[None]]


# None at all


@pytest.mark.parametrize(
    ("env", "args", "outcome"),
    [
        pytest.param({"DOCKER_HOST": "unix:///nowhere/docker.sock"}, (), "3 engine-unreachable", id="no engine"),
        pytest.param({}, ("--engine=/no/docker",), "3 engine-missing", id="no docker program"),
    ],
)
def test_without_an_engine_it_is_said_at_once(
    env: dict[str, str], args: tuple[str, ...], outcome: str, start: Start, model: ModelFactory
) -> None:
    run = start(*validate(model(), *args), env=env)
    run.assert_outcome(outcome)
    run.assert_ended_within(_NO_ENGINE_S)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")
def test_no_permission(engine: Engine, start: Start, model: ModelFactory, tmp_path: Path) -> None:
    """Root that may not override permissions, before a socket that belongs to somebody else."""
    address = str(tmp_path / "docker.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        os.chown(address, 65534, 65534)
        os.chmod(address, 0o600)
        powerless = replace(engine, wrapper=("setpriv", "--bounding-set=-dac_override,-dac_read_search"))
        run = start(*validate(model()), on=powerless, env={"DOCKER_HOST": f"unix://{address}"})
        run.assert_outcome("3 engine-permission")
        run.assert_ended_within(_NO_ENGINE_S)


# One that breaks


@pytest.fixture
def slow_run(second_engine: SecondEngine, start: Start, model: ModelFactory, tmp_path: Path) -> Iterator[Run]:
    """Its docker calls have a short deadline, as a ServingSpec says it; what it leaves, the next run tidies up."""
    name, _, tag = IMAGE.rpartition(":")
    spec = {"tensorflow_serving": {"image_name": name, "tags": [tag]}, "model_name": "half_plus_two"}
    file = tmp_path / "spec.json"
    file.write_text(json.dumps({**spec, "local_docker": {"client_timeout_seconds": _CALL_S}}))
    yield start(*validate(model(load_seconds=60), f"--spec={file}"), on=second_engine.engine, host=_HOST)
    following = start(*validate(MODEL), on=second_engine.engine, host=_HOST)
    assert following.exit_code() == 0, following.stderr


def in_docker_run(run: Run) -> object:
    return run.helpers("run --detach")


def in_load(run: Run) -> object:
    return run.has_done("running")


BREAKS: list[tuple[str, Breaks, tuple[str, ...]]] = [
    ("SIGSTOP", SecondEngine.frozen, ("3 engine-timeout", "3 engine-unreachable")),
    ("SIGKILL", SecondEngine.killed, ("3 engine-unreachable",)),
]
MOMENTS: list[tuple[str, Callable[[Run], object]]] = [("start (docker run)", in_docker_run), ("load", in_load)]


@pytest.mark.parametrize(
    ("breaks", "outcomes", "moment"),
    [
        pytest.param(breaks, outcomes, has_come, id=f"dockerd gets {signal_name}, {moment}")
        for signal_name, breaks, outcomes in BREAKS
        for moment, has_come in MOMENTS
    ],
)
def test_an_engine_that_breaks_is_no_verdict(
    breaks: Breaks,
    outcomes: tuple[str, ...],
    moment: Callable[[Run], object],
    second_engine: SecondEngine,
    slow_run: Run,
) -> None:
    slow_run.wait_for_moment(moment)
    with breaks(second_engine):
        slow_run.since = time.monotonic()
        slow_run.assert_outcome(*outcomes)
        assert "bug in ivdocker" not in slow_run.stderr
    # What could not be removed meanwhile, the watchdog removes when the engine is back.
    wait_until(lambda: slow_run.helpers() == [] and slow_run.containers() == [])


def test_dockerd_frozen_and_sigterm_to_us(second_engine: SecondEngine, slow_run: Run) -> None:
    slow_run.wait_for_moment(in_load)
    with second_engine.frozen():
        slow_run.send(signal.SIGTERM)
        assert slow_run.exit_code() == 143, slow_run.stderr


def test_dockerd_restarted(second_engine: SecondEngine, slow_run: Run) -> None:
    """That is not the model's fault."""
    slow_run.wait_for_moment(in_load)
    with second_engine.killed():
        pass
    slow_run.assert_outcome("3 engine-unreachable", "3 engine-error")


# One of another kind


@contextmanager
def other_engine(disk_mb: int = 0, hidden: Path | None = None) -> Iterator[SecondEngine]:
    if trouble := why_none():
        pytest.skip(trouble)
    with SecondEngine(disk_mb, hidden) as made:
        made.start()
        yield made


@pytest.fixture
def full_engine() -> Iterator[SecondEngine]:
    """Before ``start`` among a test's arguments: it ends after what runs on it."""
    with other_engine(disk_mb=_DISK_MB) as made:
        yield made


def test_its_disk_is_full(full_engine: SecondEngine, start: Start, model: ModelFactory) -> None:
    with Registry("flood", full_engine.network) as registry:
        args = (f"--image={registry.image}", "--server=tensorflow-serving")
        run = start(*validate(model(), *args), on=full_engine.engine)
        run.assert_outcome("3 disk-full")
    assert "the disk of the container engine is full" in run.stderr


@pytest.fixture
def blind_engine(tmp_path: Path) -> Iterator[SecondEngine]:
    """As on another machine, or when we are in a container and it is not."""
    with other_engine(hidden=tmp_path) as made:
        yield made


def test_it_does_not_see_our_files(
    blind_engine: SecondEngine, start: Start, model: ModelFactory, tmp_path: Path
) -> None:
    (tmp_path / "image.tar").write_bytes(bytes(10240))
    blind_engine.engine.docker("import", str(tmp_path / "image.tar"), _EMPTY_IMAGE)
    run = start(*validate(model(), f"--image={_EMPTY_IMAGE}"), on=blind_engine.engine)
    run.assert_outcome("3 mount-not-found")
    assert "the path must exist on the machine where the engine runs" in run.stderr
