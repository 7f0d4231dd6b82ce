"""Removes the containers of a killed process: a shell in its own session waits until our end of a pipe closes.

Signals to us or to our process group do not reach the shell. The kernel closes the pipe however this process ends.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ivdocker import clock
from ivdocker.container import labels
from ivdocker.engine.client import Engine
from ivdocker.process.run import Child

_SCRIPT = os.path.join(os.path.dirname(__file__), "watchdog.sh")
_END_S = 2.0

_pipes: set[int] = set()
"""Our ends of the pipes. A forked child closes its copies: the shell would wait for the child's end too."""


class Watchdog:
    """The shell for one engine. It removes all containers of this process's session if this process is killed."""

    def __init__(self, engine: Engine) -> None:
        """Start the shell. Raises ProgramNotFound, ProgramNotStarted, OSError."""
        label = f"{labels.SESSION}={labels.session_id()}"
        command = ["sh", _SCRIPT, label, *engine.command([])]
        with contextlib.ExitStack() as on_failure, contextlib.ExitStack() as opened:
            stdin, self._pipe = os.pipe()
            opened.callback(os.close, stdin)
            on_failure.callback(os.close, self._pipe)
            devnull = os.open(os.devnull, os.O_WRONLY)
            opened.callback(os.close, devnull)
            self._child = Child.spawn(command, env=engine.env, stdin_fd=stdin, output=(devnull, devnull))
            on_failure.pop_all()
        self._pid = os.getpid()
        _pipes.add(self._pipe)

    def network(self, name: str) -> None:
        """Also remove this network. Call it before the network is created."""
        self._tell(f"network {name}")

    @contextlib.contextmanager
    def child(self, pid: int) -> Iterator[None]:
        """While the block runs, also end this program: it would not end with its container."""
        self._tell(f"child {pid}")
        try:
            yield
        finally:
            self._tell(f"gone {pid}")

    def end(self) -> None:
        """End the shell: nothing is left to remove."""
        if os.getpid() != self._pid:
            return
        self._tell("done")
        _pipes.discard(self._pipe)
        os.close(self._pipe)
        with contextlib.suppress(Exception):
            self._child.pump(bytes, bytes, clock.Deadline.after(_END_S))

    def _tell(self, line: str) -> None:
        if os.getpid() != self._pid:
            return
        # Somebody may have killed the shell.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._pipe, f"{line}\n".encode())


def _close_pipes() -> None:
    while _pipes:
        os.close(_pipes.pop())


os.register_at_fork(after_in_child=_close_pipes)
