"""Runs programs. The only importer of sh.

Every program runs in its own session, so that Ctrl-C in the terminal reaches this process and not docker. sh only
starts and reaps the program and gets the write ends of our pipes. This module reads the pipes itself, so every wait
has a deadline, can be cancelled, and uses a bounded amount of memory.
"""

import contextlib
import errno
import gc
import logging
import os
import select
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import sh

from ivdocker import clock
from ivdocker.process import tree

# The application that uses the library decides where the log goes.
logging.getLogger("ivdocker").addHandler(logging.NullHandler())
# sh logs whole command lines at INFO.
logging.getLogger("sh").setLevel(logging.WARNING)

CAPTURE_LIMIT = 8 * 1024 * 1024
"""Bytes that :func:`run` keeps of stdout and of stderr. It reads and drops the rest."""

_TICK = 0.05
_IDLE_TICK = 0.25
"""Seconds between two looks at a program that has been silent for a while: whether it lives, whether it is to end."""
_CHUNK = 65536
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PIPE_HOLDER_GRACE = 0.2
"""Seconds to continue reading after the program has ended, if another process still holds its output open."""

Sink = Callable[[bytes], object]

Output = Literal["pipes", "one pipe", "terminal", "error terminal"] | tuple[int, int]


class ProgramNotFound(Exception):
    """PATH has no such executable file."""


class ProgramNotStarted(Exception):
    """The operating system refused to start the program."""


class NoMoreProcesses(ProgramNotStarted):
    """The system has no process or no thread left for it. The program may run, but nobody can wait for it."""


class ProgramTimeout(Exception):
    """The deadline passed; the program and its children were killed."""


class Cancelled(Exception):
    """The caller's cancel event was set; the program and its children were killed."""


class Result(NamedTuple):
    """The result of a program: its exit code (negative: the number of the signal that ended it) and its output."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def error_text(self) -> str:
        return self.stderr.decode("utf-8", "replace").strip()


class Child:
    """A running program. The caller of :meth:`spawn` must call :meth:`pump` or :meth:`kill`."""

    def __init__(self, running: sh.RunningCommand, streams: dict[int, int]) -> None:
        self._running = running
        self._streams = streams
        self.pid: int = running.pid

    @classmethod
    def spawn(
        cls,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin_fd: int | None = None,
        output: Output = "pipes",
    ) -> "Child":
        """Start a program. ``env`` is added to our own environment. Without ``stdin_fd`` standard input is empty.

        ``output``: ``"pipes"``; ``"one pipe"`` for both streams, which keeps their order, read as stdout;
        ``"terminal"`` or ``"error terminal"``: a pseudo-terminal for stdout or for stderr, because some programs show
        progress only on a terminal; or two descriptors to which the program writes directly.
        Raises ProgramNotFound, ProgramNotStarted, NoMoreProcesses.
        """
        try:
            command = sh.Command(argv[0])
        except sh.CommandNotFound:
            raise ProgramNotFound(argv[0]) from None
        _check_can_start(str(command), [*argv, *(env or {}).values()])
        streams, (out_fd, err_fd), to_close = _open_output(output)
        devnull = os.open(os.devnull, os.O_RDONLY)
        options: dict[str, Any] = {
            "_bg": True,
            "_bg_exc": False,
            "_no_pipe": True,
            "_new_session": True,
            # Python's descriptors are close-on-exec. Listing and closing them again would take the child 2 ms.
            "_close_fds": False,
            "_encoding": "utf-8",
            "_in": devnull if stdin_fd is None else stdin_fd,
            "_out": out_fd,
            "_err": err_fd,
            "_env": None if env is None else {**os.environ, **env},
        }
        try:
            with _signals_blocked(options):
                return cls(command(*argv[1:], **options), streams)
        except BaseException as error:
            _close_all(streams)
            _raise_translated(argv[0], error)
            raise
        finally:
            _close_all([*to_close, devnull])

    @property
    def alive(self) -> bool:
        return bool(self._running.is_alive())

    def pump(
        self,
        on_stdout: Sink,
        on_stderr: Sink,
        deadline: clock.Deadline | clock.Patience | None = None,
        cancel: threading.Event | None = None,
    ) -> int:
        """Pass the output to the sinks until the program has ended. Return its exit code.

        Raises ProgramTimeout, Cancelled. Before it raises any exception, it kills the program.
        """
        limits = _Limits(deadline, cancel)
        try:
            self._read((on_stdout, on_stderr), limits)
        except BaseException:
            self.kill()
            raise
        return self._reap()

    def kill(self) -> int:
        """Send SIGKILL to the program, its session and its descendants. Return the exit code. May be called again."""
        for pid in [*tree.descendants(self.pid), self.pid] if self.alive else []:
            _signal(os.kill, pid)
        _signal(os.killpg, self.pid)
        return self._reap()

    def _read(self, sinks: tuple[Sink, Sink], limits: "_Limits") -> None:
        poll = select.poll()
        for fd in self._streams:
            poll.register(fd, select.POLLIN)
        ended: clock.Deadline | None = None
        pause = 0.0005
        idle = _TICK
        while True:
            if self._streams:
                ready = poll.poll(idle * 1000)
                idle = _TICK if ready else min(idle * 1.5, _IDLE_TICK)
            else:
                # The program has closed its output: it usually ends within a millisecond.
                clock.sleep(pause)
                pause, ready = min(pause * 2, _TICK), []
            for fd, _ in ready:
                chunk = _read_chunk(fd)
                if chunk:
                    sinks[self._streams[fd]](chunk)
                else:
                    poll.unregister(fd)
                    self._close(fd)
            if ended is None and (not ready or limits.is_tick()) and not self.alive:
                ended = clock.Deadline.after(_PIPE_HOLDER_GRACE)
            if (not self._streams and not self.alive) or (ended and ended.expired):
                return
            limits.check()

    def _close(self, fd: int) -> None:
        del self._streams[fd]
        os.close(fd)

    def _reap(self) -> int:
        for fd in list(self._streams):
            self._close(fd)
        return int(self._running.process.wait())


class _Limits:
    """The conditions that stop the reading before the program ends."""

    def __init__(self, deadline: clock.Deadline | clock.Patience | None, cancel: threading.Event | None) -> None:
        self._deadline = deadline
        self._cancel = cancel
        self._tick = clock.Stopwatch()

    def is_tick(self) -> bool:
        """True once per tick (50 ms), however much output there is."""
        if self._tick.seconds < _TICK:
            return False
        self._tick = clock.Stopwatch()
        return True

    def check(self) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise Cancelled
        if self._deadline is not None and self._deadline.expired:
            raise ProgramTimeout


def _raise_translated(program: str, error: BaseException) -> None:
    """Raise our exception for one of sh. Return if there is none."""
    if isinstance(error, sh.ForkException):
        raise ProgramNotStarted(f"{program}: {str(error).strip().splitlines()[-1]}") from None
    if isinstance(error, (OSError, RuntimeError)):
        # sh switches the garbage collector off for the fork.
        gc.enable()
        raise NoMoreProcesses(f"{program}: {error}") from None


@contextlib.contextmanager
def _signals_blocked(options: dict[str, Any]) -> Iterator[None]:
    """Keep signals from our copy of this process until it has become the program: it would run our handlers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    def in_child() -> None:
        for signum in _SIGNALS:
            signal.signal(signum, signal.SIG_IGN)
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        yield options.update(_preexec_fn=in_child)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _check_can_start(program: str, texts: Iterable[str]) -> None:
    """Raises ProgramNotStarted. sh would notice only after the fork, and leave descriptors and a zombie process."""
    for text in texts:
        try:
            if b"\0" in text.encode():
                raise ProgramNotStarted(f"{program}: an argument holds a NUL character")
        except UnicodeEncodeError:
            raise ProgramNotStarted(f"{program}: an argument is not valid UTF-8") from None
    try:
        with open(program, "rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ProgramNotStarted(f"{program}: {error.strerror}") from None
    if not magic.startswith((b"#!", b"\x7fELF", b"\xca\xfe", b"\xcf\xfa", b"\xfe\xed")):
        raise ProgramNotStarted(f"{program}: not a program")


def _open_output(output: Output) -> tuple[dict[int, int], tuple[int, int], list[int]]:
    """Return what we read (descriptor: 0 for stdout, 1 for stderr), what the program writes to, what to close later."""
    if isinstance(output, tuple):
        return {}, output, []
    if output == "one pipe":
        read, write = os.pipe()
        return {read: 0}, (write, write), [write]
    err_read, err_write = _open_terminal() if output == "error terminal" else os.pipe()
    out_read, out_write = os.openpty() if output == "terminal" else os.pipe()
    return {out_read: 0, err_read: 1}, (out_write, err_write), [out_write, err_write]


def _open_terminal() -> tuple[int, int]:
    """Open a pseudo-terminal of 80 x 24. If the size is 0, podman prints no readable progress."""
    import fcntl
    import struct
    import termios

    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    return ours, theirs


def _read_chunk(fd: int) -> bytes:
    try:
        return os.read(fd, _CHUNK)
    except OSError as error:
        # The other end of the pseudo-terminal is closed.
        if error.errno == errno.EIO:
            return b""
        raise


def _close_all(fds: Iterable[int]) -> None:
    for fd in list(fds):
        os.close(fd)


class _Capture:
    """Keeps the first bytes of a stream, up to a limit."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def __call__(self, chunk: bytes) -> None:
        self._kept += chunk[: CAPTURE_LIMIT - len(self._kept)]

    def __bytes__(self) -> bytes:
        return bytes(self._kept)


def run(
    argv: Sequence[str],
    *,
    deadline: clock.Deadline,
    env: Mapping[str, str] | None = None,
    cancel: threading.Event | None = None,
) -> Result:
    """Run a program and wait for its end. A non-zero exit code is a result, not an error.

    Raises ProgramNotFound, ProgramNotStarted, ProgramTimeout, Cancelled.
    """
    watch, stdout, stderr = clock.Stopwatch(), _Capture(), _Capture()
    returncode = Child.spawn(argv, env=env).pump(stdout, stderr, deadline, cancel)
    return Result(tuple(argv), returncode, bytes(stdout), bytes(stderr), watch.seconds)


def _signal(kill: Callable[[int, int], None], pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        kill(pid, signal.SIGKILL)
