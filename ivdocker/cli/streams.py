"""The program's standard streams, which never fail: neither a closed pipe nor a full disk changes a verdict."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO


def secure() -> None:
    """Replace stdout and stderr by streams that drop what cannot be written, and open what was closed before the start.

    A descriptor that is closed would otherwise be given to the next file that is opened, and that file would get what
    is written to the stream.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = _lasting(1, sys.stdout), _lasting(2, sys.stderr)


def error_of(stream: TextIO) -> OSError | None:
    """Why the stream has dropped text. None if it has not, or is not one of ours."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw.error if isinstance(raw, _Lasting) else None


def reader_left(fd: int) -> bool:
    """Whether the descriptor is a pipe that nobody reads any more."""
    import select

    poll = select.poll()
    poll.register(fd, 0)
    return any(happened & select.POLLERR for _, happened in poll.poll(0))


class _Lasting(io.FileIO):
    """A descriptor whose ``write`` raises nothing: what cannot be written is dropped."""

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        try:
            while (written := super().write(data)) is None:
                _wait_for(self.fileno())
        except OSError as error:
            self.error = error
            return memoryview(data).nbytes
        return written


def _wait_for(fd: int) -> None:
    """Wait until the descriptor takes more: whoever shares it may have made it non-blocking."""
    import select

    select.select([], [fd], [])


def _lasting(fd: int, stream: TextIO | None) -> TextIO:
    encoding = stream.encoding if stream is not None else "utf-8"
    raw = _Lasting(fd, "wb", closefd=False)
    # What an encoding does not have is no reason to fail either.
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=True)
