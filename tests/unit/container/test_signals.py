from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ivdocker import GracefulShutdown
from ivdocker.container.signals import ShutdownGuard
from ivdocker.container.signals import guard as the_guard


class Handled(Exception):
    """What the program's own handler raises."""


class Server:
    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.stops = 0

    def stop(self) -> None:
        self.stops += 1
        time.sleep(self.seconds)


@pytest.fixture
def calls() -> Iterator[list[int]]:
    """The signals that the program's own handler was called for."""
    got: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda signum, _frame: got.append(signum))
    yield got
    signal.signal(signal.SIGTERM, before)


@contextmanager
def signalled_by_a_thread(after_s: float) -> Iterator[None]:
    thread = threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGTERM))
    thread.start()
    yield
    thread.join()


def remove_while_signalled(guard: ShutdownGuard, after_s: float) -> None:
    server = Server()
    guard.add(server)
    with signalled_by_a_thread(after_s):
        guard.remove(server)


def test_a_signal_before_remove_is_handled_when_it_returns(calls: list[int]) -> None:
    for number in range(1, 51):
        guard, server = ShutdownGuard(), Server()
        guard.add(server)
        os.kill(os.getpid(), signal.SIGTERM)
        guard.remove(server)
        assert len(calls) == number


def test_a_signal_at_any_moment_of_remove_is_handled_once(calls: list[int]) -> None:
    guard = ShutdownGuard()
    for number in range(100):
        remove_while_signalled(guard, after_s=number * 5e-6)
        assert len(calls) == number + 1


def test_what_the_former_handler_raises_comes_out_of_remove() -> None:
    def handler(_signum: int, _frame: object) -> None:
        raise Handled

    before = signal.signal(signal.SIGTERM, handler)
    try:
        guard, server = ShutdownGuard(), Server()
        guard.add(server)
        with pytest.raises(Handled):
            remove_in_main(guard, server)
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def remove_in_main(guard: ShutdownGuard, server: Server) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    guard.remove(server)


def test_every_other_runner_is_stopped_before_the_former_handler_is_called(calls: list[int]) -> None:
    guard, first, second = ShutdownGuard(), Server(), Server(0.2)
    guard.add(first)
    guard.add(second)
    os.kill(os.getpid(), signal.SIGTERM)
    guard.remove(first)
    assert (second.stops, calls) == (1, [signal.SIGTERM])


def test_who_waits_for_a_server_hears_of_the_signal(calls: list[int]) -> None:
    guard, server = ShutdownGuard(), Server()
    guard.add(server)
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(GracefulShutdown, match="SIGTERM") as caught:
        wait_for_a_server(guard)
    assert caught.value.signum == signal.SIGTERM
    assert calls == [signal.SIGTERM]


def wait_for_a_server(guard: ShutdownGuard) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        guard.raise_if_requested()
        time.sleep(0.001)


def test_a_forked_child_has_the_former_handlers(calls: list[int]) -> None:
    guard, server = ShutdownGuard(), Server()
    guard.add(server)
    read_fd, write_fd = os.pipe()
    child = os.fork()
    if child == 0:
        guard.forget()
        os.kill(os.getpid(), signal.SIGTERM)
        os.write(write_fd, bytes([len(calls), server.stops]))
        os._exit(0)
    os.waitpid(child, 0)
    assert list(os.read(read_fd, 2)) == [1, 0]
    os.close(read_fd)
    os.close(write_fd)
    guard.remove(server)
    assert calls == []


@pytest.mark.parametrize("moment", ["while it runs", "while it is removed"])
def test_an_event_loops_handler_is_called_once(moment: str) -> None:
    called: list[str] = []
    guard, server = ShutdownGuard(), Server(0.1)

    async def main(until: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, called.append, "SIGTERM")
        guard.add(server)
        os.kill(os.getpid(), signal.SIGTERM)
        while moment == "while it runs" and not until():
            await asyncio.sleep(0.01)
        guard.remove(server)
        # Time for a second call.
        await asyncio.sleep(0.2)
        loop.remove_signal_handler(signal.SIGTERM)

    asyncio.run(main(lambda: bool(called) and server.stops > 0))
    assert called == ["SIGTERM"]


def test_the_former_handlers_are_back_at_the_end(calls: list[int]) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    guard, server = ShutdownGuard(), Server()
    guard.add(server)
    os.kill(os.getpid(), signal.SIGTERM)
    guard.remove(server)
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)] == before
    assert signal.set_wakeup_fd(-1) == -1
    guard.add(server)
    guard.remove(server)
    assert calls == [signal.SIGTERM]


def test_a_signal_for_a_forked_child_is_the_childs_alone(calls: list[int]) -> None:
    """Right after the fork the child still has our handler, and the pipe from which the parent reads."""
    guard, server = the_guard, Server()
    guard.add(server)
    for _ in range(20):
        child = os.fork()
        if child == 0:
            time.sleep(0.05)
            os._exit(len(calls))
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    guard.remove(server)
    assert (calls, server.stops) == ([], 0)


def test_a_handler_that_raises_at_any_moment_of_remove_leaves_the_guard_usable() -> None:
    raised: list[int] = []

    def handler(signum: int, _frame: object) -> None:
        raised.append(signum)
        raise Handled

    before = signal.signal(signal.SIGTERM, handler)
    guard = ShutdownGuard()
    try:
        for number in range(150):
            use(guard, after_s=number * 5e-6)
            assert len(raised) == number + 1
            assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def use(guard: ShutdownGuard, after_s: float) -> None:
    """A signal comes while the server is removed, or shortly after."""
    thread = threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGTERM))
    server = Server()
    try:
        guard.add(server)
        thread.start()
        guard.remove(server)
        while True:
            time.sleep(1)
    except Handled:
        thread.join()
