"""The model servers' clients against a server that plays their answers."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from ivdocker.clock import Deadline
from ivdocker.errors import (
    DeadlineExceeded,
    EnvironmentFailed,
    Failure,
    JobAborted,
    UsageError,
    ValidationFailed,
    error_for,
)
from ivdocker.requests.model import Cell, Request
from ivdocker.requests.send import RequestResult, send_all
from ivdocker.servers.client import (
    MAY_NOT_READ,
    BaseModelServerClient,
    Endpoint,
    ModelState,
    Readiness,
    Tensor,
)
from ivdocker.servers.tensorflow_serving import TensorFlowServingClient
from ivdocker.servers.triton import TritonClient
from ivdocker.validation.attempt import ready_text
from tests.unit.loopback import ModelServer, free_port, model_server

STATUS = "GET /v1/models/m"
PREDICT = "POST /v1/models/m:predict"
READY = "GET /v2/models/m/ready"
INDEX = "POST /v2/repository/index"


def version(state: str, code: str = "OK", message: str = "", number: str = "1") -> dict[str, Any]:
    return {"version": number, "state": state, "status": {"error_code": code, "error_message": message}}


def statuses(*versions: dict[str, Any]) -> dict[str, Any]:
    return {"model_version_status": list(versions)}


def probe(client: BaseModelServerClient) -> Readiness:
    return client.probe(Deadline.after(5))


def tensorflow(body: Any, status: int = 200) -> Readiness:
    with model_server() as server:
        server.on(STATUS, body, status)
        return probe(TensorFlowServingClient(server.endpoint, "m"))


def triton(index: Any, ready: int = 200, status: int = 200) -> Readiness:
    with model_server() as server:
        server.on(READY, b"", ready).on(INDEX, index, status)
        return probe(TritonClient(server.endpoint, "m"))


def entry(name: str = "m", state: str = "READY", reason: str = "") -> dict[str, str]:
    return {"name": name, "version": "1", "state": state, "reason": reason}


def test_a_tensorflow_model_is_available_when_a_version_is() -> None:
    assert tensorflow(statuses(version("AVAILABLE"))).state is ModelState.AVAILABLE
    assert tensorflow(statuses(version("AVAILABLE", number="2"), version("END"))).state is ModelState.AVAILABLE


@pytest.mark.parametrize("state", ["START", "LOADING", "UNLOADING", "UNKNOWN"])
def test_a_tensorflow_model_that_loads_is_not_ready_yet(state: str) -> None:
    found = tensorflow(statuses(version(state)))
    assert found.state is ModelState.NOT_READY
    assert state in found.detail


def test_a_tensorflow_model_that_ended_with_an_error_is_unavailable_and_says_why() -> None:
    found = tensorflow(statuses(version("END", "NOT_FOUND", "Op type not registered 'X'")))
    assert (found.state, found.code) == (ModelState.UNAVAILABLE, "model-load-failed")
    assert found.detail == "NOT_FOUND: Op type not registered 'X'"


def test_a_tensorflow_server_that_does_not_know_the_model_is_told() -> None:
    body = {"error": "Could not find any versions of model m"}
    found = tensorflow(body, 404)
    assert (found.state, found.code) == (ModelState.UNAVAILABLE, "model-not-found")
    assert "Could not find any versions of model m" in found.detail


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>502 Bad\nGateway</body></html>",
        b"",
        b"null",
        b"[]",
        b"[" * 50_000,
        b"\xff\xfe",
        {"model_version_status": None},
        {"model_version_status": [{}]},
        {"model_version_status": ["AVAILABLE"]},
        {"model_version_status": [{"state": "END", "status": "text"}]},
        {"model_version_status": []},
        {"something": "else"},
    ],
)
def test_an_answer_that_is_not_tensorflow_servings_is_not_ready_and_no_crash(body: Any) -> None:
    found = tensorflow(body)
    assert found.state is ModelState.NOT_READY
    assert "\n" not in found.detail


@pytest.mark.parametrize("client", [TensorFlowServingClient, TritonClient])
def test_a_port_that_refuses_is_not_ready(client: type[BaseModelServerClient]) -> None:
    found = probe(client(f"127.0.0.1:{free_port()}", "m"))
    assert found.state is ModelState.NOT_READY
    assert "does not answer yet" in found.detail
    assert "refused" in found.detail


def test_a_triton_model_is_available_when_it_and_the_index_say_so() -> None:
    assert triton([entry()]).state is ModelState.AVAILABLE
    assert triton([entry("a"), entry()]).state is ModelState.AVAILABLE


@pytest.mark.parametrize("state", ["LOADING", "UNLOADING", ""])
def test_a_triton_model_that_loads_is_not_ready_yet(state: str) -> None:
    assert triton([entry(state=state)], ready=400).state is ModelState.NOT_READY


def test_a_triton_model_that_the_index_calls_ready_must_say_so_itself() -> None:
    assert triton([entry()], ready=400).state is ModelState.NOT_READY


def test_a_triton_model_that_is_unavailable_says_why() -> None:
    found = triton([entry(state="UNAVAILABLE", reason="Internal: the weights are rotten")], ready=400)
    assert (found.state, found.code) == (ModelState.UNAVAILABLE, "model-load-failed")
    assert "Internal: the weights are rotten" in found.detail


def test_an_empty_triton_repository_is_not_ready_whatever_the_server_says() -> None:
    found = triton([])
    assert (found.state, found.code) == (ModelState.UNAVAILABLE, "model-not-found")


def test_a_triton_repository_without_the_model_names_those_it_has() -> None:
    found = triton([entry("b"), entry("a"), entry("b")], ready=404)
    assert (found.state, found.code) == (ModelState.UNAVAILABLE, "model-not-found")
    assert "a, b" in found.detail


def test_an_unloaded_neighbour_does_not_keep_a_triton_model_from_being_ready() -> None:
    assert triton([entry(), entry("old", "UNAVAILABLE", "unloaded")]).state is ModelState.AVAILABLE


@pytest.mark.parametrize(
    "index", [b"<html>", b"", {"error": "x"}, [1], [None], [{}], ["m"], b"null", b"5", b"[" * 50_000, b"\xff"]
)
def test_an_index_that_is_not_tritons_is_not_ready_and_no_crash(index: Any) -> None:
    found = triton(index)
    assert found.state is ModelState.NOT_READY
    assert "\n" not in found.detail


def test_every_model_of_a_triton_repository_must_be_ready_and_is_named() -> None:
    with model_server() as server:
        server.on(READY, b"").on(INDEX, [entry(), entry("b", "LOADING")])
        server.on(INDEX, [entry(), entry("b"), entry("old", "UNAVAILABLE", "unloaded")])
        client = TritonClient(server.endpoint, "m")
        waiting, ready = probe(client), probe(client)
    assert (waiting.state, ready.state) == (ModelState.NOT_READY, ModelState.AVAILABLE)
    assert "'b'" in waiting.detail
    assert client.models == ("m", "b")
    assert ready_text(client.models) == "models m, b are ready"


def test_every_model_of_a_tensorflow_server_must_be_ready() -> None:
    with model_server() as server:
        server.on("GET /v1/models/a", statuses(version("AVAILABLE")))
        server.on("GET /v1/models/b", statuses(version("LOADING"))).on(
            "GET /v1/models/b", statuses(version("AVAILABLE"))
        )
        client = TensorFlowServingClient(server.endpoint, "a", ("a", "b"))
        waiting, ready = probe(client), probe(client)
    assert (waiting.state, ready.state) == (ModelState.NOT_READY, ModelState.AVAILABLE)
    assert (waiting.model, waiting.detail) == ("b", "its state is LOADING")


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
            TensorFlowServingClient(server.endpoint, "a", ("a", "b")).WaitUntilModelLoaded(time.time() + 0.1)


def test_a_model_name_is_quoted_in_its_path() -> None:
    with model_server() as server:
        server.on("GET /v1/models/a%20b%2Fc", statuses(version("AVAILABLE")))
        assert probe(TensorFlowServingClient(server.endpoint, "a b/c")).state is ModelState.AVAILABLE


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


@pytest.mark.parametrize(("reason", "hint"), [("/models/m; Permission denied", MAY_NOT_READ), ("rotten", None)])
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
            TensorFlowServingClient(server.endpoint, "m").WaitUntilModelLoaded(time.time() + 0.1)
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


def predicting(server: ModelServer) -> TensorFlowServingClient:
    return TensorFlowServingClient(server.endpoint, "m")


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
        (b"not json", 200, "the answer is no JSON: 'not json'"),
        (b"[" * 50_000, 200, "the answer is no JSON"),
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


def test_tensorflow_servings_inputs_are_those_of_serving_default() -> None:
    inputs = {
        "x": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}, {"size": "2"}]}, "name": "x:0"},
        "a": {"dtype": "DT_STRING", "tensor_shape": {"dim": [], "unknown_rank": False}},
    }
    record = {"metadata": {"signature_def": {"signature_def": {"serving_default": {"inputs": inputs}}}}}
    with model_server() as server:
        server.on(f"{STATUS}/metadata", record)
        found = predicting(server).inputs()
    assert found == [Tensor("a", "DT_STRING", ()), Tensor("x", "DT_FLOAT", (-1, 2))]


def test_tritons_inputs_are_those_of_its_metadata() -> None:
    with model_server() as server:
        server.on("GET /v2/models/m", {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]})
        assert TritonClient(server.endpoint, "m").inputs() == [Tensor("x", "FP32", (-1, 2))]


@pytest.mark.parametrize("client", [TensorFlowServingClient, TritonClient])
@pytest.mark.parametrize("body", [b"<html>", b"null", b"{}", {"inputs": [{}]}, {"metadata": 5}, b"[" * 50_000])
def test_metadata_that_tells_nothing_gives_no_inputs(client: type[BaseModelServerClient], body: Any) -> None:
    with model_server() as server:
        server.on(f"{STATUS}/metadata", body).on("GET /v2/models/m", body)
        assert client(server.endpoint, "m").inputs() == []


def sent(*answers: tuple[int, Any], expect: Any = None) -> tuple[list[RequestResult], Any]:
    seen: list[RequestResult] = []
    with model_server() as server:
        for status, body in answers:
            server.on(PREDICT, body, status)
        requests = [Request({}, f"f:{n}", expect) for n in range(1, len(answers) + 1)]
        tally = send_all(predicting(server), requests, seen.append)
    return seen, tally


def test_all_requests_are_sent_though_one_fails() -> None:
    seen, tally = sent((200, {"y": 1}), (500, {"error": "x"}), (200, b"<html>"), (200, {"y": 2}), expect={"y": 1})
    codes = [each.failure.code if each.failure else None for each in seen]
    assert codes == [None, "request-failed", "request-failed", "response-mismatch"]
    assert (tally.sent, tally.failed, tally.mismatched) == (4, 2, 1)
    assert tally.first_failure.message == "f:2: HTTP 500: x"
    assert len(tally.milliseconds) == 4


def test_a_wrong_answer_says_where_it_is_wrong() -> None:
    seen, _ = sent((200, {"predictions": [2.5, 3.5]}), expect={"predictions": [2.5, 3.0]})
    assert seen[0].failure is not None
    assert (
        seen[0].failure.message
        == "f:1: wrong response at $.predictions[1]: number differs: expected 3.0, got 3.5 (1 of 2 values differ)"
    )


@pytest.mark.parametrize(
    ("status", "answer", "expect", "words"),
    [
        (400, (400, {"error": "bad"}), None, None),
        (400, (400, b"<html>"), None, None),
        (400, (400, {"error": "bad"}), {"error": "bad"}, None),
        (
            400,
            (400, {"error": "bad"}),
            {"error": "worse"},
            'wrong response at $.error: value differs: expected "worse"',
        ),
        (400, (400, b"<html>"), {"error": "bad"}, "HTTP 400, but the response is not JSON"),
        (400, (200, {"y": 1}), None, "HTTP 200 instead of 400"),
        (200, (201, {"y": 1}), None, "HTTP 201 instead of 200"),
        (200, (200, {"error": "bad"}), None, "HTTP 200, but the response contains an error: bad"),
    ],
)
def test_a_status_that_is_expected_is_a_good_answer(
    status: int, answer: tuple[int, Any], expect: Any, words: str | None
) -> None:
    seen: list[RequestResult] = []
    with model_server() as server:
        server.on(PREDICT, answer[1], answer[0])
        send_all(predicting(server), [Request({}, "f:1", expect, status=status)], seen.append)
    (outcome,) = seen
    if words is None:
        assert outcome.failure is None
    else:
        assert outcome.failure is not None
        assert outcome.failure.message.startswith(f"f:1: {words}")


def test_a_nan_that_is_expected_may_be_spelled_as_a_text() -> None:
    seen: list[RequestResult] = []
    with model_server() as server:
        server.on(PREDICT, b'{"predictions": [NaN]}')
        send_all(predicting(server), [Request({}, "f:1", {"predictions": ["NaN"]})], seen.append)
    assert seen[0].failure is None


def test_what_is_ignored_in_an_answer_may_be_anything() -> None:
    seen: list[RequestResult] = []
    with model_server() as server:
        server.on(PREDICT, {"id": "other", "y": 1})
        request = Request({}, "f:1", {"id": "one", "y": 1}, ignore=("$.id",))
        send_all(predicting(server), [request], seen.append)
    assert seen[0].failure is None


METADATA = {
    "metadata": {
        "signature_def": {
            "signature_def": {"serving_default": {"inputs": {"x": {"dtype": "DT_FLOAT", "tensor_shape": {}}}}}
        }
    }
}


def test_values_are_sent_as_the_model_takes_them_and_its_inputs_asked_for_once() -> None:
    seen: list[RequestResult] = []
    with model_server() as server:
        server.on(f"{STATUS}/metadata", METADATA).on(PREDICT, {"outputs": [1]})
        requests = [Request(None, "f:2", values={"x": Cell("1.5")}), Request(None, "f:3", values={"x": [2]})]
        send_all(predicting(server), requests, seen.append)
        assert [(what, json.loads(body or b"null")) for what, body in server.seen] == [
            (f"{STATUS}/metadata", None),
            (PREDICT, {"inputs": {"x": [1.5]}}),
            (PREDICT, {"inputs": {"x": [2]}}),
        ]
    assert [outcome.as_dict()["request"] for outcome in seen] == [{"inputs": {"x": [1.5]}}, {"inputs": {"x": [2]}}]


def test_values_that_the_model_does_not_take_are_a_failed_request() -> None:
    with model_server() as server:
        server.on(f"{STATUS}/metadata", METADATA)
        seen: list[RequestResult] = []
        tally = send_all(predicting(server), [Request(None, "f:2", values={"z": [1]})], seen.append)
    assert seen[0].as_dict()["request"] == {"z": [1]}
    assert (tally.sent, tally.failed) == (1, 1)
    assert tally.first_failure is not None
    assert tally.first_failure.message == "f:2: the model has no input 'z' (it takes x)"
    assert "the model's inputs" in (tally.first_failure.hint or "")


def test_inputs_that_the_server_does_not_tell_may_be_known_from_elsewhere() -> None:
    with model_server() as server:
        server.on(PREDICT, {"outputs": [1]})
        request = Request(None, "f:2", values={"x": Cell("1")})
        send_all(predicting(server), [request], lambda _outcome: None, inputs=lambda: [Tensor("x", "DT_INT32", (-1,))])
        assert json.loads(server.seen[-1][1]) == {"inputs": {"x": [1]}}


def test_the_inputs_are_asked_for_by_model_and_signature_and_only_where_they_are_needed() -> None:
    def not_installed() -> list[Tensor]:
        raise UsageError("install it")

    with model_server() as server:
        server.on(PREDICT, {"y": 1})
        client = predicting(server)
        tally = send_all(client, [Request({}, "f:1")], lambda _outcome: None, inputs=not_installed)
        assert tally.first_failure is None
        other = Request(None, "f:1", values={"x": [1]}, model_name="other")
        send_all(client, [other], lambda _outcome: None, inputs=not_installed)
        assert ("GET /v1/models/other/metadata", b"") in server.seen
        with pytest.raises(UsageError, match="install it"):
            send_all(client, [other._replace(model_name=None)], lambda _outcome: None, inputs=not_installed)


def test_a_body_of_bytes_is_sent_as_it_is() -> None:
    seen: list[RequestResult] = []
    with model_server() as server:
        server.on(PREDICT, {})
        send_all(predicting(server), [Request(b"\xff\xd8", "cat.jpg", content_type="image/jpeg")], seen.append)
        assert server.seen == [(PREDICT, b"\xff\xd8")]
    assert json.dumps(seen[0].as_dict()["request"]) == '"2 bytes of image/jpeg"'


def test_a_server_that_is_gone_is_the_verdict_and_not_the_request() -> None:
    def check() -> None:
        raise error_for(Failure("out-of-memory", "killed"))

    client = TensorFlowServingClient(Endpoint(f"127.0.0.1:{free_port()}", check=check), "m")
    with pytest.raises(JobAborted, match="killed"):
        send_all(client, [Request({}, "f:1")], lambda _outcome: None)


def test_a_request_that_nobody_takes_is_a_failed_request() -> None:
    client = TensorFlowServingClient(f"127.0.0.1:{free_port()}", "m")
    tally = send_all(client, [Request({}, "f:1")], lambda _outcome: None)
    assert tally.first_failure is not None
    assert tally.first_failure.code == "request-failed"
