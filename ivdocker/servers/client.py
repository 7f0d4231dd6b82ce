"""The base of all clients, which talk to a model server over HTTP: readiness probe, metadata, requests."""

from __future__ import annotations

import abc
import contextlib
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from ivdocker import clock, http
from ivdocker.errors import (
    DeadlineExceeded,
    Failure,
    InfraValidationError,
    RequestFailed,
    RequestTimedOut,
    ResponseTooLarge,
    UsageError,
    ValidationFailed,
    error_for,
)
from ivdocker.servers.protocol import ServerProtocol
from ivdocker.servers.records import Endpoint, ModelState, Readiness, RequestBody
from ivdocker.text import one_line

PROBE_TIMEOUT_S = 1.0
"""Seconds that one readiness probe may take."""

METADATA_TIMEOUT_S = 10.0
"""Seconds that a request for the metadata of a loaded model may take."""

REQUEST_TIMEOUT_S = 60.0
"""Seconds that one request may take by default."""

_END_NOTICE_S = 3.0
"""Seconds to wait, after a connection broke, for the engine to report that the container has ended."""

_SHORTEST_INTERVAL_S = 0.01
"""Seconds between two readiness probes at a polling interval of 0, which would use a processor up."""

JSON: Mapping[str, str] = MappingProxyType({"Content-Type": "application/json"})
"""Headers of a request with a JSON body."""

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})

MAY_NOT_READ = (
    "if the file belongs to the model, make it readable for the container's user (chmod -R a+rX), or choose the user "
    "with --user; where SELinux is enforcing, which denies access to root too, label the model's folder "
    "(chcon -Rt container_file_t MODEL)"
)


def hint_if_denied(text: str) -> str | None:
    """The hint for a server's message about a file that it may not read; None for any other message."""
    return MAY_NOT_READ if "permission denied" in text.lower() else None


class BaseModelServerClient(ServerProtocol, abc.ABC):
    """A client of a model server, over HTTP.

    ``endpoint``: a plain str is the address of the server's HTTP port. ``model_name``: the model that gets the
    requests. ``models``: the names of all models that must be ready; by default ``model_name`` alone.
    """

    state_protocol: ClassVar[str] = "http"
    """The port that the readiness probe uses, by its name in ``ServingBinary.ports``."""

    def __init__(self, endpoint: str, model_name: str, models: Sequence[str] = ()) -> None:
        self._is_plain = not isinstance(endpoint, Endpoint)
        self.endpoint = endpoint if isinstance(endpoint, Endpoint) else Endpoint(endpoint, {"http": str(endpoint)})
        self.model_name = model_name
        self.models = tuple(models) or (model_name,)
        address = self.endpoint.http or str(self.endpoint)
        self._address = _host_and_port(address)
        self._state_address = _host_and_port(self.endpoint.addresses.get(self.state_protocol) or address)
        self._survived_a_break = False

    def probe(self, deadline: clock.Deadline) -> Readiness:
        """Probe once whether every model is ready. Raises nothing."""
        for name in self.models:
            readiness = self.probe_model(name, deadline)
            if readiness.state is not ModelState.AVAILABLE:
                return readiness._replace(model=name)
        return Readiness(ModelState.AVAILABLE)

    @abc.abstractmethod
    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        """Probe once whether this model is ready. Raises nothing."""

    @abc.abstractmethod
    def ready_path(self) -> str:
        """The path of the readiness probe."""

    @abc.abstractmethod
    def predict_path(self, model_name: str | None = None, version: str | None = None) -> str:
        """The path for requests to this model (None: the client's own) and this version (None: the default)."""

    def body_of(self, request: RequestBody) -> Any:
        """The body to send: that of ``request``, completed where the server takes the signature or the model's name
        from the body."""
        return request.body

    def path_of(self, request: RequestBody) -> str:
        """The path to send this request to."""
        return self.predict_path(request.model_name, request.version)

    def GetModelState(self) -> ModelState:
        """The model's state by one readiness probe, in TFX's form."""
        return self.probe(clock.Deadline.after(PROBE_TIMEOUT_S)).state

    def WaitUntilModelLoaded(self, deadline: float, polling_interval_sec: float | None = None) -> None:
        """Wait until all models are ready.

        ``deadline``: UTC timestamp in seconds. ``polling_interval_sec``: the longest pause between two readiness
        probes, in seconds (0: about 10 ms); None lets the pause grow with the time waited
        (:func:`ivdocker.clock.pauses`). Raises ValidationFailed when a model cannot be loaded, DeadlineExceeded when
        the deadline passes, UsageError for a deadline or an interval that is none, and what ``endpoint.check()`` raises
        when the server has ended.
        """
        watch, limit = clock.Stopwatch(), clock.Deadline.from_utc(deadline)
        longest = _longest_pause(polling_interval_sec)
        pauses, asked = clock.pauses(), clock.Stopwatch()
        last: Readiness | None = None
        while not limit.expired:
            self.endpoint.check()
            # Never the whole rest: what comes true shortly before the deadline must be seen.
            pause = min(next(pauses), longest, limit.remaining * 0.9)
            # An idle server is asked too, but seldom: in case what says so is wrong.
            if self.endpoint.is_idle() and asked.seconds < watch.seconds / 4 and limit.remaining > 1:
                self.endpoint.pause(pause)
                continue
            readiness, asked = self.probe(limit.earlier(PROBE_TIMEOUT_S)), clock.Stopwatch()
            if readiness.state is ModelState.AVAILABLE:
                self.endpoint.vouch()
                self.endpoint.is_ready()
                return
            if readiness.state is ModelState.UNAVAILABLE:
                self.endpoint.check()
                self.endpoint.vouch()
                raise self._unavailable(readiness)
            # A probe that the deadline cut short says less than the one before it.
            last = readiness if last is None or limit.remaining else last
            self.endpoint.pause(pause)
        if last:
            self.endpoint.look()
        if last and last.remedy:
            raise UsageError(f"{last.detail}; {last.remedy}")
        raise DeadlineExceeded(failure=self._load_timeout(watch.seconds, last))

    def SendRequests(self, requests: list[Any]) -> None:
        """Send request bodies one after another.

        Raises ValidationFailed at the first response whose status is not 2xx, DeadlineExceeded at the first request
        that gets no response in 60 seconds.
        """
        for number, body in enumerate(requests, 1):
            _check_status(self.send(body), f"request {number}: ")

    def predict(self, body: Any, timeout_s: float = REQUEST_TIMEOUT_S) -> Any:
        """Send one request body and return the JSON of the response.

        Raises ValidationFailed when the status is not 2xx or the response is not JSON, DeadlineExceeded when there is
        no response in ``timeout_s`` seconds.
        """
        response = self.send(body, timeout_s)
        _check_status(response)
        try:
            return response.json()
        except ValueError:
            text = f"the response is not JSON: {response.text[:200]!r}"
            raise ValidationFailed(failure=Failure("request-failed", text)) from None

    def send(
        self, request: Any, timeout_s: float = REQUEST_TIMEOUT_S, largest_bytes: int | None = None
    ) -> http.Response:
        """Send a body or a RequestBody and return the response, whatever its status.

        Raises ValidationFailed when the connection fails, DeadlineExceeded when there is no response in ``timeout_s``
        seconds, EnvironmentFailed when the response's body is larger than ``largest_bytes`` (default 16 MiB), and what
        ``endpoint.check()`` raises when the server has ended.
        """
        full = request if isinstance(request, RequestBody) else RequestBody(request)
        try:
            limits = http.Limits(clock.Deadline.within(timeout_s, "timeout_s"), largest_bytes)
            return self._http("POST", self.path_of(full), limits, self._content(full), _headers(full))
        except http.HttpError as error:
            self._check_end(error)
            if error.kind == "too-large":
                raise ResponseTooLarge(str(error)) from None
            failed = RequestTimedOut if error.kind == "timeout" else RequestFailed
            raise failed(str(error)) from None

    def curl(self, request: Any) -> str:
        """A curl command that sends this body or RequestBody. It reads a body of bytes from its standard input."""
        full = request if isinstance(request, RequestBody) else RequestBody(request)
        address = f"http://{self.endpoint.http or self.endpoint}"
        return " ".join(["curl", *self.curl_arguments(full), shlex.quote(address + self.path_of(full))])

    def curl_arguments(self, request: RequestBody) -> list[str]:
        """The arguments of that command except the address, quoted for a shell."""
        headers = {key: value for key, value in _headers(request).items() if value != "application/json"}
        if isinstance(request.body, bytes):
            data = ["--data-binary", "@-"]
        else:
            data = ["--data", json.dumps(self.body_of(request), ensure_ascii=False)]
        return [shlex.quote(word) for key, value in headers.items() for word in ("--header", f"{key}: {value}")] + [
            shlex.quote(word) for word in data
        ]

    def _content(self, request: RequestBody) -> bytes:
        body = self.body_of(request)
        return body if isinstance(body, bytes) else json.dumps(body).encode()

    def _check_end(self, error: http.HttpError) -> None:
        """Raise what ``endpoint.check()`` raises when the server has ended.

        A broken connection is often the first sign that the server has ended, and the engine reports the end of the
        container a moment later: wait for it, but only once in this client's life.
        """
        if error.kind == "timeout":
            self.endpoint.look()
        self._raise_if_ended(error.kind in ("reset", "refused"))

    def _raise_if_ended(self, may_be_the_end: bool) -> None:
        may_be_the_end = may_be_the_end and not self._survived_a_break
        limit = clock.Deadline.after(_END_NOTICE_S if may_be_the_end else 0)
        self.endpoint.check()
        while not limit.expired:
            self.endpoint.pause(limit.remaining)
            self.endpoint.check()
        if may_be_the_end:
            # Somebody may have told it to end, and it takes its time.
            self.endpoint.look()
        self._survived_a_break |= may_be_the_end

    def _metadata(self, path: str) -> Any:
        """The JSON of a metadata path; None when there is none. Raises what ``endpoint.check()`` raises."""
        try:
            response = self._http("GET", path, clock.Deadline.after(METADATA_TIMEOUT_S))
        except http.HttpError as error:
            self._check_end(error)
            return None
        with contextlib.suppress(ValueError):
            return response.json()
        return None

    def _http(
        self,
        method: str,
        path: str,
        deadline: clock.Deadline | http.Limits,
        body: bytes | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> http.Response:
        limit = deadline.deadline if isinstance(deadline, http.Limits) else deadline
        with self._http2_refused(self._address, limit):
            return http.request(method, self._address, path, deadline=deadline, body=body, headers=headers)

    def _probe(self, path: str, deadline: clock.Deadline) -> http.Response:
        """The response to a GET of this path of the port that tells the state. Raises http.HttpError, and UsageError or
        ValidationFailed for a port that speaks HTTP/2 alone."""
        with self._http2_refused(self._state_address, deadline):
            return http.probe(self._state_address, path, deadline=deadline)

    @contextlib.contextmanager
    def _http2_refused(self, address: tuple[str, int], deadline: clock.Deadline) -> Iterator[None]:
        """Raise an error that says what to do when the server speaks HTTP/2 alone: no request will ever succeed."""
        try:
            yield
        except http.HttpError as error:
            # Without a word some of those close the connection. But a port of an Endpoint is known to be the right one.
            is_silent = error.kind == "reset" and self._is_plain and http.speaks_http2(address, deadline=deadline)
            if not is_silent and error.kind != "http2":
                raise
            raise self._wrong_port(address) from None

    def _wrong_port(self, address: tuple[str, int]) -> UsageError | ValidationFailed:
        where = f"{address[0]}:{address[1]} speaks HTTP/2 alone"
        if self._is_plain:
            what = (
                "it is the server's gRPC port, and this client speaks HTTP/1.1; give what GetEndpoint() returned itself"
            )
            return UsageError(f"{where}: {what}, not its str(), or give its .http")
        hint = "make the server listen for HTTP/1.1 on that port; are its HTTP port and its gRPC port mixed up?"
        return ValidationFailed(failure=Failure("not-listening", f"{where} where HTTP/1.1 was expected", hint))

    def _state_of(self, path: str, deadline: clock.Deadline) -> http.Response | Readiness:
        """The response to a readiness probe of this path; NOT_READY when there is no response."""
        try:
            return self._probe(path, deadline)
        except http.HttpError as error:
            return Readiness(ModelState.NOT_READY, f"the HTTP port does not answer yet ({error})")

    def _get_object(self, path: str) -> dict[str, Any]:
        """The JSON object at a path of the probed port; empty when there is none.

        Raises nothing and does not wait for the server to end or to start.
        """
        response = self._state_of(path, clock.Deadline.after(PROBE_TIMEOUT_S))
        try:
            record = {} if isinstance(response, Readiness) else response.json()
        except ValueError:
            record = {}
        return record if isinstance(record, dict) else {}

    def _unavailable(self, readiness: Readiness) -> InfraValidationError:
        if readiness.remedy:
            return UsageError(f"{readiness.detail}; {readiness.remedy}")
        name = readiness.model or self.model_name
        text = f"model {name!r} is not available: {readiness.detail}"
        hint = hint_if_denied(readiness.detail) or f"see docs/failures.md#{readiness.code}"
        return error_for(Failure(readiness.code, text, hint))

    def _load_timeout(self, seconds: float, last: Readiness | None) -> Failure:
        detail = last.detail if last else "there was no time for a readiness probe"
        who = f"model {self.model_name!r} was not ready"
        if len(self.models) > 1:
            who = f"models {', '.join(self.models)} were not all ready"
            detail = f"{last.model!r}: {detail}" if last and last.model else detail
        return Failure(
            "load-timeout",
            f"{who} after {seconds:.1f} s: {detail}",
            hint="read the last lines of the server's log; if the model was still loading, allow more time: --timeout",
        )


def error_text(response: http.Response) -> str:
    """The server's own error message, in one line of at most 300 characters.

    It is the ``error``, ``message`` or ``detail`` of a JSON body (or the ``message`` in an ``error`` object), otherwise
    the beginning of the body.
    """
    try:
        record = response.json()
    except ValueError:
        record = None
    text = response.text
    if isinstance(record, dict):
        inner = record["error"] if isinstance(record.get("error"), dict) else record
        text = next((str(inner[key]) for key in ("error", "message", "detail") if inner.get(key)), text)
    return one_line(text, 300)


def _check_status(response: http.Response, where: str = "") -> None:
    """Raises ValidationFailed for a status that is not 2xx. ``where`` begins the message."""
    if not 200 <= response.status < 300:
        text = f"{where}HTTP {response.status}: {error_text(response)}"
        raise ValidationFailed(failure=Failure("request-failed", text))


def _longest_pause(polling_interval_sec: float | None) -> float:
    """Raises UsageError."""
    if polling_interval_sec is None:
        return float("inf")
    return max(_SHORTEST_INTERVAL_S, clock.duration(polling_interval_sec, "polling_interval_sec"))


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _headers(request: RequestBody) -> dict[str, str]:
    default = "application/octet-stream" if isinstance(request.body, bytes) else "application/json"
    return {"Content-Type": request.content_type or default, **request.headers}
