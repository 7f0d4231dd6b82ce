"""Where requests are read from: a file, a pipe or standard input, with or without gzip.

What a user gives may be of any size, so nothing is read in pieces larger than PIECE_LIMIT.
"""

from __future__ import annotations

import gzip
import os
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from io import BufferedReader, RawIOBase
from typing import IO, BinaryIO, NamedTuple, cast

from ivdocker.errors import UsageError, os_error_as_usage_error

PIECE_LIMIT = 64 * 1024 * 1024
"""The largest line, record or body in bytes, after unpacking. It is the largest request that Triton takes (the
default of its ``--http-max-input-size``)."""

SPOOL_LIMIT = 4 * 1024**3
"""The largest standard input in bytes that is copied to a temporary file."""

STDIN = "<stdin>"
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1024 * 1024


class Source(NamedTuple):
    """Something that requests are read from.

    ``name``: its name in messages. ``open``: returns a new stream at the first byte, as often as it is called.
    ``path``: the file's path, None for a temporary copy of standard input or of a pipe.
    """

    name: str
    open: Callable[[], BufferedReader]
    path: str | None = None

    @property
    def folder(self) -> str:
        """The folder of the file. For a temporary copy it is empty, which means the current folder."""
        return os.path.dirname(self.path or "")


def file_source(path: str) -> Source:
    """Return a regular file as a source. The file is not opened yet."""
    return Source(path, lambda: open(path, "rb"), path)


def is_regular(path: str) -> bool:
    """Return False for a file that can be read only once, such as a pipe. Raises UsageError when there is no file."""
    with cannot_read(path):
        return stat.S_ISREG(os.stat(path).st_mode)


def spool_stdin() -> tuple[Source, Callable[[], None]]:
    """Copy standard input to a temporary file, as :func:`spool` does."""
    if sys.stdin is None:
        raise UsageError("standard input is closed; give --requests a file")
    return spool(sys.stdin.buffer, STDIN)


def spool_pipe(path: str) -> tuple[Source, Callable[[], None]]:
    """Copy what comes through a named pipe to a temporary file, as :func:`spool` does."""
    with cannot_read(path), open(path, "rb") as stream:
        return spool(stream, path)


def spool(stream: BinaryIO, name: str) -> tuple[Source, Callable[[], None]]:
    """Copy a stream that can be read only once to a temporary file, so that it can be read several times.

    Return the copy as a source, and the function that removes it. Raises UsageError.
    """
    if stream.isatty():
        raise UsageError(f"{name} is a terminal; give --requests a file, or pipe the requests in")
    with ExitStack() as resources:
        file = resources.enter_context(tempfile.TemporaryFile())
        _copy(stream, file, name)
        return Source(name, lambda: BufferedReader(_PositionedReader(file.fileno()))), resources.pop_all().close


def _copy(stream: BinaryIO, file: IO[bytes], name: str) -> None:
    left = SPOOL_LIMIT
    with os_error_as_usage_error(f"cannot copy {name} to a temporary file"):
        while chunk := stream.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise UsageError(f"{name} is longer than {SPOOL_LIMIT >> 30} GiB; give --requests a file")
            file.write(chunk)
        file.flush()


class _PositionedReader(RawIOBase):
    """Reads a file descriptor from a position of its own, so that several readers can share the descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = os.pread(self._fd, len(buffer), self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


@contextmanager
def open_unpacked(source: Source) -> Iterator[BinaryIO]:
    """Open the source at its beginning, and unpack it when its first bytes are those of gzip. Raises UsageError."""
    with cannot_read(source.name):
        stream = source.open()
    with stream:
        with _read_errors(source.name):
            is_packed = stream.peek(2)[:2] == _GZIP_MAGIC
        if not is_packed:
            yield stream
            return
        with gzip.GzipFile(fileobj=stream) as unpacked:
            yield cast(BinaryIO, unpacked)


def read_whole(source: Source) -> bytes:
    """Return the whole content, unpacked. Raises UsageError when it is larger than PIECE_LIMIT."""
    with open_unpacked(source) as stream:
        return read_piece(stream, source.name)


def read_piece(stream: BinaryIO, where: str, size: int = PIECE_LIMIT + 1) -> bytes:
    """Return the next ``size`` bytes, or fewer at the end. Raises UsageError when they are more than PIECE_LIMIT."""
    with _read_errors(where):
        data = stream.read(size)
    if len(data) > PIECE_LIMIT:
        raise too_long(where)
    return data


def numbered_lines(stream: BinaryIO, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield each line with its place, ``NAME:NUMBER``. Raises UsageError when a line is longer than PIECE_LIMIT."""
    number = 0
    while True:
        number += 1
        where = f"{name}:{number}"
        with _read_errors(where):
            line = stream.readline(PIECE_LIMIT + 1)
        if len(line) > PIECE_LIMIT:
            raise too_long(where)
        if not line:
            return
        yield where, line


def too_long(where: str) -> UsageError:
    """Return the error about a piece that is larger than PIECE_LIMIT."""
    limit = f"{PIECE_LIMIT >> 20} MiB"
    return UsageError(
        f"{where}: longer than {limit}, the largest request that a server takes; split it into smaller ones"
    )


def cannot_read(name: str) -> AbstractContextManager[None]:
    """Raise a UsageError that names the requests file in place of an OSError that this block raises."""
    return os_error_as_usage_error(f"cannot read requests file {name!r}")


@contextmanager
def _read_errors(where: str) -> Iterator[None]:
    """Raise a UsageError in place of what reading and unpacking raise."""
    with os_error_as_usage_error(f"{where}: cannot be read"):
        try:
            yield
        except EOFError:
            raise UsageError(f"{where}: the gzip data is cut short; copy the file again") from None
        except (zlib.error, gzip.BadGzipFile) as error:
            raise UsageError(f"{where}: the gzip data is damaged ({error}); copy the file again") from None
