"""L4. Removes what a killed process left: a shell in a session of its own that waits for our end of a pipe to close.

No signal to us, nor to our process group, reaches it; the kernel closes the pipe whatever becomes of us.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from ivdocker import clock
from ivdocker.engine.client import Engine
from ivdocker.lifecycle import ownership
from ivdocker.process import Child, ProgramNotFound, ProgramNotStarted

log = logging.getLogger("ivdocker")

_SCRIPT = str(Path(__file__).with_name("watchdog.sh"))
_END_S = 2.0


class _Shell:
    def __init__(self, engine: Engine) -> None:
        read_fd, self._pipe = os.pipe()
        devnull = os.open(os.devnull, os.O_WRONLY)
        label = f"{ownership.SESSION}={ownership.session()}"
        try:
            command = ["sh", _SCRIPT, label, *engine.command([])]
            self._child = Child.spawn(command, env=engine.env, stdin_fd=read_fd, output=(devnull, devnull))
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(read_fd)
            os.close(devnull)

    def tell(self, line: str) -> None:
        # It may have been killed before us.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._pipe, f"{line}\n".encode())

    def end(self) -> None:
        self.tell("done")
        os.close(self._pipe)
        with contextlib.suppress(Exception):
            self._child.pump(bytes, bytes, clock.Deadline.after(_END_S))


class Watchdogs:
    """One shell for each engine on which this process has containers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shells: dict[tuple[int, str], tuple[_Shell, int]] = {}

    def hold(self, engine: Engine) -> None:
        """Have what this process makes on that engine removed should the process be killed."""
        key = os.getpid(), engine.command_line([])
        with self._lock:
            shell, count = self._shells.get(key, (None, 0))
            try:
                self._shells[key] = (shell or _Shell(engine), count + 1)
            except (ProgramNotFound, ProgramNotStarted) as error:
                log.warning("no watchdog: after a SIGKILL the next run removes what is left (%s)", error)

    def release(self, engine: Engine) -> None:
        """As often as :meth:`hold`; the last one ends the shell."""
        key = os.getpid(), engine.command_line([])
        with self._lock:
            shell, count = self._shells.pop(key, (None, 0))
            if shell is not None and count > 1:
                self._shells[key] = (shell, count - 1)
            elif shell is not None:
                shell.end()

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
            shell, _ = self._shells.get((os.getpid(), engine.command_line([])), (None, 0))
            if shell is not None:
                shell.tell(line)


watchdogs = Watchdogs()
"""Those of this process."""
