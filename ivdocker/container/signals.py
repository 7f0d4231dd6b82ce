"""SIGTERM, SIGINT and SIGHUP stop every live runner, and then call the previous handler.

Python runs a handler between two bytecodes of the main thread. This can be while that thread holds a lock that stop()
needs, or much too late: while it is in a library call, or about to sleep. Therefore the handler does not stop anything:

1. The interpreter writes a byte to a pipe for each signal (its wakeup descriptor).
2. A thread reads the byte and stops all runners.
3. The main thread restores the previous handlers and calls the previous one: in stop() and wherever it waits for a
   server, otherwise in our handler. For this the thread sends it the same signal again.

No signal is lost: our handler notes each one, and whoever restores the handlers calls the previous one for it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

from ivdocker.ahead import Ahead, in_thread
from ivdocker.diagnosis.explain import no_more_processes
from ivdocker.errors import EnvironmentFailed, GracefulShutdown

log = logging.getLogger("ivdocker")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_PARK_S = 60.0
"""Seconds that a thread waits for a running shutdown: far longer than a shutdown may take."""

_NUDGE_S = 0.05
"""Seconds between two repeated signals: one that arrives just before the main thread sleeps does not wake it."""

_COMES_BY_ITSELF_S = 0.1
"""Seconds to wait before the first one. A main thread that has lost its server mostly comes to stop() by itself, where
nobody swallows what the previous handler raises. In a ``__del__`` or a bare ``except`` it would be lost."""

_BY_HAND = 0x80
"""Marks the bytes that our handler wrote instead of the interpreter."""

_EVENT_LOOPS = ("asyncio", "uvloop")
"""The packages whose handlers do nothing: their loop reads the interpreter's byte and calls the user's handler."""


class Stoppable(Protocol):
    def stop(self) -> None: ...


class _Holder:
    def stop(self) -> None:
        """Do nothing: a holder has nothing to stop."""


class _Shutdown:
    """What one signal has set off. ``finished``: all runners are stopped."""

    def __init__(self, signum: int) -> None:
        self.signum = signum
        self.finished = threading.Event()
        self.handed_on = threading.Event()
        self._turn = threading.Lock()

    def take(self) -> bool:
        """Return True to the first caller only: it calls the previous handler. A signal cannot come between."""
        is_first = self._turn.acquire(blocking=False)
        self.handed_on.set()
        return is_first


class ShutdownGuard:
    """Installs the handlers while at least one runner is alive."""

    def __init__(self) -> None:
        self.hurry = threading.Event()
        """Set by a second signal: it ends the grace period."""
        self._lock = threading.RLock()
        """Protects the live runners and the shutdown. Nobody waits while holding it."""
        self._live: list[Stoppable] = []
        self._shutdown: _Shutdown | None = None
        self._seen: list[int] = []
        """The signals that our handler has got. Only the main thread uses it."""
        self._is_closing = False
        self._previous: dict[int, Any] = {}
        self._thread: threading.Thread | None = None
        self._pipe = -1, -1
        self._nudging = threading.Lock()
        self._said_unprotected = False

    def add(self, stoppable: Stoppable) -> None:
        """Stop this one too when a signal comes. Raises GracefulShutdown if a signal has already come,
        EnvironmentFailed if the system has no thread left for this."""
        self.raise_if_requested()
        with self._lock:
            if self._thread is None:
                self._install()
            self._live.append(stoppable)

    def remove(self, stoppable: Stoppable) -> None:
        """Do not stop this one any more. Removing the last one restores the previous handlers.

        After a signal, the main thread calls the previous handler here, and raises what it raises.
        """
        with self._lock:
            if stoppable in self._live:
                self._live.remove(stoppable)
            if self._thread is None:
                self._forget_shutdown()
        if not _in_main_thread() or self._thread is None:
            return
        # Our handler may run between any two of these lines, and do all of this.
        for signum in self._seen[:1]:
            self._begin(signum)
        shutdown = self._shutdown
        if shutdown:
            self._hand_on(shutdown)
        else:
            self._close()

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
        """If a shutdown was requested, wait for its end and raise GracefulShutdown. The main thread calls the previous
        handler first, and raises what it raises."""
        shutdown = self._shutdown
        if shutdown is None:
            return
        if _in_main_thread():
            self._hand_on(shutdown)
        shutdown.finished.wait(_PARK_S)
        name = signal.Signals(shutdown.signum).name
        raise GracefulShutdown(f"{name} received; everything was stopped", signum=shutdown.signum)

    def forget(self) -> None:
        """In a forked child: it owns no runner, and its signals are not ours."""
        if self._thread is None:
            return
        self._release_wakeups()
        with contextlib.suppress(ValueError):
            self._restore_handlers()
        for fd in self._pipe:
            os.close(fd)
        self.__init__()  # type: ignore[misc]

    def before_fork(self) -> None:
        """Keep signals from the child until it has forgotten us: its first ones would write to our pipe."""
        if self._thread is not None:
            _fork.mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def after_fork(self, is_child: bool = False) -> None:
        if is_child:
            self.forget()
        mask, _fork.mask = getattr(_fork, "mask", None), None
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _install(self) -> None:
        if not _in_main_thread():
            if not self._said_unprotected:
                log.warning(
                    "not in the main thread: a signal will not stop the model server; the watchdog removes it after the"
                    " end of the process"
                )
                self._said_unprotected = True
            return
        self.hurry, self._seen = threading.Event(), []
        self._start_thread()
        for signum in SIGNALS:
            # Leave ignored signals (nohup) and handlers that Python did not install.
            if signal.getsignal(signum) not in (signal.SIG_IGN, None, self._on_signal):
                self._previous[signum] = signal.signal(signum, self._on_signal)
        self._claim_wakeups()

    def _start_thread(self) -> None:
        """Raises EnvironmentFailed."""
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[1], False)
        self._thread = in_thread(self._serve, "signals")
        if self._thread is None:
            self._close_pipe()
            raise EnvironmentFailed(failure=no_more_processes("signals need a thread"))

    def _close_pipe(self) -> None:
        """The thread ends when it has read the rest."""
        read_fd, write_fd = self._pipe
        os.close(write_fd)
        if self._thread:
            self._thread.join()
        os.close(read_fd)

    def _claim_wakeups(self) -> bool:
        """Send wakeups to our pipe, unless an event loop has its own. Return whether our pipe was already set."""
        ours = self._pipe[1]
        former = signal.set_wakeup_fd(ours, warn_on_full_buffer=False)
        if former not in (-1, ours):
            signal.set_wakeup_fd(former)
        return former == ours

    def _release_wakeups(self) -> None:
        former = signal.set_wakeup_fd(-1)
        if former not in (-1, self._pipe[1]):
            signal.set_wakeup_fd(former)

    def _restore_handlers(self) -> None:
        for signum, previous in self._previous.items():
            # Keep a handler that somebody else has installed since then.
            if signal.getsignal(signum) == self._on_signal:
                signal.signal(signum, previous)

    def _close(self) -> None:
        """Restore the handlers if no runner is left. A signal that comes now waits for the end of this method."""
        with self._lock:
            if self._live or self._shutdown or self._thread is None:
                return
            self._is_closing = True
        try:
            self._uninstall()
        finally:
            for signum in self._seen[:1]:
                _call(self._previous.get(signum), signum, None)

    def _uninstall(self) -> None:
        """Restore the previous handlers, at the very end: one of them may run as soon as it is back, and raise."""
        self._is_closing = True
        try:
            self._release_wakeups()
            self._close_pipe()
        finally:
            self._thread = None
            self._forget_shutdown()
            self._is_closing = False
        self._restore_handlers()

    def _forget_shutdown(self) -> None:
        # While the guard is held (validation of several images), the request stays set, so that nothing new starts.
        if not self._live:
            self._shutdown = None

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        shutdown = self._shutdown
        if self._is_closing:
            self._seen.append(signum)
        elif self._thread is None:
            # The previous handlers are just being restored.
            _call(self._previous.get(signum), signum, frame)
        elif shutdown and shutdown.finished.is_set():
            self._hand_on(shutdown, frame)
        else:
            self._seen.append(signum)
            if not (signal.getsignal(signum) == self._on_signal and self._claim_wakeups()):
                os.write(self._pipe[1], bytes([signum | _BY_HAND]))

    def _hand_on(self, shutdown: _Shutdown, frame: FrameType | None = None) -> None:
        """Wait for the end of the shutdown, and call the previous handler, once. Only the main thread calls this."""
        shutdown.finished.wait(_PARK_S)
        if not shutdown.take():
            return
        try:
            # The lock keeps the other thread from sending one more signal: it would go to the previous handler.
            with self._nudging:
                self._uninstall()
        finally:
            # SIGTERM after SIGHUP means its own handler too, whatever that of SIGHUP does.
            _call_each(self._previous, [*dict.fromkeys([shutdown.signum, *self._seen])], frame)

    def _serve(self) -> None:
        while signums := os.read(self._pipe[0], 1):
            signum = signums[0] & ~_BY_HAND
            if signums[0] == signum and signal.getsignal(signum) != self._on_signal:
                # Not one of our signals, or somebody else now handles it.
                continue
            if self._shutdown:
                self.hurry.set()
            else:
                self._begin(signum)

    def _begin(self, signum: int) -> None:
        """Start to stop all runners, unless this was started before."""
        with self._lock:
            if self._is_closing or self._shutdown or self._thread is None:
                return
            shutdown = self._shutdown = _Shutdown(signum)
            live = list(self._live)
        Ahead(lambda: self._stop_all(shutdown, live), "stop")

    def _stop_all(self, shutdown: _Shutdown, live: list[Stoppable]) -> None:
        log.info("%s: stopping %d model server(s)", signal.Signals(shutdown.signum).name, len(live))
        stops = [Ahead(each.stop, "stop") for each in live]
        for stop in stops:
            stop.wait()
        shutdown.finished.set()
        self._nudge(shutdown)

    def _nudge(self, shutdown: _Shutdown) -> None:
        main_thread = threading.main_thread().ident
        assert main_thread is not None
        # An event loop would call the user's handler once more.
        is_ours = not _is_event_loops(self._previous.get(shutdown.signum))
        shutdown.handed_on.wait(_COMES_BY_ITSELF_S)
        while is_ours:
            with self._nudging:
                if shutdown.handed_on.is_set():
                    return
                signal.pthread_kill(main_thread, shutdown.signum)
            is_ours = not shutdown.handed_on.wait(_NUDGE_S) and signal.getsignal(shutdown.signum) == self._on_signal


guard = ShutdownGuard()
"""The only guard of this process: signals belong to the whole process."""

_fork = threading.local()
"""The signal mask of a thread that forks."""

os.register_at_fork(
    before=guard.before_fork, after_in_parent=guard.after_fork, after_in_child=lambda: guard.after_fork(is_child=True)
)


def _call_each(previous: Mapping[int, Any], signums: Sequence[int], frame: FrameType | None) -> None:
    """Call the handler of each signal, also if one of them raises."""
    if signums:
        try:
            _call(previous.get(signums[0]), signums[0], frame)
        finally:
            _call_each(previous, signums[1:], frame)


def _call(
    previous: Callable[[int, FrameType | None], object] | int | None, signum: int, frame: FrameType | None
) -> None:
    if callable(previous):
        previous(signum, frame)
    elif previous == signal.SIG_DFL:
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)


def _is_event_loops(handler: object) -> bool:
    return str(getattr(handler, "__module__", "")).partition(".")[0] in _EVENT_LOOPS


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
