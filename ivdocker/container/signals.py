"""SIGTERM, SIGINT and SIGHUP stop every live runner, and then call the previous handler.

Python runs a handler between two bytecodes of the main thread. This can be while that thread holds a lock that stop()
needs, or much too late: while it is in a library call, or about to sleep. Therefore the handler does not stop anything:

1. The interpreter writes a byte to a pipe for each signal (its wakeup descriptor).
2. A thread reads the byte and stops all runners.
3. The thread sends the same signal to the main thread again, until our handler restores the previous handlers and
   calls the previous one.
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
"""Seconds that a thread waits for a running shutdown: far longer than a shutdown may take."""

_NUDGE_S = 0.05
"""Seconds between two repeated signals: one that arrives just before the main thread sleeps does not wake it."""

_BY_HAND = 0x80
"""Marks the bytes that our handler wrote instead of the interpreter."""


class Stoppable(Protocol):
    def stop(self) -> None: ...


class _Holder:
    def stop(self) -> None:
        """Do nothing: a holder has nothing to stop."""


class ShutdownGuard:
    """Installs the handlers while at least one runner is alive."""

    def __init__(self) -> None:
        self.hurry = threading.Event()
        """Set by a second signal: it ends the grace period."""
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
        """Stop this one too when a signal comes. Raises GracefulShutdown if a signal has already come."""
        self.raise_if_requested()
        with self._lock:
            self._live.append(stoppable)
            if self._thread is None or self._pid != os.getpid():
                self._install()

    def remove(self, stoppable: Stoppable) -> None:
        """Do not stop this one any more. Removing the last one restores the previous handlers."""
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
        """If a shutdown was requested, wait for its end and raise GracefulShutdown."""
        if self._requested.is_set():
            signum = self._signum
            # In the main thread the previous handler runs next, and may raise its own exception.
            over = self._handed_on if _in_main_thread() else self._finished
            over.wait(_PARK_S)
            raise GracefulShutdown(f"{signal.Signals(signum).name} received; everything was stopped")

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
            # Leave ignored signals (nohup) and handlers that Python did not install.
            if signal.getsignal(signum) not in (signal.SIG_IGN, None):
                self._previous[signum] = signal.signal(signum, self._on_signal)
        self._claim_wakeups()

    def _claim_wakeups(self) -> bool:
        """Send wakeups to our pipe, unless an event loop has its own. Return whether our pipe was already set."""
        former = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        if former not in (-1, self._write_fd):
            signal.set_wakeup_fd(former)
        return former == self._write_fd

    def forget_pipe(self) -> None:
        """Stop the interpreter from writing to our pipe. A forked child calls this too: its signals are not ours."""
        former = signal.set_wakeup_fd(-1)
        if former not in (-1, self._write_fd):
            signal.set_wakeup_fd(former)

    def _uninstall(self) -> None:
        for signum, previous in self._previous.items():
            # Keep a handler that somebody else has installed since then.
            if signal.getsignal(signum) == self._on_signal:
                signal.signal(signum, previous)
        self._previous = {}
        self.forget_pipe()
        os.close(self._write_fd)
        self._write_fd = -1
        if self._thread:
            self._thread.join()
        self._thread = None
        # While the guard is held (validation of several images), the request stays set, so that nothing new starts.
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
        # The lock keeps the other thread from sending one more signal: it would go to the previous handler.
        with self._nudging:
            self._uninstall()
        _call(previous.get(signum), signum, frame)

    def _serve(self, read_fd: int) -> None:
        while signums := os.read(read_fd, 1):
            signum = signums[0] & ~_BY_HAND
            if signums[0] == signum and signal.getsignal(signum) != self._on_signal:
                # Not one of our signals, or somebody else now handles it.
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
"""The only guard of this process: signals belong to the whole process."""

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
