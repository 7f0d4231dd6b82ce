"""What a kill of a run and its watchdog has left: prune and the next run remove it, and nothing else."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.conftest import Engine, ModelFactory
from tests.fakes.verbs import IMAGE
from tests.faults.conftest import Start
from tests.faults.run import MODEL, Run, validate
from tests.faults.second_engine import SecondEngine
from tests.lifecycle.test_orphans import owner_labels

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("second engine")]

HOST = "faults-orphans"
"""The host name of all runs here: they see each other's containers as those of one machine."""
LABEL = "ivdocker-faults=made-by-hand"


class IvDocker(Protocol):
    def __call__(self, *args: str | Path) -> str: ...


@pytest.fixture
def own(second_engine: SecondEngine) -> Iterator[Engine]:
    """Where the runs of others do not tidy up behind us."""
    engine = second_engine.engine
    yield engine
    left = engine.labelled("ivdocker.session")
    for name in {*left, *engine.labelled(LABEL)}:
        engine.docker("rm", "--force", "--volumes", name)
    assert left == []


@pytest.fixture
def ivdocker(own: Engine, start: Start) -> IvDocker:
    """Runs a command to its end, which is a good one; returns what it prints."""

    def run(*args: str | Path) -> str:
        done = start(*args, on=own, host=HOST)
        assert done.exit_code() == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def orphan(own: Engine, start: Start, model: ModelFactory) -> Run:
    run = start(*validate(model(load_seconds=60)), on=own, host=HOST)
    run.wait_for_moment(lambda run: run.has_done("running"))
    run.kill_with_watchdog()
    assert len(run.containers()) == 1
    return run


def run_by_hand(own: Engine, *labels: str) -> None:
    own.docker("run", "--detach", f"--label={LABEL}", *labels, "--entrypoint=sleep", IMAGE, "600")


def test_the_next_run_removes_an_orphan(orphan: Run, ivdocker: IvDocker) -> None:
    ivdocker(*validate(MODEL))
    assert orphan.containers() == []


def test_prune_removes_an_orphan(orphan: Run, ivdocker: IvDocker) -> None:
    (name,) = orphan.containers()
    listed = ivdocker("ps")
    assert name in listed
    assert "orphan" in listed
    assert f"would remove {name}" in ivdocker("prune", "--dry-run")
    assert "nothing" in ivdocker("prune", "--older-than=1h")
    assert orphan.containers() == [name]
    assert f"removed {name}" in ivdocker("prune", "--older-than=0s")
    assert orphan.containers() == []


def test_a_live_owner_and_strangers_are_left_alone(
    own: Engine, start: Start, model: ModelFactory, ivdocker: IvDocker
) -> None:
    serve = start("serve", model(), f"--image={IMAGE}", on=own, host=HOST)
    serve.wait_for("is ready")
    run_by_hand(own)
    ivdocker(*validate(MODEL))
    assert "nothing" in ivdocker("prune")
    assert "nothing" in ivdocker("prune", "--all")
    (live,) = serve.containers()
    assert own.state_of(live)["State"]["Status"] == "running"
    assert len(own.labelled(LABEL)) == 1
    serve.send(signal.SIGINT)
    assert serve.exit_code() == 130


def test_what_is_kept_with_keep_is_removed_by_prune_all_alone(
    own: Engine, start: Start, model: ModelFactory, ivdocker: IvDocker
) -> None:
    run = start(*validate(model(exit_during_load=3), "--keep"), on=own, host=HOST)
    assert run.exit_code() == 1, run.stderr
    assert "docker logs" in run.stderr
    assert run.helpers() == []
    assert "nothing" in ivdocker("prune")
    assert "kept" in ivdocker("ps")
    assert len(run.containers()) == 1
    ivdocker("prune", "--all")
    assert run.containers() == []


@pytest.mark.parametrize(
    ("changed", "removed_by"),
    [
        pytest.param({"host": "elsewhere"}, "prune --all", id="of another machine"),
        pytest.param({"host": "elsewhere", "container": "0" * 64}, "prune", id="its container is gone"),
        pytest.param({"started": "1"}, "prune", id="pid used again"),
        pytest.param({"boot": "an-earlier-boot/ns", "pid": "1"}, "prune", id="an earlier boot"),
    ],
)
def test_a_container_whose_owner_is_gone_is_removed(
    changed: dict[str, str], removed_by: str, own: Engine, ivdocker: IvDocker
) -> None:
    run_by_hand(own, *owner_labels(**{"host": HOST, **changed}), "--label=ivdocker.session=forged")
    for command in ("prune", "prune --all"):
        ivdocker(*command.split())
        assert (own.labelled(LABEL) == []) == (removed_by in ("prune", command))
