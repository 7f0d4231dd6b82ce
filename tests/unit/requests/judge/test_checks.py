"""Every answer is held against what no good one has, whatever was expected of it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivdocker.requests.judge.checks import error_in, wrong_content
from ivdocker.requests.model import Request
from tests.unit.json_values import JSON_VALUES
from tests.unit.requests.helpers import request

V2 = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1.0, 2.0]}]}


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"error": "out of cheese"}, "out of cheese"),
        ({"outputs": [1.0], "error": "out of\ncheese"}, "out of cheese"),
        ({"error": {"message": "no such model", "code": 404}}, "no such model"),
        ({"error": ["a", "b"]}, '["a", "b"]'),
        ({"error": True}, "true"),
        ({"id": "1", "status": "failed", "error": "boom", "logs": ""}, "boom"),
        ({"status": "failed", "error": ""}, "its status is 'failed'"),
        (
            {"code": 503, "type": "InternalServerException", "message": "Prediction failed"},
            "503 InternalServerException: Prediction failed",
        ),
        ({"object": "error", "message": "no such model", "type": "NotFoundError", "code": 404}, "no such model"),
        ({"errors": [{"message": "out of range"}]}, "out of range"),
        ({"errors": ["boom"], "outputs": []}, "boom"),
        ({"status": "error"}, "its status is 'error'"),
        ({"status": "error", "message": "no GPU"}, "its status is 'error': no GPU"),
        ({"status": "failed", "detail": "x"}, "its status is 'failed'"),
        ({"success": False, "message": "no luck"}, "no luck"),
        ({"exception": "ValueError: x"}, "ValueError: x"),
        ({"Error": "x"}, "x"),
        ({"error_message": "x"}, "x"),
        ({"statusCode": 500, "body": "boom"}, '{"statusCode": 500, "body": "boom"}'),
        ([{"error": "in a list"}], "in a list"),
        ({"predictions": [{"error": "one"}, {"error": "two"}]}, "one"),
        ({"outputs": [{"status": "error", "message": "bad"}]}, "its status is 'error': bad"),
    ],
)
def test_an_error_in_an_answer_is_found(answer: Any, text: str) -> None:
    assert error_in(request(), answer) == text


@pytest.mark.parametrize(
    "answer",
    [
        {"predictions": [1.0, 2.0]},
        {"error": None, "status": "succeeded", "output": 3},
        {"error": 0.01, "predictions": [1.0, 2.0]},
        {"error": "", "outputs": []},
        {"outputs": [{"name": "error", "data": ["boom"]}]},
        {"status": "failed"},
        {"code": 200, "type": "x", "message": "fine"},
        {"code": "A", "type": "x", "message": "a word"},
        {"code": 500, "message": "of a model that sends messages", "type": "x", "to": "you"},
        [{"error": "in a list"}, {"score": 1}],
        [{"error": "0.3", "label": "cat"}],
        {"errors": [0.1, 0.2]},
        {"errors": []},
        {"success": True, "message": "x"},
        {"ok": False, "score": 0.1},
        {"statusCode": 200, "body": "x"},
        {"reason": "x"},
        {"status": "error", "score": 0.9},
        {"choices": []},
        {"object": "list", "data": []},
        "error",
        3.0,
        None,
    ],
)
def test_what_is_no_error_is_none(answer: Any) -> None:
    assert error_in(request(), answer) is None


def test_an_error_that_is_expected_is_none() -> None:
    assert error_in(request(expect={"error": "boom"}), {"error": "boom"}) is None
    assert error_in(request(expect={"outputs": []}), {"error": "boom"}) == "boom"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"predictions": [1.0, math.nan]}, "at $.predictions[1]: NaN, but the request has none"),
        ({"outputs": {"y": [[0.5], [math.inf]]}}, "at $.outputs.y[1][0]: Infinity, but the request has none"),
        ([-math.inf], "at $[0]: -Infinity, but the request has none"),
        (math.nan, "at $: NaN, but the request has none"),
    ],
)
def test_a_number_that_is_none_is_found_with_its_place(answer: Any, text: str) -> None:
    assert wrong_content(request(), answer) == text


@pytest.mark.parametrize(
    "asked",
    [
        request({"inputs": {"x": [math.nan]}}),
        request({"inputs": {"x": [math.inf]}}),
        request({"dataframe_split": {"columns": ["a"], "data": [[None]]}}),
        request({}, values={"x": [math.nan]}),
        request(expect={"predictions": [1.0, math.nan]}),
    ],
    ids=["nan", "infinity", "null", "values", "expected"],
)
def test_a_number_that_is_none_is_right_where_the_request_or_what_is_expected_has_one(asked: Request) -> None:
    assert wrong_content(asked, {"predictions": [1.0, math.nan]}) is None
    assert wrong_content(request(b"\x93NUMPY"), {"predictions": [math.nan]}) is not None


def test_words_and_large_numbers_are_numbers_and_texts() -> None:
    assert wrong_content(request(), {"predictions": ["NaN", 1e308]}) is None


def test_an_answer_of_any_depth_is_looked_through() -> None:
    deep: Any = math.nan
    for _ in range(50_000):
        deep = [deep]
    assert (wrong_content(request(), deep) or "").endswith("NaN, but the request has none")
    while isinstance(deep, list):  # Its own end would be a recursion too.
        deep = deep.pop()


@pytest.mark.parametrize(
    ("asked", "answer", "text"),
    [
        (
            request(),
            {"predictions": [1.0]},
            "at $.predictions: the number of predictions is 1, but the number of instances is 2",
        ),
        (request(V2), {"outputs": []}, "at $.outputs: the list is empty"),
        (
            request(V2, leading={"y": 2}),
            {"outputs": [{"name": "y", "shape": [1, 4], "data": [0, 0, 0, 0]}]},
            "at $.outputs: output 'y' has the batch size 1, but the request has 2",
        ),
        (
            request({"inputs": {"x": [1.0, 2.0]}}, leading={"y": 2}),
            {"outputs": [1.0, 2.0, 3.0]},
            "at $.outputs: output 'y' has the batch size 3, but the request has 2",
        ),
        (
            request({"inputs": {"x": [1.0, 2.0]}}, leading={"y": 2, "z": 2}),
            {"outputs": {"y": [1, 2], "z": [[1]]}},
            "at $.outputs: output 'z' has the batch size 1, but the request has 2",
        ),
    ],
)
def test_another_batch_than_was_sent_is_found(asked: Request, answer: Any, text: str) -> None:
    assert wrong_content(asked, answer) == text


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (request(), {"predictions": [1.0, 2.0]}),
        (request(), {"predictions": {"not": "a list"}}),
        (request(expect={"predictions": [1.0]}), {"predictions": [1.0]}),
        (request({"inputs": [[1.0]]}), {"outputs": []}),
        (request(V2, expect={"outputs": []}), {"outputs": []}),
        (request(V2), {"outputs": [{"name": "y", "shape": [1], "data": [1.0]}]}),
        (request(V2, leading={"y": 2}), {"outputs": [{"name": "y", "shape": [2, 3]}, {"name": "n", "shape": [7]}]}),
        (request(V2, leading={"y": 2}), {"outputs": [{"name": "other", "shape": [5]}]}),
        (request(leading={"y": 2}), {"outputs": [0.5, 0.5]}),
        (request(leading={"y": 2, "z": 2}), {"outputs": [0.5]}),
    ],
)
def test_a_batch_that_is_right_or_not_known_is_nothing_wrong(asked: Request, answer: Any) -> None:
    assert wrong_content(asked, answer) is None


@settings(max_examples=50, deadline=None, database=None)
@given(body=JSON_VALUES, answer=JSON_VALUES, leading=st.dictionaries(st.text(max_size=3), st.integers()))
def test_any_answer_can_be_checked(body: Any, answer: Any, leading: dict[str, int]) -> None:
    asked = Request(body, "f:1", leading=leading)
    for said in (error_in(asked, answer), wrong_content(asked, answer), wrong_content(asked, {"outputs": answer})):
        assert said is None or "\n" not in said


def test_no_choices_for_a_prompt_are_an_error() -> None:
    bodies: list[dict[str, Any]] = [{"prompt": "a"}, {"messages": []}]
    for body in bodies:
        assert error_in(request(body), {"object": "text_completion", "choices": []}) == "the list of choices is empty"
    assert error_in(request({"prompt": "a"}), {"choices": [{"text": ""}]}) is None


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        ({"predictions": [1.5, None]}, "$.predictions[1]"),
        ({"predictions": [[None, None]]}, "$.predictions[0][0]"),
        ({"outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [1.0, None]}]}, "$.outputs[0].data[1]"),
    ],
)
def test_null_among_numbers_is_nan(answer: Any, place: str) -> None:
    assert f"at {place}: null" in str(wrong_content(request({"instances": [1.0, 2.0]}), answer))


@pytest.mark.parametrize(
    "answer",
    [
        {"predictions": [{"label": None, "score": 1.0}, {"label": "x", "score": 1.0}]},
        {"outputs": [{"name": "y", "datatype": "BYTES", "shape": [1], "data": [None]}]},
        {"outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": [1.0], "parameters": None}]},
    ],
)
def test_other_nulls_are_values(answer: Any) -> None:
    assert wrong_content(request({"instances": [1.0, 2.0]}), answer) is None


@pytest.mark.parametrize("answer", [None, {"predictions": None}, {"outputs": None}])
def test_null_is_no_answer_unless_it_is_expected(answer: Any) -> None:
    assert wrong_content(request(), answer) == "at $: there is no answer in it, only null"
    assert wrong_content(request(expect={"x": 1}), answer) is None
