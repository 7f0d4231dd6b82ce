"""Keeps the requests of a run with their responses: in a requests file, or to compare other images with them."""

from __future__ import annotations

import json
import os
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ivdocker.errors import EnvironmentFailed, Failure, UsageError, os_error_as_usage_error
from ivdocker.requests.model import Request
from ivdocker.requests.send import RequestResult

_SIZE_BYTES = 8
"""Bytes before each request in the temporary file that hold its size."""


class Answers:
    """The responses of one image, which the other images must give too. They are in a temporary file without a name.

    Each iteration yields the requests again, with the response as ``expect``. Several iterations can run at the same
    time. A context manager, which removes the file at its end.
    """

    def __init__(self, image: str) -> None:
        self._image = image
        self._file = tempfile.TemporaryFile("w+b", prefix="ivdocker-")  # noqa: SIM115

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def restart(self) -> None:
        """Forget all requests that were added."""
        self._file.seek(0)
        self._file.truncate()

    def add(self, result: RequestResult) -> None:
        """Add a request. When it failed, it keeps its own ``expect``: other images need not give a wrong response.

        Raises EnvironmentFailed when the temporary file cannot be written.
        """
        request = result.request
        if result.failure is None:
            request = request._replace(
                expect=_expected(result),
                where=f"{request.where}, compared with the response of {self._image}",
                origin="reference",
            )
        # The defaults of these two are read-only mappings, which cannot be pickled.
        request = request._replace(headers=dict(request.headers), leading=dict(request.leading))
        content = pickle.dumps(request)
        try:
            self._file.write(len(content).to_bytes(_SIZE_BYTES, "big") + content)
            self._file.flush()
        except OSError as error:
            text = f"cannot keep the responses of {self._image} in {tempfile.gettempdir()}: {error.strerror}"
            hint = "free space there, or choose another folder with the variable TMPDIR"
            raise EnvironmentFailed(failure=Failure("disk-full", text, hint)) from None

    def __iter__(self) -> Iterator[Request]:
        position = 0
        # Each iteration has a position of its own, because all of them would share the position of the file.
        while size := os.pread(self._file.fileno(), _SIZE_BYTES, position):
            length = int.from_bytes(size, "big")
            request: Request = pickle.loads(os.pread(self._file.fileno(), length, position + _SIZE_BYTES))
            yield request
            position += _SIZE_BYTES + length


class Recording:
    """A requests file that is being written. It is written beside its place, and is moved there whole by ``keep``.

    A context manager, which removes what was not kept. It raises UsageError at its beginning when the file cannot be
    written. A file that cannot be written later changes no verdict: ``keep`` says why.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        # When the path is a symbolic link, the link stays, and the file that it points to is replaced.
        target = Path(os.path.realpath(self.path))
        self._target, self._part = target, target.with_name(f".{target.name}.{os.getpid()}.part")
        self._file: IO[str] | None = None
        self._problem: str | None = None

    def __enter__(self) -> Recording:
        if self._target.is_dir():
            raise UsageError(f"cannot record to {self.path!r}: it is a folder; name a file")
        with os_error_as_usage_error(f"cannot record to {self.path!r}"):
            self._file = open(self._part, "w", encoding="utf-8")
        return self

    def __exit__(self, *error: object) -> None:
        if self._file:
            with suppress(OSError):
                self._file.close()
        with suppress(OSError):
            self._part.unlink(missing_ok=True)

    def restart(self) -> None:
        """Forget all requests that were added."""
        assert self._file
        with self._writing():
            self._file.seek(0)
            self._file.truncate()

    def add(self, result: RequestResult) -> None:
        """Add a request with its response."""
        assert self._file
        line = as_line(result)
        with self._writing():
            self._file.write(line)

    def keep(self) -> str | None:
        """Move the file to its place; it replaces a file of that name. Return why that failed, None if it did not."""
        assert self._file
        with self._writing():
            self._file.flush()
            os.fsync(self._file.fileno())
        if self._problem is None:
            with self._writing():
                os.replace(self._part, self._target)
        return self._problem

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._problem = f"cannot record to {self.path!r}: {error.strerror or error}"


def as_line(result: RequestResult) -> str:
    """Return the line of a requests file that sends the same request and expects this response.

    Raises UsageError for a body of bytes that was read from no file.
    """
    request = result.request
    if isinstance(request.body, bytes) and request.file is None:
        raise UsageError(f"{request.where}: a body of bytes can be recorded only when it is a file; save it as a file")
    optional = {
        "rtol": request.rtol,
        "atol": request.atol,
        "model": request.model_name,
        "version": request.version,
        "signature": request.signature,
        "content_type": request.content_type,
        "headers": dict(request.headers) or None,
        "status": request.status,
        "ignore": list(request.ignore) or None,
        "expect": _expected(result),
    }
    body = {"file": os.path.abspath(request.file)} if request.file else {"request": request.body}
    record = {**body, **{key: value for key, value in optional.items() if value is not None}}
    # In ASCII, because a response can hold half of a surrogate pair, which cannot be written as UTF-8.
    return json.dumps(record) + "\n"


def _expected(result: RequestResult) -> Any:
    """The response that is expected from now on. Where an error status was wanted, only that status must stay."""
    return result.answer if (result.request.status or 200) < 300 else result.request.expect
