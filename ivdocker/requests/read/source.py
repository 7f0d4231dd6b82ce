"""Where requests are read from: a file or standard input, packed with gzip or not, with a bound on every piece."""

import os
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedReader, RawIOBase
from typing import IO, BinaryIO, NamedTuple, cast

from ivdocker.errors import UsageError

PIECE_LIMIT = 64 * 1024 * 1024
"""Bytes of a line, a record or a body, unpacked: what Triton takes in one request (its --http-max-input-size)."""

SPOOL_LIMIT = 4 * 1024**3
"""Bytes of standard input that we are ready to write down."""

STDIN = "<stdin>"
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1024 * 1024


class Source(NamedTuple):
    """``name`` as messages have it; ``open`` begins anew at the first byte; ``path`` None for what was spooled."""

    name: str
    open: Callable[[], BufferedReader]
    path: str | None = None


def file_source(path: str) -> Source:
    return Source(path, lambda: open(path, "rb"), path)


def is_regular(path: str) -> bool:
    """False for what can be read but once: a pipe, a process substitution. Raises UsageError when it is not there."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError as error:
        raise unreadable(path, error) from None


def spool_stdin() -> tuple[Source, Callable[[], None]]:
    """As :func:`spool`."""
    if sys.stdin is None:
        raise UsageError("standard input is closed; give --requests a file")
    return spool(sys.stdin.buffer, STDIN)


def spool_pipe(path: str) -> tuple[Source, Callable[[], None]]:
    """As :func:`spool`."""
    try:
        with open(path, "rb") as stream:
            return spool(stream, path)
    except OSError as error:
        raise unreadable(path, error) from None


def spool(stream: BinaryIO, name: str) -> tuple[Source, Callable[[], None]]:
    """What can be read but once, written to an unnamed temporary file; the second removes it. Raises UsageError."""
    if stream.isatty():
        raise UsageError(f"{name} is a terminal; give --requests a file, or pipe the requests in")
    with ExitStack() as owned:
        file = owned.enter_context(tempfile.TemporaryFile())
        _copy(stream, file, name)
        return Source(name, lambda: BufferedReader(_PositionedReader(file.fileno()))), owned.pop_all().close


def _copy(stream: BinaryIO, file: IO[bytes], name: str) -> None:
    left = SPOOL_LIMIT
    try:
        while chunk := stream.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise UsageError(f"{name} is longer than {SPOOL_LIMIT >> 30} GiB; give --requests a file")
            file.write(chunk)
        file.flush()
    except OSError as error:
        raise UsageError(f"cannot write down {name}: {error.strerror or error}") from None


class _PositionedReader(RawIOBase):
    """A reader with a place of its own: several may be under way in one file."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = os.pread(self._fd, len(buffer), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


@contextmanager
def open_unpacked(source: Source) -> Iterator[BinaryIO]:
    """The source from its beginning, unpacked. Raises UsageError."""
    try:
        stream = source.open()
    except OSError as error:
        raise unreadable(source.name, error) from None
    with stream:
        with _usage_errors(source.name):
            is_packed = stream.peek(2)[:2] == _GZIP_MAGIC
        if not is_packed:
            yield stream
            return
        import gzip

        with gzip.GzipFile(fileobj=stream) as unpacked:
            yield cast(BinaryIO, unpacked)


def read_piece(stream: BinaryIO, where: str, size: int = PIECE_LIMIT + 1) -> bytes:
    """So many bytes, fewer at the end. Raises UsageError, when more than the limit are asked for and are there too."""
    with _usage_errors(where):
        data = stream.read(size)
    if len(data) > PIECE_LIMIT:
        raise too_long(where)
    return data


def numbered_lines(stream: BinaryIO, name: str) -> Iterator[tuple[str, bytes]]:
    """Each line with its place, ``NAME:NUMBER``. Raises UsageError."""
    number = 0
    while True:
        number += 1
        where = f"{name}:{number}"
        with _usage_errors(where):
            line = stream.readline(PIECE_LIMIT + 1)
        if len(line) > PIECE_LIMIT:
            raise too_long(where)
        if not line:
            return
        yield where, line


def too_long(where: str) -> UsageError:
    return UsageError(f"{where}: longer than {PIECE_LIMIT >> 20} MiB; no server takes such a request")


def unreadable(name: str, error: OSError) -> UsageError:
    return UsageError(f"cannot read requests file {name!r}: {error.strerror or error}")


@contextmanager
def _usage_errors(where: str) -> Iterator[None]:
    try:
        yield
    except EOFError:
        raise UsageError(f"{where}: the gzip data is cut short; copy the file anew") from None
    except zlib.error as error:
        raise UsageError(f"{where}: the gzip data is damaged ({error})") from None
    except OSError as error:
        # gzip's own BadGzipFile is an OSError too, without an errno.
        reason = error.strerror or f"the gzip data is damaged: {error}"
        raise UsageError(f"{where}: cannot be read ({reason})") from None
