"""Signals at each stage of a run of the ivdocker command: the exit code is the signal's, and nothing is left."""

from __future__ import annotations

import signal
import time
from typing import Protocol

import pytest

from tests.conftest import Engine, ModelFactory, wait_until
from tests.lifecycle.conftest import REAL, Start, Started

pytestmark = REAL

_GRACE_S = 10


def wait_for_stage(run: Started, stage: str) -> None:
    """``docker run``: inside it; ``load`` and ``query``: while the server makes them last."""
    if stage == "docker run":
        run.wait_for_call("run")
    else:
        run.wait_for({"load": "running  ", "query": "load  "}[stage])


class Reach(Protocol):
    def __call__(self, stage: str) -> Started: ...


@pytest.fixture
def reach(start: Start, engine: Engine, model: ModelFactory, one_request: str) -> Reach:
    """Starts a run and comes back at that stage of it."""

    def begin(stage: str) -> Started:
        faults: dict[str, object] = {"hang_requests": True} if stage == "query" else {"load_seconds": 60}
        run = start("validate", model(**faults), f"--image={engine.image}", one_request)
        wait_for_stage(run, stage)
        return run

    return begin


@pytest.mark.parametrize(
    ("stage", "signum", "exit_code"),
    [
        ("docker run", signal.SIGTERM, 143),
        ("load", signal.SIGTERM, 143),
        ("query", signal.SIGTERM, 143),
        ("load", signal.SIGINT, 130),
        ("load", signal.SIGHUP, 129),
    ],
)
def test_a_signal_ends_the_run_with_everything_removed(
    stage: str, signum: signal.Signals, exit_code: int, engine: Engine, reach: Reach
) -> None:
    run = reach(stage)
    run.signal(signum)
    assert run.exit_code() == exit_code
    assert engine.containers() == []
    assert run.helpers() == []
    assert run.stderr.splitlines()[-1] == f"ivdocker: interrupted by {signum.name}; everything was removed"


@pytest.mark.parametrize(("stage", "group"), [("docker run", True), ("load", False), ("query", True)])
def test_a_sigkill_leaves_nothing(stage: str, group: bool, reach: Reach) -> None:
    run = reach(stage)
    run.signal(signal.SIGKILL, group)
    assert run.exit_code() == 137
    assert run.left() == []


@pytest.mark.parametrize(("signum", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_skips_the_grace(
    signum: signal.Signals, exit_code: int, engine: Engine, start: Start, model: ModelFactory
) -> None:
    run = start("validate", model(ignore_sigterm=True), f"--image={engine.image}")
    run.wait_for_call("stop")
    stopping, threads = time.monotonic(), run.threads
    run.signal(signum)
    # Two at once would be one to the kernel: the first has to have been taken, and then there are more threads.
    wait_until(lambda: run.threads > threads)
    run.signal(signum)
    assert run.exit_code() == exit_code
    assert time.monotonic() - stopping < _GRACE_S
    assert engine.containers() == []
    assert run.helpers() == []


@pytest.mark.parametrize(("signum", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_any_number_of_signals_is_as_good_as_two(
    signum: signal.Signals, exit_code: int, engine: Engine, reach: Reach
) -> None:
    """Somebody leans on Ctrl-C."""
    run = reach("load")

    def has_ended() -> bool:
        if run.process.poll() is None:
            run.signal(signum)
        return run.process.poll() is not None

    wait_until(has_ended)
    assert run.exit_code() == exit_code, run.stderr
    assert engine.containers() == []
    assert "Traceback" not in run.stderr


def test_a_sigkill_inside_stop_leaves_nothing(engine: Engine, start: Start, model: ModelFactory) -> None:
    run = start("validate", model(ignore_sigterm=True), f"--image={engine.image}")
    run.wait_for_call("stop")
    run.signal(signal.SIGKILL, group=True)
    assert run.left() == []


@pytest.mark.parametrize(("signum", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGKILL, 137)])
def test_several_servers_at_a_time_are_all_removed(
    signum: signal.Signals, exit_code: int, engine: Engine, start: Start, model: ModelFactory
) -> None:
    images = [f"--image={engine.image}"] * 3
    run = start("validate", model(load_seconds=60), *images, "--jobs=2")
    run.wait_for("running  ")
    run.signal(signum)
    assert run.exit_code() == exit_code
    assert len(engine.calls("run")) <= 2, "the third one was started after the signal"
    assert run.left() == []


def test_ctrl_c_ends_serve(engine: Engine, start: Start, model: ModelFactory) -> None:
    """A terminal sends it to the whole group of processes; docker's clients must not get it."""
    run = start("serve", model(), f"--image={engine.image}")
    run.wait_for("is ready")
    run.signal(signal.SIGINT, group=True)
    assert run.exit_code() == 130
    assert engine.containers() == []
    assert run.helpers() == []
