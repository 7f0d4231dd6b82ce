"""Asks a model server over HTTP: is the model ready, what does it take, what does it answer."""

import abc
import enum
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from ivdocker import clock, http
from ivdocker.errors import (
    DeadlineExceeded,
    Failure,
    FailureCode,
    RequestFailed,
    RequestTimedOut,
    UsageError,
    ValidationFailed,
    error_for,
)
from ivdocker.text import one_line

PROBE_TIMEOUT_S = 1.0
"""Seconds that one look at the model's state may take."""

METADATA_TIMEOUT_S = 10.0
"""Seconds that a loaded model's metadata may take."""

POLLING_INTERVAL_S = 0.01
_FIRST_PAUSE_S = 0.002
"""The first pause between two looks, then twice as long each time: a server that is ready at once is within
milliseconds of it when it is first asked."""

_END_NOTICE_S = 3.0
JSON: Mapping[str, str] = MappingProxyType({"Content-Type": "application/json"})
"""Headers of a request with a JSON body."""

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})

REQUEST_TIMEOUT_S = 60.0
"""Seconds that one request may take, where nothing else is said."""

MAY_NOT_READ = (
    "if it is the model's, make it readable for the container's user (chmod -R a+rX), or choose the user with --user; "
    "where SELinux enforces, which denies it to root too, label the model's folder (chcon -Rt container_file_t MODEL)"
)


def hint_if_denied(text: str) -> str | None:
    """The hint to a server's words on a model that it may not read; None when they are about something else."""
    return MAY_NOT_READ if "permission denied" in text.lower() else None


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
    ) -> "Endpoint":
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


class BaseModelServerClient(abc.ABC):
    """Asks a model server over HTTP. An endpoint that is a plain str is taken for the server's HTTP address.

    ``models``: the names of the models that must be ready, where they are several.
    """

    state_protocol: ClassVar[str] = "http"
    """The port, as the binary names it, that tells whether the model is ready."""

    volatile_paths: ClassVar[tuple[str, ...]] = ()
    """JSON paths of what the server says of each answer, or of itself, whatever the model: it is never compared."""

    def __init__(self, endpoint: str, model_name: str, models: Sequence[str] = ()) -> None:
        self.endpoint = endpoint if isinstance(endpoint, Endpoint) else Endpoint(endpoint, {"http": str(endpoint)})
        self.model_name = model_name
        self.models = tuple(models) or (model_name,)
        address = self.endpoint.http or str(self.endpoint)
        self._address = _host_and_port(address)
        self._state_address = _host_and_port(self.endpoint.addresses.get(self.state_protocol) or address)
        self._outlived_a_break = False

    def probe(self, deadline: clock.Deadline) -> Readiness:
        """Look once whether every model is ready. Raises nothing."""
        for name in self.models:
            seen = self.probe_model(name, deadline)
            if seen.state is not ModelState.AVAILABLE:
                return seen._replace(model=name)
        return Readiness(ModelState.AVAILABLE)

    @abc.abstractmethod
    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        """Look once whether this model is ready. Raises nothing."""

    @abc.abstractmethod
    def ready_path(self) -> str:
        """The path that tells whether the model is ready."""

    @abc.abstractmethod
    def predict_path(self, model_name: str | None = None, version: str | None = None) -> str:
        """The path that takes a request to this model, or to another one of the same server."""

    def inputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        """A model's inputs, from the server's metadata; empty when it does not tell.

        Raises what the endpoint's check raises when the server is gone.
        """
        del model_name, signature
        return []

    def outputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        """A model's outputs, as its inputs."""
        del model_name, signature
        return []

    def max_batch_size(self) -> int | None:
        """The largest leading dimension that the server takes, 0 where the leading dimension is no batch; None when it
        does not tell."""
        return None

    def request_body(self, values: Mapping[str, Any], inputs: list[Tensor]) -> Any:
        """A request with these values, nested lists by input name. Raises UsageError where there is no such form."""
        del values, inputs
        raise UsageError(f"{type(self).__name__}: a request cannot be made from values; give whole request bodies")

    def bytes_value(self, data: bytes) -> Any:
        """How a string input's value is spelled that is no text. Raises UsageError where there is no way."""
        del data
        raise UsageError(f"{type(self).__name__}: a value that is no UTF-8 text cannot be sent as JSON")

    def body_of(self, message: RequestBody) -> Any:
        """The message's body, with its signature in it where the server takes that from the body."""
        return message.body

    def GetModelState(self) -> ModelState:
        """One look at the model's state, as TFX's clients give it."""
        return self.probe(clock.Deadline.after(PROBE_TIMEOUT_S)).state

    def WaitUntilModelLoaded(self, deadline: float, polling_interval_sec: float = POLLING_INTERVAL_S) -> None:
        """Wait until this very model answers. ``deadline``: UTC timestamp in seconds.

        ``polling_interval_sec``: the longest pause between two looks; longer ones than ours are taken for ours.
        Raises ValidationFailed when the model cannot load, DeadlineExceeded, or what the endpoint's check raises.
        """
        watch, limit = clock.Stopwatch(), clock.Deadline.from_utc(deadline)
        seen: Readiness | None = None
        pause = _FIRST_PAUSE_S
        while not limit.expired:
            self.endpoint.check()
            now = self.probe(limit.earlier(PROBE_TIMEOUT_S))
            if now.state is ModelState.AVAILABLE:
                return
            if now.state is ModelState.UNAVAILABLE:
                self.endpoint.check()
                name = now.model or self.model_name
                text = f"model {name!r} is not available: {now.detail}"
                raise error_for(Failure(now.code, text, hint_if_denied(now.detail)))
            # A look that the deadline cut short tells less than the one before it.
            seen = now if seen is None or limit.remaining else seen
            clock.sleep(min(polling_interval_sec, pause, limit.remaining))
            pause = min(pause * 2, POLLING_INTERVAL_S)
        raise DeadlineExceeded(failure=self._load_timeout(watch.seconds, seen))

    def SendRequests(self, requests: list[Any]) -> None:
        """Send request bodies one after another. Raises ValidationFailed at the first that is not answered with 2xx,
        DeadlineExceeded at one that is not answered in time."""
        for number, body in enumerate(requests, 1):
            answer = self.send(body)
            if not 200 <= answer.status < 300:
                text = f"request {number}: HTTP {answer.status}: {error_text(answer)}"
                raise ValidationFailed(failure=Failure("request-failed", text))

    def predict(self, body: Any, timeout_s: float = REQUEST_TIMEOUT_S) -> Any:
        """Send one request body, return the answer's JSON. Raises ValidationFailed, DeadlineExceeded."""
        answer = self.send(body, timeout_s)
        if not 200 <= answer.status < 300:
            text = f"HTTP {answer.status}: {error_text(answer)}"
            raise ValidationFailed(failure=Failure("request-failed", text))
        try:
            return answer.json()
        except ValueError:
            text = f"the answer is no JSON: {answer.text[:200]!r}"
            raise ValidationFailed(failure=Failure("request-failed", text)) from None

    def send(self, request: Any, timeout_s: float = REQUEST_TIMEOUT_S) -> http.Response:
        """Send a body or a RequestBody, whatever comes back. Raises ValidationFailed, DeadlineExceeded when nothing
        does, and what the endpoint's check raises when the server is gone."""
        message = request if isinstance(request, RequestBody) else RequestBody(request)
        try:
            limit = clock.Deadline.after(timeout_s)
            headers = _headers(message)
            return self._http("POST", self.path_of(message), limit, self._content(message), headers)
        except http.HttpError as error:
            self._check_end(error)
            failed = RequestTimedOut if error.kind == "timeout" else RequestFailed
            raise failed(str(error)) from None

    def curl(self, request: Any) -> str:
        """The command line that sends this request body or RequestBody. Bytes come from its standard input."""
        message = request if isinstance(request, RequestBody) else RequestBody(request)
        address = f"http://{self.endpoint.http or self.endpoint}"
        return " ".join(["curl", *self.curl_arguments(message), shlex.quote(address + self.path_of(message))])

    def curl_arguments(self, message: RequestBody) -> list[str]:
        """What curl needs beside the address, quoted for a shell."""
        headers = {key: value for key, value in _headers(message).items() if value != "application/json"}
        if isinstance(message.body, bytes):
            data = ["--data-binary", "@-"]
        else:
            data = ["--data", json.dumps(self.body_of(message), ensure_ascii=False)]
        return [shlex.quote(word) for key, value in headers.items() for word in ("--header", f"{key}: {value}")] + [
            shlex.quote(word) for word in data
        ]

    def path_of(self, message: RequestBody) -> str:
        """The path that takes this message."""
        return self.predict_path(message.model_name, message.version)

    def _content(self, message: RequestBody) -> bytes:
        body = self.body_of(message)
        return body if isinstance(body, bytes) else json.dumps(body).encode()

    def _check_end(self, error: http.HttpError) -> None:
        """A connection that breaks is often the first sign of a server's death; its container's end takes a moment."""
        may_be_the_end = error.kind in ("reset", "refused") and not self._outlived_a_break
        limit = clock.Deadline.after(_END_NOTICE_S if may_be_the_end else 0)
        self.endpoint.check()
        while not limit.expired:
            clock.sleep(POLLING_INTERVAL_S)
            self.endpoint.check()
        self._outlived_a_break |= may_be_the_end

    def _metadata(self, path: str) -> Any:
        """The JSON of a metadata path, None when there is none."""
        try:
            return self._http("GET", path, clock.Deadline.after(METADATA_TIMEOUT_S)).json()
        except http.HttpError as error:
            self._check_end(error)
            return None
        except ValueError:
            return None

    def _http(
        self,
        method: str,
        path: str,
        deadline: clock.Deadline,
        body: bytes | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> http.Response:
        return http.request(method, self._address, path, deadline=deadline, body=body, headers=headers)

    def _state_of(self, path: str, deadline: clock.Deadline) -> http.Response | Readiness:
        """The answer to a look at a state; "not ready" while nobody answers."""
        try:
            return http.request("GET", self._state_address, path, deadline=deadline)
        except http.HttpError as error:
            return Readiness(ModelState.NOT_READY, f"the HTTP port does not answer yet ({error})")

    def _get_object(self, path: str) -> dict[str, Any]:
        """The JSON object of a path on the same port, empty when there is none. Raises nothing, and waits for nobody:
        it may be asked before the server is there."""
        answer = self._state_of(path, clock.Deadline.after(PROBE_TIMEOUT_S))
        try:
            record = {} if isinstance(answer, Readiness) else answer.json()
        except ValueError:
            record = {}
        return record if isinstance(record, dict) else {}

    def _load_timeout(self, seconds: float, seen: Readiness | None) -> Failure:
        detail = seen.detail if seen else "there was no time to look"
        who = f"model {self.model_name!r} was not ready"
        if len(self.models) > 1:
            who = f"models {', '.join(self.models)} were not all ready"
            detail = f"{seen.model!r}: {detail}" if seen and seen.model else detail
        return Failure(
            "load-timeout",
            f"{who} after {seconds:.1f} s: {detail}",
            hint="read the server's last log lines; if it was still loading, give it more time with --timeout",
        )


def error_text(answer: http.Response) -> str:
    """What the server says is wrong, in one line: the ``error`` of a JSON body (its ``message``, where it has one), the
    ``message`` or ``detail``, else the beginning of the body."""
    try:
        record = answer.json()
    except ValueError:
        record = None
    text = answer.text
    if isinstance(record, dict):
        inner = record["error"] if isinstance(record.get("error"), dict) else record
        text = next((str(inner[key]) for key in ("error", "message", "detail") if inner.get(key)), text)
    return one_line(text, 300)


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _headers(message: RequestBody) -> dict[str, str]:
    default = "application/octet-stream" if isinstance(message.body, bytes) else "application/json"
    return {"Content-Type": message.content_type or default, **message.headers}
