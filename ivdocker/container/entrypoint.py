"""Finds out whether only docker's init, which ivdocker adds, can start the image's program.

The kernel refuses a script without a ``#!`` line ("exec format error"). docker's init, started instead, gives such a
script to a shell: then a server runs here that production cannot start.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from ivdocker.diagnosis import explain
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.parse import ContainerState
from ivdocker.errors import JobAborted
from ivdocker.process import tree

_HEAD_BYTES = 64
_EXEC_S = 5.0
_LARGEST_DEPTH = 200


def check(engine: Engine, state: ContainerState) -> None:
    """Raise JobAborted for such a script. Nothing if the program cannot be read from here."""
    if not os.path.isabs(state.program):
        return
    head = _head_here(state) if tree.is_of_container(state.pid, state.id) else None
    if head is None:
        with suppress(EngineError):
            text = engine.exec(state.id, ["head", "-c", str(_HEAD_BYTES), state.program], timeout_s=_EXEC_S)
            head = None if text is None else text.encode()
    if head and is_script_without_interpreter(head):
        raise JobAborted(failure=explain.needs_init(state.program))


def is_script_without_interpreter(head: bytes) -> bool:
    """Whether a file that begins so is a text without a ``#!`` line. A binary has NUL bytes near its beginning."""
    return not head.startswith(b"#!") and b"\0" not in head and "\ufffd" not in head.decode("utf-8", "replace")


def _head_here(state: ContainerState) -> bytes | None:
    """The program's beginning, read through the kernel's view of the container. Only root may."""
    with suppress(OSError), open(_in_root(f"/proc/{state.pid}/root", state.program), "rb") as file:
        return file.read(_HEAD_BYTES)
    return None


def _in_root(root: str, program: str) -> str:
    """The path under ``root`` of what ``program`` leads to there. Raises OSError."""
    found, rest = "", program.split("/")
    for _ in range(_LARGEST_DEPTH):
        if not rest:
            return root + found
        part, *rest = rest
        here = f"{found}/{part}"
        if part == "..":
            found = os.path.dirname(found)
        elif os.path.islink(root + here):
            target = os.readlink(root + here)
            found, rest = "" if os.path.isabs(target) else found, [*target.split("/"), *rest]
        elif part not in ("", "."):
            found = here
    raise OSError(errno.ELOOP, "too many links", program)
