"""SIGTERM, SIGINT and SIGHUP stop every runner that is alive, then go on to the handler that was there.

A handler runs between two bytecodes of the main thread: perhaps while that holds a lock that stopping needs, perhaps
much too late, as the thread is in a library's call or was just about to sleep when the signal came. So the signal
itself writes a byte to a pipe (the interpreter's wakeup descriptor); a thread reads it and stops the runners; when all
are stopped it nudges the main thread with the same signal until our handler has put the former ones back and calls the
former one.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

from ivdocker.errors import GracefulShutdown

log = logging.getLogger("ivdocker")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_PARK_S = 60.0
"""Seconds that a thread waits for a shutdown under way: far more than stopping may take."""

_NUDGE_S = 0.05
"""Seconds between two nudges: one that comes just before the main thread goes to sleep does not wake it."""

_BY_HAND = 0x80
"""Marks the bytes that our handler wrote, and not the interpreter."""


class Stoppable(Protocol):
    def stop(self) -> None: ...


class _Holder:
    def stop(self) -> None:
        """There is nothing to stop."""


class ShutdownGuard:
    """The handlers, installed while at least one runner is alive."""

    def __init__(self) -> None:
        self.hurry = threading.Event()
        """Set by a second signal: no more grace."""
        self._lock = threading.Lock()
        self._live: list[Stoppable] = []
        self._previous: dict[int, Any] = {}
        self._thread: threading.Thread | None = None
        self._write_fd = -1
        self._pid = 0
        self._signum = 0
        self._nudging = threading.Lock()
        self._requested = threading.Event()
        self._finished = threading.Event()
        self._handed_on = threading.Event()
        self._said_unprotected = False

    def add(self, stoppable: Stoppable) -> None:
        """Stop this one too when a signal comes. Raises GracefulShutdown when one has come already."""
        self.raise_if_requested()
        with self._lock:
            self._live.append(stoppable)
            if self._thread is None or self._pid != os.getpid():
                self._install()

    def remove(self, stoppable: Stoppable) -> None:
        """Forget it; with the last one the former handlers are put back."""
        with self._lock:
            if stoppable in self._live:
                self._live.remove(stoppable)
            if self._live:
                return
            if self._thread is None:
                self._requested = threading.Event()
            elif not self._requested.is_set() and _in_main_thread():
                self._uninstall()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the handlers installed, for runners that will start in other threads."""
        holder = _Holder()
        self.add(holder)
        try:
            yield
            self.raise_if_requested()
        finally:
            self.remove(holder)

    def raise_if_requested(self) -> None:
        """While a shutdown is under way, wait for its end; then GracefulShutdown."""
        if self._requested.is_set():
            signum = self._signum
            # In the main thread the former handler comes next, and what that raises is the way out.
            over = self._handed_on if _in_main_thread() else self._finished
            over.wait(_PARK_S)
            raise GracefulShutdown(f"{signal.Signals(signum).name} asked for an end; everything was stopped")

    def _install(self) -> None:
        if not _in_main_thread():
            if not self._said_unprotected:
                log.warning("not in the main thread: SIGTERM will not stop the model server")
                self._said_unprotected = True
            return
        self.hurry, self._requested, self._finished, self._handed_on = (threading.Event() for _ in range(4))
        read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._write_fd, False)
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._serve, args=(read_fd,), name="ivdocker-signals", daemon=True)
        self._thread.start()
        for signum in SIGNALS:
            # An ignored signal (nohup) and a handler that is not Python's stay as they are.
            if signal.getsignal(signum) not in (signal.SIG_IGN, None):
                self._previous[signum] = signal.signal(signum, self._on_signal)
        self._claim_wakeups()

    def _claim_wakeups(self) -> bool:
        """Have the interpreter write signals to our pipe, unless an event loop has them; whether it did already."""
        former = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        if former not in (-1, self._write_fd):
            signal.set_wakeup_fd(former)
        return former == self._write_fd

    def forget_pipe(self) -> None:
        """In a forked child: its signals are its own."""
        former = signal.set_wakeup_fd(-1)
        if former not in (-1, self._write_fd):
            signal.set_wakeup_fd(former)

    def _uninstall(self) -> None:
        for signum, previous in self._previous.items():
            # Whoever installed another one since then keeps it.
            if signal.getsignal(signum) == self._on_signal:
                signal.signal(signum, previous)
        self._previous = {}
        self.forget_pipe()
        os.close(self._write_fd)
        self._write_fd = -1
        if self._thread:
            self._thread.join()
        self._thread = None
        # While somebody holds on, as a validation of several images does, nothing new is to start.
        if not self._live:
            self._requested = threading.Event()

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            _call(self._previous.get(signum), signum, frame)
        elif self._finished.is_set():
            self._hand_on(frame)
        elif not (signal.getsignal(signum) == self._on_signal and self._claim_wakeups()):
            os.write(self._write_fd, bytes([signum | _BY_HAND]))

    def _hand_on(self, frame: FrameType | None) -> None:
        handed_on = self._handed_on
        if handed_on.is_set():
            return
        handed_on.set()
        signum, previous = self._signum, dict(self._previous)
        # Not between the look and the nudge of the other thread: that would be the former handler's.
        with self._nudging:
            self._uninstall()
        _call(previous.get(signum), signum, frame)

    def _serve(self, read_fd: int) -> None:
        while signums := os.read(read_fd, 1):
            signum = signums[0] & ~_BY_HAND
            if signums[0] == signum and signal.getsignal(signum) != self._on_signal:
                # Somebody else's signal, or somebody else's handler for it.
                continue
            if self._requested.is_set():
                self.hurry.set()
                continue
            self._signum = signum
            self._requested.set()
            threading.Thread(target=self._stop_all, name="ivdocker-stop", daemon=True).start()
        os.close(read_fd)

    def _stop_all(self) -> None:
        with self._lock:
            live = list(self._live)
        log.info("%s: stopping %d model server(s)", signal.Signals(self._signum).name, len(live))
        threads = [threading.Thread(target=each.stop, daemon=True) for each in live]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._finished.set()
        self._nudge(self._signum, self._handed_on)

    def _nudge(self, signum: int, handed_on: threading.Event) -> None:
        main_thread = threading.main_thread().ident
        assert main_thread is not None
        is_ours = True
        while is_ours:
            with self._nudging:
                if handed_on.is_set():
                    return
                signal.pthread_kill(main_thread, signum)
            is_ours = not handed_on.wait(_NUDGE_S) and signal.getsignal(signum) == self._on_signal


guard = ShutdownGuard()
"""The one of this process: signals are the process's too."""

os.register_at_fork(after_in_child=guard.forget_pipe)


def _call(
    previous: Callable[[int, FrameType | None], object] | int | None, signum: int, frame: FrameType | None
) -> None:
    if callable(previous):
        previous(signum, frame)
    elif previous == signal.SIG_DFL:
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
