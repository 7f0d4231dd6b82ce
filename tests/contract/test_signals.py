"""SIGTERM and its kin stop the server, then go on to the handler that was there; SIGKILL leaves nothing either."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from ivdocker import GracefulShutdown, TensorFlowServing
from tests.conftest import Engine, ModelFactory, wait_until
from tests.contract.conftest import PREDICT, RunnerFactory

Handler = Callable[[int, FrameType | None], object]
InstallHandler = Callable[[Handler], None]

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]

PROGRAM = """
import logging, sys, threading, time
import ivdocker

logging.basicConfig(format="%(message)s")
image, *models = sys.argv[1:]
binary = ivdocker.TensorFlowServing(image, "half_plus_two")
runners = [ivdocker.LocalDockerRunner(model, binary, {}) for model in models]

def run():
    for runner in runners:
        runner.Start()
        runner.WaitUntilRunning(time.time() + 60)
    print("running", flush=True)
"""

IN_MAIN_THREAD = PROGRAM + "run()\ntime.sleep(60)\n"

FORKING = (
    PROGRAM
    + """
import os, signal
run()
ready = os.pipe()
worker = os.fork()
if worker == 0:
    os.write(ready[1], b"!")
    time.sleep(60)
    os._exit(0)
os.read(ready[0], 1)
os.kill(worker, signal.SIGTERM)
print("the worker was ended by signal", os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) * -1, flush=True)
time.sleep(60)
"""
)

DEAF_MAIN_THREAD = (
    PROGRAM
    + """
import signal
run()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("deaf", flush=True)
time.sleep(60)
"""
)

IN_AN_EVENT_LOOP = (
    PROGRAM
    + """
import asyncio, signal

async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print, "the loop's own")
    run()
    await asyncio.sleep(60)
asyncio.run(main())
"""
)

OFF_MAIN_THREAD = (
    PROGRAM
    + """
thread = threading.Thread(target=run)
thread.start()
thread.join()
for runner in runners:
    runner.Stop()
"""
)


@pytest.fixture
def sigterm_handler() -> Iterator[InstallHandler]:
    """Installs a handler for SIGTERM as the program around us would; puts the former one back after the test."""
    before = signal.getsignal(signal.SIGTERM)

    def install(handler: Handler) -> None:
        signal.signal(signal.SIGTERM, handler)

    yield install
    signal.signal(signal.SIGTERM, before)


def python(program: str, *args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def handlers() -> list[object]:
    return [signal.getsignal(signum) for signum in SIGNALS]


def signal_myself(signum: signal.Signals, meanwhile: Callable[[], object] = lambda: None) -> None:
    """The handlers run in this, the main thread, and are expected to raise."""
    os.kill(os.getpid(), signum)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        meanwhile()
        time.sleep(0.01)


class Handled(Exception):
    """What the program's own handler raises."""


def test_sigterm_stops_the_server_and_then_calls_the_former_handler(
    engine: Engine,
    runner: RunnerFactory,
    model: ModelFactory,
    sigterm_handler: InstallHandler,
) -> None:
    left_at_call: list[list[str]] = []

    def handler(signum: int, _frame: FrameType | None) -> None:
        assert signum == signal.SIGTERM
        left_at_call.append(engine.containers())
        raise Handled

    sigterm_handler(handler)
    run = runner(model())
    run.Start()
    run.WaitUntilRunning(time.time() + 60)
    with pytest.raises(Handled):
        signal_myself(signal.SIGTERM)
    assert left_at_call == [[]]
    assert signal.getsignal(signal.SIGTERM) is handler
    run.Stop()


def test_a_second_signal_of_another_kind_reaches_its_own_handler(
    runner: RunnerFactory, model: ModelFactory, sigterm_handler: InstallHandler
) -> None:
    """Whatever the handler of the first one does."""
    hung_up: list[int] = []
    former = signal.signal(signal.SIGHUP, lambda signum, _frame: hung_up.append(signum))

    def handler(_signum: int, _frame: FrameType | None) -> None:
        raise Handled

    sigterm_handler(handler)
    try:
        run = runner(model())
        run.Start()
        run.WaitUntilRunning(time.time() + 60)
        os.kill(os.getpid(), signal.SIGHUP)
        with pytest.raises(Handled):
            signal_myself(signal.SIGTERM)
        assert hung_up == [signal.SIGHUP]
    finally:
        signal.signal(signal.SIGHUP, former)


def test_sigterm_ends_a_wait_as_a_graceful_shutdown(
    runner: RunnerFactory,
    model: ModelFactory,
    sigterm_handler: InstallHandler,
) -> None:
    """Where the former handler lets the program go on."""
    sigterm_handler(lambda _signum, _frame: None)
    run = runner(model(hang_load=True))
    run.Start()
    run.WaitUntilRunning(time.time() + 60)
    with pytest.raises(GracefulShutdown):
        signal_myself(signal.SIGTERM, meanwhile=run.check)


def test_a_signal_while_stop_runs_is_handled_before_it_returns(
    engine: Engine, runner: RunnerFactory, model: ModelFactory, sigterm_handler: InstallHandler
) -> None:
    """TFX stops its runner in a finally block, and what follows may swallow every exception."""
    left_at_call: list[list[str]] = []

    def handler(_signum: int, _frame: FrameType | None) -> None:
        left_at_call.append(engine.containers())
        raise Handled

    sigterm_handler(handler)
    run = runner(model(ignore_sigterm=True), grace_s=1)
    run.Start()
    run.WaitUntilRunning(time.time() + 60)
    with signalled_when(lambda: engine.calls("stop")), pytest.raises(Handled):
        run.Stop()
    assert left_at_call == [[]]
    run.Stop()


def test_a_signal_during_a_request_comes_out_of_it(
    engine: Engine,
    runner: RunnerFactory,
    binary: TensorFlowServing,
    model: ModelFactory,
    sigterm_handler: InstallHandler,
) -> None:
    def handler(_signum: int, _frame: FrameType | None) -> None:
        raise Handled

    sigterm_handler(handler)
    run = runner(model(hang_requests=True))
    run.Start()
    run.WaitUntilRunning(time.time() + 60)
    client = binary.MakeClient(run.GetEndpoint())
    client.WaitUntilModelLoaded(time.time() + 60)
    requested = threading.Event()
    with signalled_when(requested.is_set), pytest.raises(Handled):
        send(client, requested)
    assert engine.containers() == []


def send(client: Any, requested: threading.Event) -> None:
    requested.set()
    client.SendRequests([PREDICT])


@contextmanager
def signalled_when(condition: Callable[[], object]) -> Iterator[None]:
    """Another thread sends this process a SIGTERM when the condition comes true."""

    def target() -> None:
        wait_until(condition)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=target)
    thread.start()
    yield
    thread.join()


def test_sigint_is_a_keyboard_interrupt_once_everything_is_removed(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    run = runner(model())
    run.Start()
    with pytest.raises(KeyboardInterrupt):
        signal_myself(signal.SIGINT)
    assert engine.containers() == []


def test_stop_puts_the_former_handlers_back(runner: RunnerFactory, model: ModelFactory) -> None:
    before = handlers()
    run = runner(model())
    run.Start()
    assert signal.getsignal(signal.SIGTERM) != before[0]
    run.Stop()
    assert handlers() == before


def test_a_start_that_fails_puts_the_former_handlers_back(runner: RunnerFactory, model: ModelFactory) -> None:
    before = handlers()
    with pytest.raises(Exception, match="no such model"):
        runner(model() / "nosuch").Start()
    assert handlers() == before


def test_the_handlers_stay_until_the_last_runner_stops(runner: RunnerFactory, model: ModelFactory) -> None:
    before = handlers()
    path = model()
    first, second = runner(path), runner(path)
    first.Start()
    second.Start()
    during = handlers()
    first.Stop()
    assert handlers() == during
    second.Stop()
    assert handlers() == before


def test_stop_puts_the_former_handlers_back_also_when_a_thread_was_faster(
    runner: RunnerFactory, model: ModelFactory
) -> None:
    """Off the main thread Python lets nobody set handlers; the next Stop() on it has to."""
    before = handlers()
    run = runner(model())
    run.Start()
    thread = threading.Thread(target=run.Stop)
    thread.start()
    thread.join()
    run.Stop()
    assert handlers() == before


def test_a_handler_that_came_later_is_left_alone(
    runner: RunnerFactory,
    model: ModelFactory,
    sigterm_handler: InstallHandler,
) -> None:
    def handler(_signum: int, _frame: FrameType | None) -> None: ...

    run = runner(model())
    run.Start()
    sigterm_handler(handler)
    run.Stop()
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.parametrize("signum", SIGNALS)
def test_the_default_handler_ends_the_process_once_everything_is_removed(
    signum: signal.Signals, engine: Engine, model: ModelFactory
) -> None:
    """A shell calls that 143 for SIGTERM."""
    path = model()
    with python(IN_MAIN_THREAD, engine.image, path, path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        assert len(engine.containers()) == 2
        process.send_signal(signum)
        _, stderr = process.communicate(timeout=60)
    assert engine.containers() == []
    if signum == signal.SIGINT:
        assert stderr.endswith("KeyboardInterrupt\n")
    else:
        assert process.returncode == -signum
        assert stderr == ""


def test_an_ignored_signal_stays_ignored(engine: Engine, model: ModelFactory) -> None:
    """Under nohup a SIGHUP is nothing."""
    program = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + IN_MAIN_THREAD
    with python(program, engine.image, model()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM


def test_a_main_thread_that_does_not_come_back_keeps_no_server_alive(engine: Engine, model: ModelFactory) -> None:
    """Python runs handlers between two bytecodes of the main thread, and it may be in a library's call, or just about
    to sleep, when the signal comes. Here the signal is another thread's, and the main one sleeps on."""
    with python(DEAF_MAIN_THREAD, engine.image, model()) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["running\n", "deaf\n"]
        process.send_signal(signal.SIGTERM)
        try:
            wait_until(lambda: not engine.containers(), seconds=30)
            assert process.poll() is None
        finally:
            process.kill()


def test_an_event_loop_keeps_its_signals(engine: Engine, model: ModelFactory) -> None:
    """Its descriptor for wake-ups is the only one that the interpreter has."""
    with python(IN_AN_EVENT_LOOP, engine.image, model()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGUSR1)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert engine.containers() == []


def test_off_the_main_thread_it_says_so_once_and_goes_on(engine: Engine, model: ModelFactory) -> None:
    path = model()
    with python(OFF_MAIN_THREAD, engine.image, path, path) as process:
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (0, "running\n")
    assert stderr.count("main thread") == 1
    assert len(stderr.splitlines()) == 1


def test_sigkill_leaves_no_container(engine: Engine, model: ModelFactory) -> None:
    with python(IN_MAIN_THREAD, engine.image, model()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.kill()
        process.communicate(timeout=60)
    wait_until(lambda: not engine.containers(), seconds=10)


def test_a_forked_child_that_is_told_to_end_leaves_the_server_alone(engine: Engine, model: ModelFactory) -> None:
    """A worker that the program forks inherits the handler, not the server."""
    with python(FORKING, engine.image, model()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        assert process.stdout.readline() == f"the worker was ended by signal {signal.SIGTERM:d}\n"
        assert len(engine.containers()) == 1
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
