"""The plain data of a conversation with a model server: its address, a request body, the model's inputs, its state."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ivdocker import clock
from ivdocker.errors import FailureCode


class ModelState(enum.Enum):
    """The states of a model, with TFX's names. UNAVAILABLE is final: the model will not become ready."""

    NOT_READY = 1
    AVAILABLE = 2
    UNAVAILABLE = 3


class Readiness(NamedTuple):
    """The result of one readiness probe.

    ``detail`` completes the sentence "the model is not ready: ...". ``code``: the failure code of an UNAVAILABLE model.
    ``model``: which of several models the result is about; None when that is not known. ``remedy``: what the user can
    do if the probe asks in the wrong place; it does if the model is UNAVAILABLE, or still NOT_READY at the deadline.
    """

    state: ModelState
    detail: str = ""
    code: FailureCode = "model-load-failed"
    model: str | None = None
    remedy: str = ""


class Tensor(NamedTuple):
    """An input or output of a model, as the server's metadata describes it.

    ``datatype``: TensorFlow's name (``DT_FLOAT``) or that of the Open Inference Protocol (``FP32``). ``shape``: -1 is a
    dimension of unknown size. ``is_required``: False for an input that a request may leave out.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    is_required: bool = True

    @property
    def kind(self) -> str:
        """``float``, ``int``, ``bool`` or ``string``; of MLflow's types also ``datetime``, ``binary`` (base64), and
        ``object`` for what is any JSON."""
        word = self.datatype.upper().removeprefix("DT_")
        if word in ("STRING", "BYTES"):
            return "string"
        if word in ("BOOL", "DATETIME", "BINARY", "OBJECT"):
            return word.lower()
        return "int" if word.startswith(("INT", "UINT")) else "float"


class RequestBody(NamedTuple):
    """The body of a request to a model, and what goes with it.

    ``body``: a JSON value, or bytes that are sent unchanged. ``content_type``: None means ``application/json``, for
    bytes ``application/octet-stream``. ``model_name``: None means the client's own model. ``version`` and
    ``signature``: None means the server's default.
    """

    body: Any
    content_type: str | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    model_name: str | None = None
    version: str | None = None
    signature: str | None = None

    def __reduce__(self) -> tuple[object, ...]:
        # A read-only view of a dict, such as the default, can neither be pickled nor copied.
        return type(self), tuple(dict(value) if isinstance(value, MappingProxyType) else value for value in self)


class Routes(NamedTuple):
    """The container port and the two paths of a server that follows no protocol we know."""

    port: int = 8080
    ready: str = "/health"
    predict: str = "/predict"


class Endpoint(str):
    """The address of the server's main port, such as ``"127.0.0.1:49153"``, with the server's other addresses.

    ``addresses``: the addresses by protocol (``http``, ``grpc``, ``metrics``, ``management``). ``check()`` raises
    JobAborted, ValidationFailed or EnvironmentFailed when the server has ended or its model can never be ready.
    ``log()`` returns what the server has written so far, or None when nobody reads its log. ``pause(seconds)`` sleeps,
    and returns earlier when there is something for ``check()`` to raise. ``is_idle()`` returns whether the server has
    surely done nothing since the last call. ``look()`` is ``check()`` after a look at the container itself, for a
    verdict that has no other evidence than that time has passed; unless somebody sets it, it is ``check()``.
    ``vouch()`` raises EnvironmentFailed when another process than the container's has the port that answered.
    ``is_ready()`` is called when all models are ready: what the server wrote until then, it has survived.

    A copy works as the original does. An unpickled one knows the addresses; its other attributes do nothing, because
    nobody in its process watches the container.
    """

    addresses: dict[str, str]
    check: Callable[[], None]
    log: Callable[[], str | None]
    pause: Callable[[float], object]
    is_idle: Callable[[], bool]
    look: Callable[[], None]
    vouch: Callable[[], None]
    is_ready: Callable[[], None]

    def __new__(
        cls,
        address: str,
        addresses: Mapping[str, str] | None = None,
        check: Callable[[], None] = lambda: None,
        log: Callable[[], str | None] = lambda: None,
        pause: Callable[[float], object] = clock.sleep,
        is_idle: Callable[[], bool] = lambda: False,
    ) -> Endpoint:
        endpoint = super().__new__(cls, address)
        endpoint.addresses = dict(addresses or {})
        endpoint.check, endpoint.log, endpoint.pause, endpoint.is_idle = check, log, pause, is_idle
        endpoint.look, endpoint.vouch, endpoint.is_ready = check, lambda: None, lambda: None
        return endpoint

    def __copy__(self) -> Endpoint:
        copied = type(self)(str(self), self.addresses, self.check, self.log, self.pause, self.is_idle)
        copied.look, copied.vouch, copied.is_ready = self.look, self.vouch, self.is_ready
        return copied

    def __deepcopy__(self, _memo: object) -> Endpoint:
        return self.__copy__()

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.addresses)

    @property
    def grpc(self) -> str | None:
        """The address of the gRPC port; None when the server has none."""
        return self.addresses.get("grpc")

    @property
    def http(self) -> str | None:
        """The address of the HTTP port; None when the server has none."""
        return self.addresses.get("http")

    @property
    def metrics(self) -> str | None:
        """The address of the metrics port; None when the server has none."""
        return self.addresses.get("metrics")
