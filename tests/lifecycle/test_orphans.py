"""What even the watchdog missed: the next run, ps, logs and prune; and whom they must leave alone.

On the fake engine: on a real one the runs of others would find our orphans before us.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivdocker.process import tree
from tests.conftest import Cli, Engine, ModelFactory, wait_until
from tests.lifecycle.conftest import FAKE, Start, Started

pytestmark = FAKE


@pytest.fixture
def orphan(engine: Engine, start: Start, model: ModelFactory) -> Iterator[str]:
    """The name of a container whose owner was killed, and its watchdog with it."""
    run = start("validate", model(load_seconds=60), f"--image={engine.image}")
    run.wait_for("running  ")
    run.kill_with_watchdog()
    (name,) = engine.containers()
    yield name
    remove_all(engine)


def remove_all(engine: Engine) -> None:
    for name in engine.containers():
        engine.docker("rm", "--force", "--volumes", name)


@pytest.fixture
def ready_model(orphan: str, tmp_path: Path) -> Path:
    """The orphan's model, which loads at once from now on."""
    del orphan
    folder = tmp_path / "half_plus_two"
    (folder / "1" / "standin.json").unlink()
    return folder


def owner_labels(**changed: str) -> list[str]:
    """Those of a container of this very process, but for what is changed."""
    me = tree.this_process()
    labels = {"pid": str(me.pid), "started": me.started, "host": me.host, "boot": f"{me.boot}/{me.namespace}"}
    labels |= changed
    return [f"--label=ivdocker.owner-{name}={value}" for name, value in labels.items()]


def run_forged(engine: Engine, model: ModelFactory, *labels: str) -> None:
    mount = f"--mount=type=bind,source={model()},target=/models/half_plus_two,readonly"
    env = ("--env=MODEL_NAME=half_plus_two", "--env=MODEL_BASE_PATH=/models")
    # The fake's servers have no network of their own: two would want the same ports.
    ports = ("--publish=127.0.0.1::8500", "--publish=127.0.0.1::8501")
    words = ("run", "--detach", "--pull=never", "--name=forged", *labels, "--init", *env, mount, *ports)
    engine.docker(*words, engine.image)


@pytest.mark.parametrize("with_spec", [False, True], ids=["image", "spec"])
def test_the_next_run_removes_an_orphan_first(
    with_spec: bool, engine: Engine, orphan: str, ready_model: Path, cli: Cli, tmp_path: Path
) -> None:
    """Before its own container is made: what the orphan holds, it may need."""
    name, _, tag = engine.image.partition(":")
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"tensorflow_serving": {"image_name": name, "tags": [tag]}, "local_docker": {}}))
    before = len(engine.journal())
    done = cli("validate", ready_model, f"--spec={spec}" if with_spec else f"--image={engine.image}")
    assert done.returncode == 0, done.stderr
    removal, run, *_ = [call for call in engine.journal()[before:] if call.verb in ("run", "rm")]
    assert (removal.verb, removal.argv[-1], run.verb) == ("rm", orphan, "run")
    assert engine.containers() == []


def test_an_orphan_that_cannot_be_removed_is_named_and_no_reason_to_fail(
    engine: Engine, orphan: str, ready_model: Path, cli: Cli
) -> None:
    engine.faults({"verb": "rm", "nth": 1, "exit": 1, "stderr": "Error response from daemon: busy\n"})
    done = cli("validate", ready_model, f"--image={engine.image}")
    assert done.returncode == 0
    assert f"could not remove {orphan}, left by an earlier run: Error response from daemon: busy" in done.stderr
    assert engine.containers() == [orphan]


def test_a_dry_run_leaves_an_orphan_alone(engine: Engine, orphan: str, ready_model: Path, cli: Cli) -> None:
    assert cli("validate", ready_model, f"--image={engine.image}", "--dry-run").returncode == 0
    assert engine.containers() == [orphan]


def test_a_signal_while_the_engine_does_not_say_what_it_has_leaves_nothing(
    engine: Engine, start: Start, model: ModelFactory
) -> None:
    engine.faults({"verb": "ps", "hang": True})
    run = start("validate", model(), f"--image={engine.image}")
    run.wait_for_call("ps")
    run.signal(signal.SIGTERM)
    assert run.exit_code() == 143
    assert engine.calls("run") == []
    engine.faults()
    assert run.helpers() == []


def test_ps_tells_what_is_there_and_whose(engine: Engine, orphan: str, cli: Cli) -> None:
    done = cli("ps")
    assert done.returncode == 0
    header, line = done.stdout.splitlines()
    assert header.split() == ["NAME", "IMAGE", "STATUS", "OWNER"]
    assert line.split()[:2] == [orphan, engine.image]
    assert line.endswith("orphan")


def test_logs_shows_what_an_orphan_wrote(orphan: str, cli: Cli) -> None:
    done = cli("logs", orphan)
    assert done.returncode == 0
    assert "TensorFlow ModelServer" in done.stdout + done.stderr
    assert cli("logs", "some-other").returncode == 2


def test_prune_dry_run_says_it_and_does_nothing(engine: Engine, orphan: str, cli: Cli) -> None:
    done = cli("prune", "--dry-run")
    assert (done.returncode, done.stdout) == (0, f"would remove {orphan}\n")
    assert engine.containers() == [orphan]


def test_prune_removes_an_orphan(engine: Engine, orphan: str, cli: Cli) -> None:
    done = cli("prune")
    assert (done.returncode, done.stdout) == (0, f"removed {orphan}\n")
    assert engine.containers() == []
    assert cli("prune").stdout.startswith("nothing to remove\n")


def test_prune_older_than_leaves_the_younger(engine: Engine, orphan: str, cli: Cli) -> None:
    assert cli("prune", "--older-than=1h").stdout.startswith("nothing to remove\n")
    assert engine.containers() == [orphan]
    assert cli("prune", "--older-than=0s").stdout == f"removed {orphan}\n"


def test_a_container_whose_owner_lives_is_never_touched(
    engine: Engine, start: Start, model: ModelFactory, cli: Cli
) -> None:
    path = model()
    run = start("serve", path, f"--image={engine.image}")
    run.wait_for("is ready")
    (name,) = engine.containers()
    for words in (["prune"], ["prune", "--all"], ["validate", str(path), f"--image={engine.image}"]):
        done = cli(*words)
        assert done.returncode == 0, done.stderr
        assert engine.containers() == [name]
    assert re.search(rf"(?m)^{name} .* owned$", cli("ps").stdout)
    run.signal(signal.SIGINT)
    assert run.exit_code() == 130


def test_what_ivdocker_did_not_make_is_never_touched(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    run_forged(engine, model)
    try:
        assert cli("prune", "--all").stdout == "nothing to remove\n"
        assert cli("logs", "forged").returncode == 2
        assert engine.state_of("forged")["State"]["Status"] == "running"
    finally:
        engine.docker("rm", "--force", "--volumes", "forged")


@pytest.mark.parametrize(
    ("changed", "removed_by"),
    [
        ({}, None),
        ({"started": "1"}, "prune"),
        ({"pid": "4194304"}, "prune"),
        ({"boot": "an-earlier-boot/ns"}, "prune"),
        ({"host": "elsewhere"}, "prune --all"),
        ({"pid": "no number"}, "prune --all"),
        ({"host": "elsewhere", "container": "0" * 64}, "prune"),
        ({"host": "elsewhere", "container": "forged"}, "prune --all"),
    ],
    ids=[
        "the owner lives",
        "pid used again",
        "no such pid",
        "an earlier boot",
        "another host",
        "unreadable",
        "its container is gone",
        "its container runs",
    ],
)
def test_whose_owner_is_gone(
    changed: dict[str, str], removed_by: str | None, engine: Engine, model: ModelFactory, cli: Cli
) -> None:
    run_forged(engine, model, *owner_labels(**changed), "--label=ivdocker.session=forged")
    try:
        for command in ("prune", "prune --all"):
            cli(*command.split())
            assert (engine.containers() == []) == (removed_by in ("prune", command))
    finally:
        remove_all(engine)


def test_the_orphan_of_a_watchdog_that_was_killed_first(engine: Engine, start: Start, model: ModelFactory) -> None:
    """The run itself goes on as if nothing had happened, and tidies up by itself."""
    run = start("validate", model(load_seconds=60), f"--image={engine.image}")
    run.wait_for("running  ")
    kill_watchdog(run)
    run.signal(signal.SIGTERM)
    assert run.exit_code() == 143
    assert engine.containers() == []


def kill_watchdog(run: Started) -> None:
    (watchdog,) = run.helpers("watchdog.sh")
    watchdog.kill()
    wait_until(lambda: not run.helpers("watchdog.sh"))
