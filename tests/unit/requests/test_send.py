"""Requests are sent, their answers judged and counted."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from ivdocker.errors import Failure, JobAborted, UsageError, error_for
from ivdocker.requests.judge.response import check_answer
from ivdocker.requests.model import Cell, Request
from ivdocker.requests.send import RequestResult, RequestStats, SendOptions, send_all
from ivdocker.servers.records import Endpoint, Tensor
from ivdocker.servers.tensorflow_serving import TensorFlowServingClient
from tests.unit.loopback import free_port, model_server
from tests.unit.requests.helpers import request
from tests.unit.servers.helpers import PREDICT, STATUS, predicting


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


def test_values_that_cannot_be_sent_say_nothing_about_the_model() -> None:
    with model_server() as server:
        server.on(f"{STATUS}/metadata", METADATA)
        seen: list[RequestResult] = []
        tally = send_all(predicting(server), [Request(None, "f:2", values={"z": [1]})], seen.append)
    assert seen[0].as_dict()["request"] == {"z": [1]}
    assert (tally.sent, tally.failed) == (1, 1)
    assert tally.first_failure is not None
    assert tally.first_failure.code == "no-request"
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


def outcome(milliseconds: float | None, failure: Failure | None = None) -> RequestResult:
    return RequestResult(Request({}, "f:1"), None, milliseconds, failure)


def test_a_tally_counts_failed_and_mismatched_apart_and_keeps_the_first_failure() -> None:
    tally = RequestStats()
    first, second = Failure("response-mismatch", "one"), Failure("request-failed", "two")
    for each in (outcome(1), outcome(2, first), outcome(None, second)):
        tally.add(each)
    assert (tally.sent, tally.failed, tally.mismatched) == (3, 1, 1)
    assert tally.first_failure is first


def test_the_answers_that_were_compared_with_something_are_counted() -> None:
    _, tally = sent((200, {"y": 1}), (200, {"y": 2}), expect={"y": 1})
    assert (tally.sent, tally.compared) == (2, 2)
    assert sent((200, {"y": 1}))[1].compared == 0


def test_percentiles_are_by_the_nearest_rank() -> None:
    tally = RequestStats()
    assert tally.percentile(50) is None
    for milliseconds in (30, 10, 20, 40):
        tally.add(outcome(milliseconds))
    assert [tally.percentile(p) for p in (50, 75, 95, 99)] == [20, 30, 40, 40]


RIGHT: dict[str, Any] = {"predictions": [1.0, 2.0]}


def answered(
    *answers: Any, asked: Request | None = None, deterministic: bool = False
) -> tuple[RequestStats, list[RequestResult]]:
    seen: list[RequestResult] = []
    with model_server() as server:
        for answer in answers:
            server.on(PREDICT, answer)
        client = TensorFlowServingClient(server.endpoint, "m")
        tally = send_all(client, [asked or request()], seen.append, SendOptions(deterministic))
    return tally, seen


def failure(*answers: Any, asked: Request | None = None, deterministic: bool = False) -> Failure:
    tally, _ = answered(*answers, asked=asked, deterministic=deterministic)
    assert tally.first_failure is not None
    return tally.first_failure


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ({"error": "boom"}, "request-failed", "f:1: HTTP 200, but the response contains an error: boom"),
        ({"predictions": [1.0, math.nan]}, "response-mismatch", "f:1: wrong response at $.predictions[1]: NaN"),
        (
            {"predictions": [1.0]},
            "response-mismatch",
            "f:1: wrong response at $.predictions: the number of predictions is 1",
        ),
        (b"", "request-failed", "f:1: HTTP 200, but the response is empty"),
        (b"<html>\n It works!</html>", "request-failed", "the response is not JSON: '<html> It works!</html>'"),
        (b'{"predictions": ["\xff"]}', "request-failed", "not JSON, and not UTF-8 either (invalid start byte)"),
        (b"[" * 100_000, "request-failed", "the response is not JSON"),
    ],
)
def test_what_is_wrong_with_an_answer_is_one_line(answer: Any, code: str, words: str) -> None:
    found = failure(answer)
    assert found.code == code
    assert words in found.message
    assert "\n" not in found.message
    assert len(found.message) < 400


@pytest.mark.parametrize(
    ("status", "origin", "code"),
    [
        (400, "synthesized", "no-request"),
        (422, "synthesized", "no-request"),
        (501, "synthesized", "no-request"),
        (500, "synthesized", "request-failed"),
        (503, "synthesized", "request-failed"),
        (400, "example", "request-failed"),
        (501, "written", "request-failed"),
        (400, "reference", "request-failed"),
    ],
)
def test_only_what_we_made_up_may_be_refused_without_a_verdict(status: int, origin: Any, code: str) -> None:
    seen: list[RequestResult] = []
    with model_server() as server:
        server.on(PREDICT, {"error": "bad"}, status)
        send_all(predicting(server), [Request({}, "f:1", origin=origin)], seen.append)
    assert seen[0].failure is not None
    assert (seen[0].failure.code, f"HTTP {status}: bad" in seen[0].failure.message) == (code, True)


def test_a_wrong_answer_weighs_more_than_a_refusal_before_it() -> None:
    with model_server() as server:
        server.on(PREDICT, {"error": "bad"}, 400).on(PREDICT, {"error": "broken"}, 500)
        requests = [Request({}, f"f:{n}", origin="synthesized") for n in (1, 2)]
        tally = send_all(predicting(server), requests, lambda _outcome: None)
    assert (tally.first_failure and tally.first_failure.code, tally.failed) == ("request-failed", 2)
    assert tally.other_failure is not None


def test_a_request_that_was_taken_once_is_no_longer_ours() -> None:
    tally, _ = answered(RIGHT, asked=request(origin="synthesized"), deterministic=True)
    assert tally.first_failure is None
    with model_server() as server:
        server.on(PREDICT, RIGHT).on(PREDICT, {"error": "no more"}, 429)
        tally = send_all(
            predicting(server), [request(origin="synthesized")], lambda _outcome: None, SendOptions(deterministic=True)
        )
    assert tally.first_failure is not None
    assert tally.first_failure.code == "request-failed"


def test_an_answer_larger_than_we_read_is_our_limit_and_not_the_models() -> None:
    with model_server() as server:
        server.on(PREDICT, {"predictions": [1.0] * 100})
        tally = send_all(predicting(server), [request()], lambda _outcome: None, SendOptions(largest_bytes=100))
    assert tally.first_failure is not None
    assert (tally.first_failure.code, tally.first_failure.is_environment) == ("response-too-large", True)
    assert "larger than 100 bytes" in tally.first_failure.message
    assert "--max-response-size" in (tally.first_failure.hint or "")


def test_a_made_up_request_that_fails_says_that_it_was_made_up() -> None:
    found = failure({"error": "boom"}, asked=request(origin="synthesized"))
    assert "--requests" in (found.hint or "")


def test_equal_answers_are_deterministic_and_counted_once() -> None:
    tally, seen = answered(RIGHT, RIGHT, deterministic=True)
    assert (tally.sent, tally.first_failure, [outcome.answer for outcome in seen]) == (1, None, [RIGHT])


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"predictions": [1.0, 2.0000000001]}, "the same request got two different responses at $.predictions[1]"),
        ({"predictions": [1.0, 2.0], "id": "b"}, "the same request got two different responses at $.id"),
        ({"predictions": [1.0]}, "the number of predictions is 1, but the number of instances is 2 (the second time"),
        ({"error": "boom"}, "boom (the second time"),
    ],
)
def test_answers_that_differ_are_not_deterministic(second: Any, words: str) -> None:
    assert words in failure(RIGHT, second, deterministic=True).message
    assert answered(RIGHT, second)[0].first_failure is None


def test_an_answer_may_be_nested_more_deeply_than_python_recurses() -> None:
    deep: Any = []
    for _ in range(1200):
        deep = [deep]
    assert check_answer(request(expect=deep), deep, 200) is None
