"""The engine's client against programs that answer as docker and podman did."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.dialect import dialect_of
from tests.unit.recordings import ENGINES, recording


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def replaying(folder: Path, engine: str, case: str) -> Engine:
    """An engine whose every call is answered as this one was; ``asked`` in the folder holds the last one."""
    found = recording(engine, case)
    (folder / "stdout").write_bytes(found.stdout)
    (folder / "stderr").write_text(found.stderr)
    program = folder / found.argv[0]
    program.write_text(
        f'#!/bin/sh\necho "$@" >"{folder}/asked"\n'
        f'cat "{folder}/stdout"; cat "{folder}/stderr" >&2; exit {found.returncode}\n'
    )
    program.chmod(0o755)
    return Engine(dialect_of(str(program)))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_container_that_is_not_there_is_none(folder: Path, engine: str) -> None:
    assert replaying(folder, engine, "inspect-not-found").inspect("m") is None


@pytest.mark.parametrize("engine", ENGINES)
def test_an_image_that_is_not_there_is_none(folder: Path, engine: str) -> None:
    assert replaying(folder, engine, "image-not-found").image("m") is None


@pytest.mark.parametrize("engine", ENGINES)
def test_removing_a_container_that_is_not_there_is_fine(folder: Path, engine: str) -> None:
    replaying(folder, engine, "rm-not-found").remove("m")
    assert (folder / "asked").read_text() == "rm --force --volumes m\n"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_container_an_image_and_a_version_are_read(folder: Path, engine: str) -> None:
    state = replaying(folder, engine, "inspect-running-loopback").inspect("m")
    assert state is not None
    assert state.binding(8501) is not None
    assert replaying(folder, engine, "image-inspect").image("m") is not None
    assert replaying(folder, engine, "version").version().platform == "linux/amd64"


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_that_is_away_is_no_missing_container(folder: Path, engine: str) -> None:
    away = replaying(folder, engine, "run-no-engine")
    for call in (lambda: away.inspect("m"), lambda: away.image("m"), lambda: away.remove("m"), away.version):
        with pytest.raises(EngineError) as caught:
            call()
        assert caught.value.kind == "failed"
        assert "onnect" in caught.value.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_stopping_a_container_that_is_not_there_says_so(folder: Path, engine: str) -> None:
    with pytest.raises(EngineError) as caught:
        replaying(folder, engine, "stop-not-found").stop("m", 1, timeout_s=20, cancel=threading.Event())
    assert caught.value.returncode in (1, 125)


def test_an_engine_program_that_is_not_there_is_missing() -> None:
    with pytest.raises(EngineError) as caught:
        Engine(dialect_of("/no/such/docker")).version()
    assert caught.value.kind == "missing"


def test_an_answer_that_is_none_is_unreadable(folder: Path) -> None:
    program = folder / "docker"
    program.write_text('#!/bin/sh\necho \'[{"Id": "half\'\n')
    program.chmod(0o755)
    with pytest.raises(EngineError) as caught:
        Engine(dialect_of(str(program))).inspect("m")
    assert caught.value.kind == "unreadable"


def test_a_call_that_hangs_is_a_timeout_which_says_how_long(folder: Path) -> None:
    program = folder / "docker"
    program.write_text("#!/bin/sh\nsleep 60 & wait\n")
    program.chmod(0o755)
    with pytest.raises(EngineError) as caught:
        Engine(dialect_of(str(program)), timeout_s=0.1).inspect("m")
    assert caught.value.kind == "timeout"
    assert caught.value.stderr == "no answer in 0.1 s"


def test_a_command_line_can_be_pasted_and_names_the_host() -> None:
    engine = Engine(dialect_of("docker"), "tcp://h:2375")
    assert engine.command_line(["inspect", "a b"]) == "docker --host=tcp://h:2375 inspect 'a b'"


@pytest.mark.parametrize(
    ("host", "remote"),
    [
        ("tcp://build.example:2375", "build.example"),
        ("ssh://me@build.example", "build.example"),
        ("tcp://127.0.0.1:2375", None),
        ("tcp://localhost:2375", None),
        ("tcp://[::1]:2375", None),
        ("unix:///var/run/docker.sock", None),
        ("", None),
    ],
)
def test_an_engine_on_another_machine_is_known(host: str, remote: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    assert Engine(dialect_of("docker"), host or None).remote_host == remote
    monkeypatch.setenv("DOCKER_HOST", host)
    assert Engine(dialect_of("docker")).remote_host == remote
