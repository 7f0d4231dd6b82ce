"""What goes between a model server, its client and their callers: where it is, how it is asked, what it takes."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ivdocker.errors import FailureCode


class ModelState(enum.Enum):
    """TFX's words for how far a model is."""

    NOT_READY = 1
    AVAILABLE = 2
    UNAVAILABLE = 3


class Readiness(NamedTuple):
    """What one look showed. ``detail`` completes the sentence "the model is not ready: ...". ``model``: which of
    several it is about, where that is known."""

    state: ModelState
    detail: str = ""
    code: FailureCode = "model-load-failed"
    model: str | None = None


class Tensor(NamedTuple):
    """A model's input, as the server's metadata tells it; -1 is an unknown dimension."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def kind(self) -> str:
        """``float``, ``int``, ``bool`` or ``string``, from TensorFlow's DT_* or the v2 protocol's datatype."""
        word = self.datatype.upper().removeprefix("DT_")
        if word in ("STRING", "BYTES"):
            return "string"
        if word == "BOOL":
            return "bool"
        return "int" if word.startswith(("INT", "UINT")) else "float"


class RequestBody(NamedTuple):
    """A request to a model, before it goes over HTTP.

    ``body``: JSON, or bytes that are sent as they are. ``content_type`` None: ``application/json``, for bytes
    ``application/octet-stream``. ``model_name``, ``version`` and ``signature`` None: what the client was made for, and
    the server's own choice.
    """

    body: Any
    content_type: str | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    model_name: str | None = None
    version: str | None = None
    signature: str | None = None


class Routes(NamedTuple):
    """Where a server is asked that keeps to no protocol known here: its port in the container, and two paths."""

    port: int = 8080
    ready: str = "/health"
    predict: str = "/predict"


class Endpoint(str):
    """``"127.0.0.1:49153"``, the address of the server's main port, that also knows the other ones.

    ``addresses`` is keyed by protocol. ``check()`` raises JobAborted, ValidationFailed or EnvironmentFailed when the
    server behind it is gone or hopeless. ``log()`` is what it has written so far, None where nobody reads it.
    """

    addresses: dict[str, str]
    check: Callable[[], None]
    log: Callable[[], str | None]

    def __new__(
        cls,
        address: str,
        addresses: Mapping[str, str] | None = None,
        check: Callable[[], None] = lambda: None,
        log: Callable[[], str | None] = lambda: None,
    ) -> Endpoint:
        endpoint = super().__new__(cls, address)
        endpoint.addresses = dict(addresses or {})
        endpoint.check, endpoint.log = check, log
        return endpoint

    @property
    def grpc(self) -> str | None:
        return self.addresses.get("grpc")

    @property
    def http(self) -> str | None:
        return self.addresses.get("http")

    @property
    def metrics(self) -> str | None:
        return self.addresses.get("metrics")
