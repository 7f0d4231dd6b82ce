"""A request as the user gave it, and all the requests of a run."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from ivdocker.servers.client import RequestBody

RTOL = 1e-5
ATOL = 1e-8

ONLY_INPUT = ""
"""In ``Request.values``, the name of an array that bears none: it is for a model of one input."""


class Cell(str):
    """A value as a table spells it; its type is that of the model's input."""

    __slots__ = ()


class Request(NamedTuple):
    """A request body, and what its answer must hold. ``where`` is ``FILE:LINE``, or the file and the record's number.

    ``expect`` is None when any answer will do; a number matches within ``atol + rtol * |expected|``, and what is under
    the JSON paths of ``ignore`` is not compared. ``status``: the HTTP status that must come, None for any 2xx.
    Where there is no body yet, ``values`` has nested lists (or a Cell) by input name, or ``example`` is a serialized
    tf.Example; ``with_body`` makes the body of them. ``file``: where a body of bytes came from. The rest is as in a
    RequestBody. ``origin``: who made it, or else its ``expect``. ``leading``: by output
    name, the leading dimension that the answer must have.
    """

    body: Any
    where: str
    expect: Any = None
    rtol: float = RTOL
    atol: float = ATOL
    values: Mapping[str, Any] | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    model_name: str | None = None
    version: str | None = None
    signature: str | None = None
    origin: Literal["written", "synthesized", "reference"] = "written"
    leading: Mapping[str, int] = MappingProxyType({})
    status: int | None = None
    ignore: tuple[str, ...] = ()
    example: bytes | None = None
    file: str | None = None

    @property
    def request_body(self) -> RequestBody:
        return RequestBody(self.body, self.content_type, self.headers, self.model_name, self.version, self.signature)

    @property
    def shown(self) -> Any:
        """The body for people and for the evidence: as JSON, of bytes their number, without one the values."""
        if isinstance(self.body, bytes):
            return f"{len(self.body)} bytes of {self.content_type or 'application/octet-stream'}"
        return dict(self.values) if self.body is None and self.values else self.body


class Requests:
    """Requests that each iteration reads anew, so that they are never all in memory; ``count`` of them.

    A context manager: it owns what standard input was written down to.
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

    def __enter__(self) -> "Requests":
        return self

    def __exit__(self, *_error: object) -> None:
        self._close()
