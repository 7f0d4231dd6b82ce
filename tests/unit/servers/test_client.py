"""What every model server's client does: wait, look, predict; played by TensorFlow Serving's and Triton's."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from typing import Any

import pytest

from ivdocker.errors import (
    DeadlineExceeded,
    EnvironmentFailed,
    Failure,
    JobAborted,
    UsageError,
    ValidationFailed,
    error_for,
)
from ivdocker.servers.client import MAY_NOT_READ, BaseModelServerClient
from ivdocker.servers.records import Endpoint, ModelState, Tensor
from ivdocker.servers.tensorflow_serving import TensorFlowServingClient
from ivdocker.servers.triton import TritonClient
from tests.unit.loopback import free_port, model_server, talking
from tests.unit.servers.helpers import PREDICT, STATUS, look, predicting, statuses, version


@pytest.mark.parametrize("client", [TensorFlowServingClient, TritonClient])
def test_a_port_that_refuses_is_not_ready(client: type[BaseModelServerClient]) -> None:
    found = look(client(f"127.0.0.1:{free_port()}", "m"))
    assert found.state is ModelState.NOT_READY
    assert "does not answer yet" in found.detail
    assert "refused" in found.detail


def test_of_several_models_the_one_that_cannot_load_is_named() -> None:
    with model_server() as server:
        server.on("GET /v1/models/a", statuses(version("AVAILABLE")))
        server.on("GET /v1/models/b", statuses(version("END", "INTERNAL", "rotten")))
        with pytest.raises(ValidationFailed, match=r"^model 'b' is not available: INTERNAL: rotten$"):
            TensorFlowServingClient(server.endpoint, "a", ("a", "b")).WaitUntilModelLoaded(time.time() + 30)


def test_of_several_models_the_one_that_is_late_is_named() -> None:
    with model_server() as server:
        server.on("GET /v1/models/a", statuses(version("AVAILABLE")))
        server.on("GET /v1/models/b", statuses(version("LOADING")))
        with pytest.raises(DeadlineExceeded, match=r"^models a, b were not all ready .* s: 'b': its state is LOADING$"):
            TensorFlowServingClient(server.endpoint, "a", ("a", "b")).WaitUntilModelLoaded(time.time() + 2)


def test_a_model_name_is_quoted_in_its_path() -> None:
    with model_server() as server:
        server.on("GET /v1/models/a%20b%2Fc", statuses(version("AVAILABLE")))
        assert look(TensorFlowServingClient(server.endpoint, "a b/c")).state is ModelState.AVAILABLE


def test_waiting_ends_as_soon_as_the_model_is_there() -> None:
    with model_server() as server:
        for state in ("START", "LOADING", "LOADING", "AVAILABLE"):
            server.on(STATUS, statuses(version(state)))
        TensorFlowServingClient(server.endpoint, "m").WaitUntilModelLoaded(time.time() + 30)
        assert len(server.seen) == 4


def test_waiting_ends_at_once_when_the_model_cannot_load() -> None:
    with model_server() as server:
        server.on(STATUS, statuses(version("LOADING"))).on(STATUS, statuses(version("END", "INTERNAL", "rotten")))
        with pytest.raises(ValidationFailed) as caught:
            TensorFlowServingClient(server.endpoint, "m").WaitUntilModelLoaded(time.time() + 30)
    assert caught.value.failure is not None
    assert caught.value.failure.code == "model-load-failed"
    assert str(caught.value) == "model 'm' is not available: INTERNAL: rotten"


@pytest.mark.parametrize(
    ("reason", "hint"),
    [("/models/m; Permission denied", MAY_NOT_READ), ("rotten", "see docs/failures.md#model-load-failed")],
)
def test_a_running_server_that_may_not_read_the_model_has_a_hint(reason: str, hint: str | None) -> None:
    with model_server() as server:
        server.on(STATUS, statuses(version("END", "PERMISSION_DENIED", reason)))
        with pytest.raises(ValidationFailed) as caught:
            TensorFlowServingClient(server.endpoint, "m").WaitUntilModelLoaded(time.time() + 30)
    assert caught.value.failure is not None
    assert caught.value.failure.hint == hint


def test_waiting_ends_with_its_deadline_and_says_what_was_seen_last() -> None:
    with model_server() as server:
        server.on(STATUS, statuses(version("LOADING")))
        with pytest.raises(DeadlineExceeded, match=r"was not ready after .* s: its state is LOADING") as caught:
            TensorFlowServingClient(server.endpoint, "m").WaitUntilModelLoaded(time.time() + 2)
    assert caught.value.failure is not None
    assert caught.value.failure.code == "load-timeout"


@pytest.mark.parametrize("code", ["container-exited", "engine-unreachable"])
def test_waiting_ends_at_once_when_the_server_behind_the_endpoint_is_gone(code: Any) -> None:
    def check() -> None:
        raise error_for(Failure(code, "gone"))

    endpoint = Endpoint(f"127.0.0.1:{free_port()}", check=check)
    with pytest.raises((JobAborted, EnvironmentFailed), match="gone"):
        TensorFlowServingClient(endpoint, "m").WaitUntilModelLoaded(time.time() + 30)


def test_a_client_asks_the_http_port_of_an_endpoint_that_has_several() -> None:
    with model_server() as server:
        server.on(STATUS, statuses(version("AVAILABLE")))
        endpoint = Endpoint("127.0.0.1:1", {"grpc": "127.0.0.1:1", "http": server.endpoint})
        assert TensorFlowServingClient(endpoint, "m").GetModelState() is ModelState.AVAILABLE


def test_a_prediction_is_the_answers_json() -> None:
    with model_server() as server:
        server.on(PREDICT, {"predictions": [2.5]})
        assert predicting(server).predict({"instances": ["ü"]}) == {"predictions": [2.5]}
        assert json.loads(server.seen[0][1]) == {"instances": ["ü"]}


def test_a_request_that_holds_half_a_character_is_sent_all_the_same() -> None:
    r"""``"\ud800"`` is JSON, and Python reads it."""
    with model_server() as server:
        server.on(PREDICT, {})
        predicting(server).predict({"instances": ["\ud800"]})
        assert json.loads(server.seen[0][1]) == {"instances": ["\ud800"]}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"error": "Missing\n 'inputs'"}, 400, "HTTP 400: Missing 'inputs'"),
        (b"<h1>no</h1>", 500, "HTTP 500: <h1>no</h1>"),
        (b"[" * 50_000, 500, "HTTP 500: [[["),
        (b"not json", 200, "the response is not JSON: 'not json'"),
        (b"[" * 50_000, 200, "the response is not JSON"),
    ],
)
def test_a_prediction_that_fails_says_what_the_server_said(body: Any, status: int, words: str) -> None:
    with model_server() as server:
        server.on(PREDICT, body, status)
        with pytest.raises(ValidationFailed) as caught:
            predicting(server).predict({})
    assert words in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_requests_of_tfx_stop_at_the_first_that_fails_and_name_it() -> None:
    with model_server() as server:
        server.on(PREDICT, {}).on(PREDICT, {"error": "bad"}, 400)
        with pytest.raises(ValidationFailed, match="request 2: HTTP 400: bad"):
            predicting(server).SendRequests([{}, {}, {}])
        assert len(server.seen) == 2


def test_a_curl_line_can_be_pasted() -> None:
    line = TensorFlowServingClient("127.0.0.1:8501", "m").curl({"instances": ["it's"]})
    assert line.startswith('curl --data \'{"instances": ["it\'')
    assert line.endswith("http://127.0.0.1:8501/v1/models/m:predict")


@pytest.mark.parametrize("client", [TensorFlowServingClient, TritonClient])
@pytest.mark.parametrize("body", [b"<html>", b"null", b"{}", {"inputs": [{}]}, {"metadata": 5}, b"[" * 50_000])
def test_metadata_that_tells_nothing_gives_no_inputs(client: type[BaseModelServerClient], body: Any) -> None:
    with model_server() as server:
        server.on(f"{STATUS}/metadata", body).on("GET /v2/models/m", body)
        assert client(server.endpoint, "m").inputs() == []


def test_an_endpoint_is_its_main_address_and_knows_the_others() -> None:
    endpoint = Endpoint("127.0.0.1:1", {"grpc": "127.0.0.1:1", "http": "127.0.0.1:2"})
    assert endpoint == "127.0.0.1:1"
    assert (endpoint.grpc, endpoint.http, endpoint.metrics) == ("127.0.0.1:1", "127.0.0.1:2", None)


@pytest.mark.parametrize(
    ("datatype", "kind"),
    [("DT_FLOAT", "float"), ("FP16", "float"), ("BF16", "float"), ("DT_INT64", "int"), ("UINT8", "int"),
     ("DT_STRING", "string"), ("BYTES", "string"), ("DT_BOOL", "bool"), ("BOOL", "bool")],
)  # fmt: skip
def test_a_tensors_kind_is_told_by_either_protocols_word(datatype: str, kind: str) -> None:
    assert Tensor("x", datatype, ()).kind == kind


@pytest.mark.parametrize("interval", [math.nan, -1, -math.inf, "1", True, []])
def test_a_polling_interval_that_is_none_is_refused_at_once(interval: Any) -> None:
    client = TensorFlowServingClient(f"127.0.0.1:{free_port()}", "m")
    with pytest.raises(UsageError, match=r"^polling_interval_sec must be a number of at least 0 seconds, not "):
        client.WaitUntilModelLoaded(math.inf, interval)


@pytest.mark.parametrize("interval", [0, 0.001, 1, math.inf, None])
def test_any_polling_interval_sees_a_model_that_becomes_ready(interval: float | None) -> None:
    with model_server() as server:
        server.on(STATUS, statuses(version("LOADING"))).on(STATUS, statuses(version("AVAILABLE")))
        TensorFlowServingClient(server.endpoint, "m").WaitUntilModelLoaded(math.inf, interval)


def test_a_polling_interval_of_0_does_not_use_a_processor_up() -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(seconds)

    endpoint = Endpoint(f"127.0.0.1:{free_port()}", pause=pause)
    with pytest.raises(DeadlineExceeded):
        TensorFlowServingClient(endpoint, "m").WaitUntilModelLoaded(time.time() + 0.5, 0)
    assert 0 < len(pauses) < 250
    assert min(pauses[:2]) > 0


@pytest.mark.parametrize("seconds", [math.nan, -1, "1", None])
def test_a_requests_time_limit_that_is_none_is_refused_at_once(seconds: Any) -> None:
    with (
        model_server() as server,
        pytest.raises(UsageError, match=r"^timeout_s must be a number of at least 0 seconds"),
    ):
        predicting(server).predict({}, timeout_s=seconds)


def test_a_wait_looks_at_the_container_itself_before_it_blames_the_model() -> None:
    def look() -> None:
        raise error_for(Failure("engine-error", "paused"))

    endpoint = Endpoint(f"127.0.0.1:{free_port()}")
    endpoint.look = look
    client = TensorFlowServingClient(endpoint, "m")
    with pytest.raises(EnvironmentFailed, match="paused"):
        client.WaitUntilModelLoaded(time.time() + 0.1)


def grpc_server(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"\0\0\0\4\0\0\0\0\0")
    over.wait(10)


def silent_grpc_server(connection: socket.socket, over: threading.Event) -> None:
    """Answers no greeting but that of HTTP/2."""
    if connection.recv(65536).startswith(b"PRI * HTTP/2.0"):
        grpc_server(connection, over)
    connection.close()


@pytest.mark.parametrize("talk", [grpc_server, silent_grpc_server])
@pytest.mark.parametrize("client", [TensorFlowServingClient, TritonClient])
def test_the_address_of_a_grpc_port_is_a_usage_error_at_once(client: type[BaseModelServerClient], talk: Any) -> None:
    with talking(talk) as port:
        asking = client(f"127.0.0.1:{port}", "m")
        with pytest.raises(UsageError, match=rf"^127\.0\.0\.1:{port} speaks HTTP/2 alone: it is the server's gRPC"):
            asking.WaitUntilModelLoaded(math.inf)


def test_an_http_port_that_speaks_http2_alone_is_not_listening() -> None:
    with talking(grpc_server) as port:
        endpoint = Endpoint("127.0.0.1:1", {"http": f"127.0.0.1:{port}"})
        with pytest.raises(ValidationFailed, match=r"speaks HTTP/2 alone where HTTP/1\.1 was expected") as caught:
            TensorFlowServingClient(endpoint, "m").WaitUntilModelLoaded(math.inf)
    assert caught.value.failure.code == "not-listening"
