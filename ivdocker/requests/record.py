"""The requests of a run and their answers, kept in a file while the run goes on."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ivdocker.errors import Failure, UsageError, error_for
from ivdocker.requests.model import ATOL, RTOL, Request
from ivdocker.requests.send import RequestResult

_LENGTH = 8
"""Bytes that tell how long a request is."""


class Answers:
    """The answers of one image as what is expected of the others, in a temporary file without a name.

    Iterating gives the requests again, each with its answer as ``expect``; several may iterate at the same time.
    """

    def __init__(self, image: str) -> None:
        self._image = image
        self._file = tempfile.TemporaryFile("w+b", prefix="ivdocker-")  # noqa: SIM115

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def restart(self) -> None:
        """Forget what was added."""
        self._file.seek(0)
        self._file.truncate()

    def add(self, result: RequestResult) -> None:
        """A wrong answer is expected of nobody. Raises EnvironmentFailed when it cannot be written."""
        request = result.request
        if result.failure is None:
            where = f"{request.where}, as {self._image} answered it"
            # Of an error that was asked for, the status is what must be the same.
            expect = result.answer if (request.status or 200) < 300 else request.expect
            request = request._replace(expect=expect, where=where, origin="reference")
        request = request._replace(
            # What stands there where nothing is said cannot be pickled.
            headers=dict(request.headers),
            leading=dict(request.leading),
        )
        content = pickle.dumps(request)
        try:
            self._file.write(len(content).to_bytes(_LENGTH, "big") + content)
            self._file.flush()
        except OSError as error:
            text = f"cannot keep the answers to compare with, in {tempfile.gettempdir()}: {error.strerror}"
            raise error_for(Failure("disk-full", text, "make room there, or name another folder with TMPDIR")) from None

    def __iter__(self) -> Iterator[Request]:
        place = 0
        # Not by the file's own position, which all who iterate would share.
        while length := os.pread(self._file.fileno(), _LENGTH, place):
            size = int.from_bytes(length, "big")
            request: Request = pickle.loads(os.pread(self._file.fileno(), size, place + _LENGTH))
            yield request
            place += _LENGTH + size


class Recording:
    """A requests file that is being made: beside its place until it is kept, then in its place, whole.

    Raises UsageError when it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        # A link stays one.
        target = Path(os.path.realpath(self.path))
        self._target, self._part = target, target.with_name(f".{target.name}.{os.getpid()}.part")
        self._file: IO[str] | None = None

    def __enter__(self) -> Recording:
        if self._target.is_dir():
            raise UsageError(f"cannot record to {self.path!r}: it is a folder; name a file")
        with self._usage_errors():
            self._file = open(self._part, "w", encoding="utf-8")
        return self

    def __exit__(self, *error: object) -> None:
        if self._file:
            with contextlib.suppress(OSError):
                self._file.close()
        self._part.unlink(missing_ok=True)

    def restart(self) -> None:
        """Forget what was added."""
        assert self._file
        with self._usage_errors():
            self._file.seek(0)
            self._file.truncate()

    def add(self, result: RequestResult) -> None:
        assert self._file
        with self._usage_errors():
            self._file.write(as_line(result.request, result.answer))

    def keep(self) -> None:
        """Put it in its place, whatever was there before."""
        assert self._file
        with self._usage_errors():
            self._file.flush()
            os.fsync(self._file.fileno())
            os.replace(self._part, self._target)

    @contextlib.contextmanager
    def _usage_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(f"cannot record to {self.path!r}: {error.strerror}") from None


def as_line(request: Request, answer: Any) -> str:
    """A line of a requests file that asks the same and expects this answer. Raises UsageError where none can."""
    if isinstance(request.body, bytes) and request.file is None:
        raise UsageError(f"{request.where}: a request of bytes cannot be recorded; leave it out of --record")
    named = {
        "rtol": request.rtol if request.rtol != RTOL else None,
        "atol": request.atol if request.atol != ATOL else None,
        "model": request.model_name,
        "version": request.version,
        "signature": request.signature,
        "content_type": request.content_type,
        "headers": dict(request.headers) or None,
        "status": request.status,
        "ignore": list(request.ignore) or None,
        "expect": answer if (request.status or 200) < 300 else request.expect,
    }
    body = {"file": os.path.abspath(request.file)} if request.file else {"request": request.body}
    record = {**body, **{k: v for k, v in named.items() if v is not None}}
    # ASCII: a server's text may hold half of a surrogate pair, which no file can.
    return json.dumps(record) + "\n"
