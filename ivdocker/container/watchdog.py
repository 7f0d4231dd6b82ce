"""Removes what a killed process left: a shell in a session of its own that waits for our end of a pipe to close.

No signal to us, nor to our process group, reaches it; the kernel closes the pipe whatever becomes of us.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator

from ivdocker import clock
from ivdocker.container import labels
from ivdocker.engine.client import Engine
from ivdocker.process.run import Child, ProgramNotFound, ProgramNotStarted

log = logging.getLogger("ivdocker")

_SCRIPT = os.path.join(os.path.dirname(__file__), "watchdog.sh")
_END_S = 2.0


class _Shell:
    """A thread starts it, 5 ms in which its maker does something else; :meth:`wait` for it where it is needed."""

    def __init__(self, engine: Engine) -> None:
        stdin, self._pipe = os.pipe()
        self._child: Child | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._start, args=(engine, stdin), name="ivdocker-watchdog", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until it runs. Raises ProgramNotFound, ProgramNotStarted, OSError."""
        self._thread.join()
        if self._error:
            raise self._error

    def tell(self, line: str) -> None:
        # It may have been killed before us.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._pipe, f"{line}\n".encode())

    def end(self) -> None:
        self.tell("done")
        os.close(self._pipe)
        self._thread.join()
        if self._child:
            with contextlib.suppress(Exception):
                self._child.pump(bytes, bytes, clock.Deadline.after(_END_S))

    def _start(self, engine: Engine, stdin: int) -> None:
        label = f"{labels.SESSION}={labels.session()}"
        command = ["sh", _SCRIPT, label, *engine.command([])]
        with contextlib.ExitStack() as opened:
            opened.callback(os.close, stdin)
            try:
                devnull = os.open(os.devnull, os.O_WRONLY)
                opened.callback(os.close, devnull)
                self._child = Child.spawn(command, env=engine.env, stdin_fd=stdin, output=(devnull, devnull))
            except (ProgramNotFound, ProgramNotStarted, OSError) as error:
                self._error = error


class Watchdogs:
    """One shell for each engine on which this process has containers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shells: dict[tuple[int, str], tuple[_Shell | None, int]] = {}

    @contextlib.contextmanager
    def ahead(self, engine: Engine) -> Iterator[None]:
        """Have it start while the block does something else; who holds it there need not wait."""
        with self._lock:
            self._one_more(engine)
        try:
            yield
        finally:
            self.release(engine)

    def hold(self, engine: Engine) -> None:
        """Have what this process makes on that engine from now on removed should the process be killed."""
        with self._lock:
            shell = self._one_more(engine)
            try:
                shell.wait()
            except (ProgramNotFound, ProgramNotStarted, OSError) as error:
                self._shells[labels.key(engine)] = None, self._shells[labels.key(engine)][1]
                shell.end()
                log.warning("no watchdog: after a SIGKILL the next run removes what is left (%s)", error)
            except BaseException:
                self._one_less(engine)
                raise

    def release(self, engine: Engine) -> None:
        """As often as :meth:`hold`; the last one ends the shell."""
        with self._lock:
            self._one_less(engine)

    def network(self, engine: Engine, name: str) -> None:
        """Have a network removed too that is about to be made."""
        self._tell(engine, f"network {name}")

    @contextlib.contextmanager
    def child(self, engine: Engine, pid: int) -> Iterator[None]:
        """Have a program ended too that would outlast us: one that does not end with its container."""
        self._tell(engine, f"child {pid}")
        try:
            yield
        finally:
            self._tell(engine, f"gone {pid}")

    def _tell(self, engine: Engine, line: str) -> None:
        with self._lock:
            shell, _ = self._shells.get(labels.key(engine), (None, 0))
            if shell is not None:
                shell.tell(line)

    def _one_more(self, engine: Engine) -> _Shell:
        shell, count = self._shells.get(labels.key(engine), (None, 0))
        shell = shell or _Shell(engine)
        self._shells[labels.key(engine)] = shell, count + 1
        return shell

    def _one_less(self, engine: Engine) -> None:
        shell, count = self._shells.pop(labels.key(engine), (None, 0))
        if count > 1:
            self._shells[labels.key(engine)] = shell, count - 1
        elif shell is not None:
            shell.end()


watchdogs = Watchdogs()
"""Those of this process."""
