"""Fixtures for all tests: an engine, fake or real; a model; the command line; and a guard that nothing is left."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import psutil
import pytest

from tests.fakes import journal
from tests.fakes.verbs import IMAGE

FAKE_DOCKER = Path(__file__).parent / "fakes" / "docker"

_PATIENCE_S = 15.0
"""Seconds that helper threads and processes get to end after a test."""


@dataclass(frozen=True)
class Call:
    """A call of docker: what came after the program, and the names of its environment variables."""

    verb: str
    argv: list[str]
    env: list[str]


@dataclass(frozen=True)
class Engine:
    """``docker`` on PATH: the fake, or the real one behind a journal.

    ``wrapper`` and ``env``: how to come to an engine that stands elsewhere.
    """

    kind: Literal["fake", "docker"]
    image: str
    state: Path
    wrapper: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def faults(self, *faults: Mapping[str, object]) -> None:
        """What goes wrong from now on; see tests/fakes/faults.py. On the real engine only calls can fail (``exit``)."""
        assert self.kind == "fake" or all("exit" in fault and "late" not in fault for fault in faults)
        (self.state / "faults.json").write_text(json.dumps(faults))

    def journal(self) -> list[Call]:
        """All calls so far."""
        return [Call(**record) for record in journal.read(str(self.state))]

    def calls(self, verb: str) -> list[list[str]]:
        """The argv of all calls of one verb (``inspect`` for ``container inspect``)."""
        return [call.argv for call in self.journal() if call.verb == verb]

    def containers(self) -> list[str]:
        """The names of the containers that this test made and that are still there."""
        made = {word.partition("=")[2] for argv in self.calls("run") for word in argv if word.startswith("--name=")}
        return [name for name in self.labelled("ivdocker.session") if name in made]

    def labelled(self, label: str) -> list[str]:
        """The names of all containers with that label."""
        listed = self.docker("ps", "--all", f"--filter=label={label}", "--format={{json .}}")
        return [json.loads(line)["Names"] for line in listed.splitlines()]

    def state_of(self, name: str) -> Any:
        """What ``container inspect`` says."""
        return json.loads(self.docker("container", "inspect", name))[0]

    def docker(self, *words: str) -> str:
        """Use it as somebody else would; returns what it prints."""
        command, env = [*self.wrapper, "docker", *words], {**os.environ, **self.env}
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=env).stdout


class ModelFactory(Protocol):
    def __call__(self, **standin: object) -> Path: ...


@dataclass(frozen=True)
class Finished:
    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Cli:
    """The ivdocker command, in an empty working folder."""

    folder: Path

    def __call__(self, *args: str | Path, timeout: float = 60, env: Mapping[str, str] | None = None) -> Finished:
        """Run it to its end; ``env`` is added to the environment."""
        with self.start(*args, env=env) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout)
            except BaseException:
                process.kill()
                raise
        return Finished(process.returncode, stdout, stderr)

    def start(self, *args: str | Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start it and do not wait."""
        return subprocess.Popen(
            [sys.executable, "-m", "ivdocker", *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=self.folder,
            env={**os.environ, **(env or {})},
        )


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for a condition; the test fails when it has not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        time.sleep(0.01)


@pytest.fixture(scope="session", autouse=True)
def default_signals() -> Iterator[None]:
    """A shell's & has us ignore SIGINT, and our children would inherit that; a handler they do not."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGHUP)}
    for signum, handler in before.items():
        if handler == signal.SIG_IGN:
            signal.signal(signum, signal.default_int_handler)
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.fixture(autouse=True)
def leak_guard() -> Iterator[None]:
    """Fails a test that leaves a child process, a thread, a file descriptor or a signal handler."""
    before, handlers = _held(), _handlers()
    yield
    deadline = time.monotonic() + _PATIENCE_S
    while (left := _held() - before) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.02)
    changed = {signum: handler for signum, handler in handlers.items() if signal.getsignal(signum) != handler}
    for signum, handler in changed.items():
        signal.signal(signum, handler)
    assert not left, f"the test left {sorted(left)}"
    assert not changed, f"the test left other handlers for {sorted(changed)}"


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.engine)])
def engine(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Engine]:
    """Each test that uses it runs on the fake and on the real engine; it fails when a container of its own is left."""
    state = tmp_path_factory.mktemp("docker")
    found = Engine(request.param, IMAGE, state)
    if found.kind == "docker":
        require_engine()
        monkeypatch.setenv("FAKE_DOCKER_REAL", str(shutil.which("docker")))
    else:
        for name in [name for name in os.environ if name.startswith("DOCKER_")]:
            monkeypatch.delenv(name)
    # Not by env: a python3 that is a version manager's shell script would cost more than the fake itself.
    program = state / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{os.path.realpath(sys.executable)}" -I -S "{FAKE_DOCKER}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("FAKE_DOCKER_STATE", str(state))
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    yield found
    (state / "faults.json").unlink(missing_ok=True)
    deadline = time.monotonic() + _PATIENCE_S
    while (left := found.containers()) and time.monotonic() < deadline:
        time.sleep(0.1)
    for name in left:
        found.docker("rm", "--force", "--volumes", name)
    assert not left, f"the test left the containers {left}"
    unknown = state / "unknown"
    assert not unknown.exists(), unknown.read_text()


@pytest.fixture
def model(tmp_path: Path) -> ModelFactory:
    """Makes a model folder for the stand-in; the arguments are its ``standin.json``."""

    def make(**standin: object) -> Path:
        folder = tmp_path / "half_plus_two"
        version = folder / "1"
        version.mkdir(parents=True)
        (version / "saved_model.pb").write_text("half_plus_two\n")
        if standin:
            (version / "standin.json").write_text(json.dumps(standin))
        return folder

    return make


@pytest.fixture
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    return Cli(tmp_path_factory.mktemp("cwd"))


def _held() -> set[str]:
    """What this process holds, in words."""
    held = {f"thread {thread.name} {thread.ident}" for thread in threading.enumerate()}
    for child in psutil.Process().children(recursive=True):
        held.add(f"process {child.pid}")
    for fd in os.listdir("/dev/fd"):
        try:
            held.add(f"file descriptor {fd} {os.readlink(f'/dev/fd/{fd}')}")
        except OSError:  # the one that lists them
            continue
    return held


def _handlers() -> dict[int, Any]:
    return {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}


_engine_trouble: list[str | None] = []


def require_engine() -> None:
    """Skips where there is no engine, or not the stand-in's image; fails there in CI."""
    if not _engine_trouble:
        _engine_trouble.append(_find_engine_trouble())
    trouble = _engine_trouble[0]
    if trouble and os.environ.get("CI"):
        pytest.fail(f"{trouble}, and this is CI")
    if trouble:
        pytest.skip(trouble)


def _find_engine_trouble() -> str | None:
    try:
        done = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no container engine ({error})"
    if done.returncode == 0:
        return None
    return f"no container engine with {IMAGE} ({done.stderr.strip()}; scripts/images builds it)"
