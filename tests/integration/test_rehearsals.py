"""What deployment does to a server, tried before it: no way out, limited rights, SIGTERM, little memory."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivdocker import RunOptions, validate
from tests.conftest import Cli, Engine, ModelFactory, wait_until
from tests.lifecycle.conftest import Start, Started, start

__all__ = ["start"]

pytestmark = [pytest.mark.engine, pytest.mark.parametrize("engine", ["docker"], indirect=True)]

MEGABYTE = 1 << 20
TRITON = "ivdocker/triton:24.10"
LINEAR = Path(__file__).parents[2] / "docs" / "examples" / "triton" / "linear"


def networks(engine: Engine) -> list[str]:
    """Those that this test made and that are still there."""
    made = {argv[-1] for argv in engine.calls("network") if argv[:2] == ["network", "create"]}
    listed = engine.docker("network", "ls", "--filter=label=ivdocker.session", "--format={{.Name}}")
    return [name for name in listed.split() if name in made]


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A host and port beyond this machine, as a container sees it: in another one, on docker's own bridge."""
    command = ["python3", "-m", "http.server", "8000"]
    words = ["docker", "run", "--detach", "--rm", "--init", "ivdocker/base:bookworm", *command]
    name = output(*words)
    try:
        address = output("docker", "inspect", "--format={{.NetworkSettings.IPAddress}}", name)
        wait_until(lambda: answers(address, 8000))
        yield f"{address}:8000"
    finally:
        output("docker", "rm", "--force", name)


def output(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


def test_a_server_that_downloads_nothing_loads_and_answers_offline(engine: Engine, model: ModelFactory) -> None:
    report = validate(model(), images=[engine.image], synthesize=3, options=RunOptions(offline=True))
    assert report.blessed
    assert report.runs[0].requests.sent == 3
    assert networks(engine) == []


def test_a_server_that_downloads_at_its_start_is_found_out(engine: Engine, model: ModelFactory, elsewhere: str) -> None:
    path = model(download_from=elsewhere)
    assert validate(path, images=[engine.image]).blessed
    run = validate(path, images=[engine.image], options=RunOptions(offline=True)).runs[0]
    assert run.failure is not None
    assert run.failure.code == "container-exited"
    assert any(f"cannot download from {elsewhere}" in line for line in run.failure.log_tail)
    assert networks(engine) == []


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_the_network_goes_with_the_run(
    signum: signal.Signals, engine: Engine, start: Start, model: ModelFactory
) -> None:
    run: Started = start("validate", model(load_seconds=60), f"--image={engine.image}", "--offline")
    run.wait_for("running  ")
    assert len(networks(engine)) == 1
    run.signal(signum)
    run.exit_code()
    assert run.left() == []
    wait_until(lambda: networks(engine) == [], 15)


def test_prune_finds_the_network_that_a_kept_container_is_in(cli: Cli, engine: Engine, model: ModelFactory) -> None:
    done = cli("validate", model(exit_during_load=3), f"--image={engine.image}", "--offline", "--keep")
    assert done.returncode == 1
    (network,) = networks(engine)
    # Not for real: what other tests keep would go too.
    pruned = cli("prune", "--all", "--dry-run").stdout.splitlines()
    assert f"would remove {network}" in pruned
    assert f"would remove network {network}" in pruned
    (command,) = re.findall(r"remove it with: (.*)", done.stderr)
    subprocess.run(command, shell=True, check=True, capture_output=True)
    assert (engine.containers(), networks(engine)) == ([], [])


def test_offline_and_a_network_contradict(cli: Cli, engine: Engine, model: ModelFactory) -> None:
    done = cli("validate", model(), f"--image={engine.image}", "--offline", "--network=host")
    assert done.returncode == 2
    assert "--offline" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_entrypoint_that_keeps_sigterm_to_itself_is_found_out(cli: Cli, engine: Engine, model: ModelFactory) -> None:
    """The shell script of TensorFlow Serving's image is PID 1 and waits for the server."""
    done = cli("validate", model(), f"--image={engine.image}", "--graceful-stop", "--json=-")
    assert done.returncode == 1
    (run,) = json.loads(done.stdout)["runs"]
    assert run["failure"]["code"] == "unclean-stop"
    assert run["failure"]["stage"] == "stop"
    assert run["failure"]["exit_code"] == 137


def test_triton_takes_every_rehearsal(engine: Engine) -> None:
    options = RunOptions(offline=True, hardened=True, graceful_stop=True)
    report = validate(LINEAR, images=[TRITON], synthesize=3, options=options)
    assert report.blessed
    assert networks(engine) == []


def test_the_smallest_memory_limit_is_found(cli: Cli, engine: Engine, model: ModelFactory) -> None:
    path = model(allocate_mb_during_load=100)
    done = cli("validate", path, f"--image={engine.image}", "--synthesize", "--find-memory", "--json=-", timeout=180)
    assert done.returncode == 0
    (run,) = json.loads(done.stdout)["runs"]
    search = run["memory_search"]
    assert 100 * MEGABYTE <= search["smallest_bytes"] <= 140 * MEGABYTE
    enough = [each["limit_bytes"] for each in search["tries"] if each["verdict"] == "blessed"]
    too_little = [each["limit_bytes"] for each in search["tries"] if each["code"] == "out-of-memory"]
    assert len(enough) + len(too_little) == len(search["tries"])
    assert max(too_little) < min(enough) == search["smallest_bytes"]
    assert f"smallest memory limit under which it loads and answers: {min(enough) >> 20}m" in done.stderr
