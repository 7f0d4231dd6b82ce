"""L3. Asks a model server over HTTP: is the model ready, what does it take, what does it answer."""

from __future__ import annotations

import abc
import enum
import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ivdocker import clock, http
from ivdocker.errors import DeadlineExceeded, Failure, FailureCode, ValidationFailed, error_for

PROBE_TIMEOUT_S = 1.0
"""Seconds that one look at the model's state may take."""

POLLING_INTERVAL_S = 0.01

_END_NOTICE_S = 3.0

REQUEST_TIMEOUT_S = 60.0
"""Seconds that one request may take, where nothing else is said."""


class ModelState(enum.Enum):
    """TFX's words for how far a model is."""

    NOT_READY = 1
    AVAILABLE = 2
    UNAVAILABLE = 3


class Readiness(NamedTuple):
    """What one look showed. ``detail`` completes the sentence "the model is not ready: ..."."""

    state: ModelState
    detail: str = ""
    code: FailureCode = "model-load-failed"


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


class Endpoint(str):
    """``"127.0.0.1:49153"``, the address of the server's main port, that also knows the other ones.

    ``addresses`` is keyed by protocol. ``check()`` raises JobAborted, ValidationFailed or EnvironmentFailed when the
    server behind it is gone or hopeless.
    """

    addresses: dict[str, str]
    check: Callable[[], None]

    def __new__(
        cls, address: str, addresses: Mapping[str, str] | None = None, check: Callable[[], None] | None = None
    ) -> Endpoint:
        endpoint = super().__new__(cls, address)
        endpoint.addresses = dict(addresses or {})
        endpoint.check = check or (lambda: None)
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
    """Asks a model server over HTTP. An endpoint that is a plain str is taken for the server's HTTP address."""

    def __init__(self, endpoint: str, model_name: str) -> None:
        self.endpoint = endpoint if isinstance(endpoint, Endpoint) else Endpoint(endpoint, {"http": str(endpoint)})
        self.model_name = model_name
        address = self.endpoint.http or str(self.endpoint)
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._outlived_a_break = False

    @abc.abstractmethod
    def probe(self, deadline: clock.Deadline) -> Readiness:
        """Look once whether the model is ready. Raises nothing."""

    @abc.abstractmethod
    def ready_path(self) -> str:
        """The path that tells whether the model is ready."""

    @abc.abstractmethod
    def predict_path(self) -> str:
        """The path that takes a request to this model."""

    @abc.abstractmethod
    def inputs(self) -> list[Tensor]:
        """The model's inputs, from the server's metadata; empty when it does not tell. Raises nothing."""

    @abc.abstractmethod
    def request_body(self, values: Mapping[str, Any], inputs: list[Tensor]) -> Any:
        """A request with these values, nested lists by input name."""

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
        while not limit.expired:
            self.endpoint.check()
            now = self.probe(limit.earlier(PROBE_TIMEOUT_S))
            if now.state is ModelState.AVAILABLE:
                return
            if now.state is ModelState.UNAVAILABLE:
                self.endpoint.check()
                raise error_for(Failure(now.code, f"model {self.model_name!r} is not available: {now.detail}"))
            # A look that the deadline cut short tells less than the one before it.
            seen = now if seen is None or limit.remaining else seen
            clock.sleep(min(polling_interval_sec, POLLING_INTERVAL_S, limit.remaining))
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

    def send(self, body: Any, timeout_s: float = REQUEST_TIMEOUT_S) -> http.Answer:
        """Send one request body, whatever comes back. Raises ValidationFailed, DeadlineExceeded when nothing does, and
        what the endpoint's check raises when the server is gone."""
        content = json.dumps(body).encode()
        try:
            return self._http("POST", self.predict_path(), clock.Deadline.after(timeout_s), content)
        except http.HttpError as error:
            self._check_end(error)
            code: FailureCode = "request-timeout" if error.kind == "timeout" else "request-failed"
            raise error_for(Failure(code, str(error))) from None

    def curl(self, body: Any) -> str:
        """The command line that sends this request."""
        url = f"http://{self.endpoint.http or self.endpoint}{self.predict_path()}"
        text = json.dumps(body, ensure_ascii=False)
        return shlex.join(["curl", "--data", text, url])

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
            return self._http("GET", path, clock.Deadline.after(PROBE_TIMEOUT_S)).json()
        except (http.HttpError, ValueError):
            return None

    def _http(self, method: str, path: str, deadline: clock.Deadline, body: bytes | None = None) -> http.Answer:
        return http.request(method, self._host, self._port, path, deadline=deadline, body=body)

    def _load_timeout(self, seconds: float, seen: Readiness | None) -> Failure:
        detail = seen.detail if seen else "there was no time to look"
        return Failure(
            "load-timeout",
            f"model {self.model_name!r} was not ready after {seconds:.1f} s: {detail}",
            hint="read the server's last log lines; if it was still loading, give it more time with --timeout",
        )


def error_text(answer: http.Answer) -> str:
    """What the server says is wrong, in one line: the ``error`` of a JSON body, else the beginning of the body."""
    try:
        record = answer.json()
    except ValueError:
        record = None
    text = str(record["error"]) if isinstance(record, dict) and "error" in record else answer.text
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:300]} ..."
