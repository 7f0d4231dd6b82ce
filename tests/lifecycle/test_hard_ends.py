"""Ends in which Stop() cannot do its work: docker is gone, the system has no process or thread left, the interpreter
ends, a forked child lives on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ivdocker
from tests.conftest import Engine, ModelFactory, wait_until

PROGRAM = """
import atexit, logging, os, sys, threading, time
import ivdocker
logging.basicConfig(format="%(message)s")
image, model = sys.argv[1:]
runner = ivdocker.LocalDockerRunner(model, ivdocker.TensorFlowServing(image, "half_plus_two"), {})

def refuse(text, error):
    def refused(*_args, **_kwargs):
        raise error(text)
    return refused

def no_more_processes():
    os.fork = refuse("Resource temporarily unavailable", BlockingIOError)

def no_more_threads():
    threading.Thread.start = refuse("can't start new thread", RuntimeError)

def start():
    runner.Start()
    runner.WaitUntilRunning(time.time() + 60)
    print("running", flush=True)
"""

SHORTAGES = ["no_more_processes", "no_more_threads"]

START = "try: runner.Start()\nexcept ivdocker.EnvironmentFailed as error: print(error)\n"

AT_EXIT = "atexit.register(lambda: (runner.Stop(), print('stopped', flush=True)))\nstart()\n"

FORKED = """
start()
if os.fork() == 0:
    print("forked", flush=True)
    sys.stdin.readline()
    os._exit(0)
time.sleep(60)
"""

FAILING = """#!/bin/sh
if [ "$1" = {verb} ] && [ -e "{gone}" ]; then
    {then}
    echo "Cannot connect to the Docker daemon. Is it running?" >&2
    exit 1
fi
exec "{docker}" "$@"
"""


@pytest.fixture
def python(engine: Engine, model: ModelFactory) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Runs PROGRAM and what follows it."""
    started: list[subprocess.Popen[str]] = []
    folder: Path = model()

    def run(program: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROGRAM + program, engine.image, str(folder)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def failing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Lets docker's verb fail while the file exists. ``then``: what a shell does at each failure."""

    def make(verb: str, then: str) -> Path:
        gone, program = engine.state / "gone", engine.state / "failing" / "docker"
        program.parent.mkdir()
        program.write_text(FAILING.format(verb=verb, then=then, gone=gone, docker=shutil.which("docker")))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        return gone

    return make


def test_one_docker_logs_that_fails_does_not_lose_the_log(
    engine: Engine, model: ModelFactory, failing: Callable[[str, str], Path]
) -> None:
    gone = failing(
        "logs", 'rm "$0.fails" 2>/dev/null || exec "{docker}" "$@"'.replace("{docker}", str(shutil.which("docker")))
    )
    (gone.parent / "failing" / "docker.fails").touch()
    binary = ivdocker.TensorFlowServing(engine.image, "half_plus_two")
    runner = ivdocker.LocalDockerRunner(model(), binary, {})
    runner.Start()
    runner.WaitUntilRunning(time.time() + 60)
    binary.MakeClient(runner.GetEndpoint()).WaitUntilModelLoaded(time.time() + 60)
    gone.touch()
    runner.Stop()
    assert "Exporting HTTP/REST API" in (runner.GetLogs() or "")


def test_a_stop_that_could_not_remove_is_tried_again(
    engine: Engine, model: ModelFactory, failing: Callable[[str, str], Path]
) -> None:
    gone = failing("rm", ":")
    binary = ivdocker.TensorFlowServing(engine.image, "half_plus_two")
    runner = ivdocker.LocalDockerRunner(model(), binary, {})
    runner.Start()
    gone.touch()
    runner.Stop()
    assert (len(engine.containers()), runner.was_removed) == (1, False)
    gone.unlink()
    runner.Stop()
    assert (engine.containers(), runner.was_removed) == ([], True)


@pytest.mark.parametrize("shortage", SHORTAGES)
def test_without_processes_or_threads_stop_raises_nothing_and_the_watchdog_removes(
    shortage: str, engine: Engine, python: Callable[[str], subprocess.Popen[str]]
) -> None:
    process = python(f"start()\n{shortage}()\nrunner.Stop()\nprint('stopped', flush=True)\n")
    assert [line_of(process) for _ in range(2)] == ["running", "stopped"]
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "docker rm" in stderr
    assert "Traceback" not in stderr
    wait_until(lambda: not engine.containers())


@pytest.mark.parametrize("shortage", SHORTAGES)
def test_without_processes_or_threads_start_names_the_machine(
    shortage: str, engine: Engine, python: Callable[[str], subprocess.Popen[str]]
) -> None:
    process = python(f"{shortage}()\n{START}runner.Stop()\nprint('stopped')\n")
    stdout, stderr = process.communicate(timeout=60)
    assert "no process or thread left" in stdout
    assert stdout.endswith("stopped\n")
    assert "Traceback" not in stderr
    wait_until(lambda: not engine.containers())


def test_stop_while_the_interpreter_ends_leaves_nothing(
    engine: Engine, python: Callable[[str], subprocess.Popen[str]]
) -> None:
    """Since Python 3.12 neither a thread nor a child process can be started then."""
    process = python(AT_EXIT)
    stdout, stderr = process.communicate(timeout=60)
    assert stdout.split() == ["running", "stopped"]
    assert "Traceback" not in stderr
    wait_until(lambda: not engine.containers())


def test_a_forked_child_that_lives_on_keeps_no_container_of_a_killed_parent(
    engine: Engine, python: Callable[[str], subprocess.Popen[str]]
) -> None:
    process = python(FORKED)
    assert [line_of(process) for _ in range(2)] == ["running", "forked"]
    process.kill()
    wait_until(lambda: not engine.containers())
