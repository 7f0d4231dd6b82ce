"""What a request is, and the requests of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from ivdocker.servers.records import RequestBody

RTOL = 1e-5
"""The default relative tolerance of numbers in a response."""

ATOL = 1e-8
"""The default absolute tolerance of numbers in a response."""

ONLY_INPUT = ""
"""The key in ``Request.values`` of an array without a name. It is for a model with one input."""


class Cell(str):
    """The text of a field in a CSV file. It is converted to the type of the model's input when that is known."""

    __slots__ = ()


class Row(tuple[Cell, ...]):
    """The fields of a row of a CSV file without a header."""

    __slots__ = ()


class Request(NamedTuple):
    """A request to the model, and what its response must be.

    ``body``: the JSON value or the bytes to send. It is None while it has to be made from ``values`` or ``example``.
    ``where``: the request's place in messages, such as ``FILE:LINE`` or ``FILE: record 3``.
    ``expect``: what the response must contain; None accepts any response.
    ``rtol``, ``atol``: a number matches within ``atol + rtol * |expected|``. None means the default.
    ``values``: nested lists, or a Cell, by input name; or a Row as ONLY_INPUT.
    ``content_type``, ``headers``, ``model_name``, ``version``, ``signature``: as in RequestBody.
    ``origin``: ``written`` by the user, an ``example`` in the model's folder, ``synthesized``, or ``reference`` when
    ``expect`` is another image's response.
    ``leading``: the leading dimension that each of these outputs must have, by output name.
    ``status``: the HTTP status that the response must have; None accepts any 2xx.
    ``ignore``: JSON paths that are not compared, with everything below them.
    ``example``: a serialized tf.Example.
    ``file``: the file that a body of bytes was read from.
    """

    body: Any
    where: str
    expect: Any = None
    rtol: float | None = None
    atol: float | None = None
    values: Mapping[str, Any] | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    model_name: str | None = None
    version: str | None = None
    signature: str | None = None
    origin: Literal["written", "example", "synthesized", "reference"] = "written"
    leading: Mapping[str, int] = MappingProxyType({})
    status: int | None = None
    ignore: tuple[str, ...] = ()
    example: bytes | None = None
    file: str | None = None

    @property
    def tolerance(self) -> tuple[float, float]:
        """The relative and the absolute tolerance."""
        return (RTOL if self.rtol is None else self.rtol, ATOL if self.atol is None else self.atol)

    @property
    def is_compared(self) -> bool:
        """Whether a certain response is expected, or at least a certain status."""
        return self.expect is not None or self.status is not None

    @property
    def request_body(self) -> RequestBody:
        """The part of the request that a client sends."""
        return RequestBody(self.body, self.content_type, self.headers, self.model_name, self.version, self.signature)

    @property
    def shown(self) -> Any:
        """The request as people and the evidence see it: the JSON body, the size of a body of bytes, or the values."""
        if isinstance(self.body, bytes):
            return f"{len(self.body)} bytes of {self.content_type or 'application/octet-stream'}"
        return dict(self.values) if self.body is None and self.values else self.body


class Requests:
    """The requests of a run. Each iteration reads them again, so that they are never all in memory.

    ``len()`` is their number. A context manager, which removes the temporary copy of standard input at its end.
    """

    def __init__(
        self, read: Callable[[], Iterator[Request]], count: int, close: Callable[[], object] = lambda: None
    ) -> None:
        self._read = read
        self._count = count
        self._close = close

    def __iter__(self) -> Iterator[Request]:
        return self._read()

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> Requests:
        return self

    def __exit__(self, *_error: object) -> None:
        self._close()
