"""What is left on purpose: --evidence, --keep, --dry-run, the attempts of --tries; and no secret in any of them."""

from __future__ import annotations

import json
import secrets
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli, Engine, ModelFactory, wait_until
from tests.lifecycle.conftest import Start


def only_folder(evidence: Path) -> Path:
    (folder,) = (path for path in evidence.iterdir() if path.is_dir())
    return folder


def test_evidence_holds_what_happened(engine: Engine, cli: Cli, model: ModelFactory, one_request: str) -> None:
    done = cli("validate", model(add=1), f"--image={engine.image}", one_request, "--evidence=evidence")
    assert done.returncode == 1
    folder = only_folder(cli.folder / "evidence")
    assert engine.image in (folder / "command.txt").read_text()
    assert "Exporting HTTP/REST API" in (folder / "server.stderr.log").read_text()
    actions = [json.loads(line)["Action"] for line in (folder / "events.jsonl").read_text().splitlines()]
    assert "start" in actions
    assert json.loads((folder / "inspect.json").read_text())[0]["State"]
    assert json.loads((folder / "version.json").read_text())["Server"]
    (exchange,) = (json.loads(line) for line in (folder / "requests.jsonl").read_text().splitlines())
    assert exchange["answer"] == {"predictions": [3.5, 4.0, 5.5]}
    report = json.loads((cli.folder / "evidence" / "report.json").read_text())
    assert report["runs"][0]["failure"]["code"] == "response-mismatch"


def test_evidence_of_an_earlier_run_does_not_stay_in_the_folder(
    engine: Engine, cli: Cli, model: ModelFactory, one_request: str
) -> None:
    path = model()
    for requests in ([one_request], []):
        assert cli("validate", path, f"--image={engine.image}", *requests, "--evidence=evidence").returncode == 0
    folder = only_folder(cli.folder / "evidence")
    assert not (folder / "requests.jsonl").exists()
    assert (folder / "server.stderr.log").read_text().count("Exporting HTTP/REST API") == 1


def test_a_killed_run_leaves_its_evidence_and_nothing_else(
    engine: Engine, start: Start, model: ModelFactory, one_request: str
) -> None:
    run = start("validate", model(hang_requests=True), f"--image={engine.image}", one_request, "--evidence=evidence")
    run.wait_for("load  ")
    folder = only_folder(run.folder / "evidence")
    wait_until(lambda: "Exporting HTTP/REST API" in (folder / "server.stderr.log").read_text())
    wait_until(lambda: '"start"' in (folder / "events.jsonl").read_text())
    run.signal(signal.SIGKILL, group=True)
    assert run.left() == []
    assert (folder / "command.txt").read_text().startswith("docker run ")


def test_keep_leaves_a_container_that_failed_and_says_how_to_look_into_it(
    engine: Engine, cli: Cli, model: ModelFactory
) -> None:
    done = cli("validate", model(exit_during_load=3), f"--image={engine.image}", "--keep")
    assert done.returncode == 1
    (name,) = engine.containers()
    try:
        assert f"docker logs {name}" in done.stderr
        assert f"docker rm --force --volumes {name}" in done.stderr
        assert f"would remove {name}" not in cli("prune", "--dry-run").stdout
        assert f"would remove {name}" in cli("prune", "--dry-run", "--all").stdout
    finally:
        engine.docker("rm", "--force", "--volumes", name)


@pytest.mark.parametrize(
    ("standin", "look"), [({"exit_during_load": 3}, "docker cp"), ({"hang_load": True}, "docker exec -it")]
)
def test_keep_names_a_command_that_works_on_what_is_left(
    standin: dict[str, Any], look: str, engine: Engine, cli: Cli, model: ModelFactory
) -> None:
    """Nothing can be run in a container that has ended."""
    done = cli("validate", model(**standin), f"--image={engine.image}", "--keep", "--timeout=2")
    (name,) = engine.containers()
    try:
        (line,) = [line for line in done.stderr.splitlines() if "look into the container" in line]
        assert f"; {look} {name}" in line
        assert f"left {name}, which --keep left; ivdocker prune --all removes it" in cli("prune").stdout
        assert engine.containers() == [name]
    finally:
        engine.docker("rm", "--force", "--volumes", name)


def test_keep_leaves_nothing_of_a_run_that_is_blessed(engine: Engine, cli: Cli, model: ModelFactory) -> None:
    assert cli("validate", model(), f"--image={engine.image}", "--keep").returncode == 0
    assert engine.containers() == []


def test_keep_leaves_nothing_of_a_run_that_was_interrupted(engine: Engine, start: Start, model: ModelFactory) -> None:
    run = start("validate", model(load_seconds=60), f"--image={engine.image}", "--keep")
    run.wait_for("running  ")
    run.signal(signal.SIGTERM)
    assert run.exit_code() == 143
    assert engine.containers() == []


def test_dry_run_prints_the_commands_and_calls_nobody(
    engine: Engine, cli: Cli, model: ModelFactory, one_request: str
) -> None:
    done = cli("validate", model(), f"--image={engine.image}", one_request, "--dry-run")
    assert done.returncode == 0
    commands = [shlex.split(line) for line in done.stdout.splitlines()]
    assert [words[:2] for words in commands if words[0] == "docker"] == [
        ["docker", "image"],
        ["docker", "run"],
        ["docker", "stop"],
        ["docker", "rm"],
    ]
    assert sum(words[0] == "curl" for words in commands) == 2
    assert engine.journal() == []


@pytest.mark.parametrize("engine", ["fake"], indirect=True)
@pytest.mark.parametrize(
    ("options", "verbs"),
    [
        (["--pull=always"], ["pull", "run", "stop", "rm"]),
        (["--pull=never"], ["run", "stop", "rm"]),
        (["--pull=never", "--offline"], ["network", "run", "stop", "rm", "network"]),
    ],
)
def test_dry_run_prints_the_pull_and_the_network_that_the_run_would_make(
    options: list[str], verbs: list[str], engine: Engine, cli: Cli, model: ModelFactory
) -> None:
    done = cli("validate", model(), f"--image={engine.image}", "--dry-run", *options)
    words = [line.split() for line in done.stdout.splitlines()]
    assert [line[1] for line in words if line[0] == "docker"] == verbs
    assert engine.journal() == []


def test_tries_repeats_what_may_change(engine: Engine, cli: Cli, model: ModelFactory) -> None:
    done = cli("validate", model(exit_during_load=3), f"--image={engine.image}", "--tries=2", "--json=-")
    assert done.returncode == 1
    (run,) = json.loads(done.stdout)["runs"]
    assert run["attempts"] == 2
    assert "attempt 1 failed: container-exited" in done.stderr
    assert len(engine.calls("run")) == 2


def test_tries_does_not_repeat_what_will_be_the_same(engine: Engine, cli: Cli, model: ModelFactory) -> None:
    path = model()
    (path / "1" / "saved_model.pb").write_text("corrupt")
    done = cli("validate", path, f"--image={engine.image}", "--tries=3", "--json=-")
    assert done.returncode == 1
    assert json.loads(done.stdout)["runs"][0]["attempts"] == 1
    assert len(engine.calls("run")) == 1


def test_a_secret_is_written_nowhere(engine: Engine, cli: Cli, model: ModelFactory, one_request: str) -> None:
    token, in_file = secrets.token_hex(16), secrets.token_hex(16)
    file = model() / "env"
    file.write_text(f"PASSWORD={in_file}\n")
    words = ("--env=TOKEN", f"--env-file={file}", "--evidence=evidence", "--json=report.json", "--verbose")
    done = cli("validate", file.parent, f"--image={engine.image}", one_request, *words, env={"TOKEN": token})
    assert done.returncode == 0, done.stderr
    written = [path.read_text("utf-8", "replace") for path in cli.folder.rglob("*") if path.is_file()]
    said = [done.stdout, done.stderr, *(shlex.join(call.argv) for call in engine.journal())]
    assert len(written) > 5
    for text in (*written, *said):
        assert token not in text
        assert in_file not in text
