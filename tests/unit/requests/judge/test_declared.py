"""An answer is as the model's own metadata declares it."""

from __future__ import annotations

from typing import Any

import pytest

from ivdocker.requests.judge.declared import wrong_output
from ivdocker.servers.records import Tensor

DECLARED = [Tensor("y", "FP32", (-1, 3)), Tensor("z", "INT64", (-1,))]
Y = {"name": "y", "datatype": "FP32", "shape": [2, 3], "data": [1.0] * 6}
Z = {"name": "z", "datatype": "INT64", "shape": [2], "data": [1, 2]}
BODY = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 3], "data": [0.0] * 6}]}


def wrong(*outputs: Any, body: Any = BODY, batched: bool = True) -> str:
    return wrong_output(body, {"outputs": list(outputs)}, DECLARED, batched) or ""


@pytest.mark.parametrize(
    "outputs",
    [
        (Y, Z),
        (Z, Y, {"name": "more", "datatype": "FP32", "shape": [1]}),
        (Y, {**Z, "shape": [2, 1]}),
        (Y, {"name": "z", "data": [1, 2]}),
        (Y, {**Z, "datatype": "int"}),
    ],
)
def test_an_answer_as_it_is_declared(outputs: Any) -> None:
    assert wrong(*outputs) == ""


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ((Y,), "declares 'z', which is absent (outputs: 'y')"),
        ((), "declares 'y', which is absent (outputs: none)"),
        (({**Y, "datatype": "FP64"}, Z), "'y' is FP64, and the model's metadata declares FP32"),
        (({**Y, "shape": [2, 4]}, Z), "'y' has the shape [2, 4], and the model's metadata declares [-1, 3]"),
        (({**Y, "shape": [6]}, Z), "'y' has the shape [6]"),
        ((Y, {**Z, "shape": [2, 2]}), "'z' has the shape [2, 2]"),
        ((Y, {**Z, "shape": [1]}), "(the request's batch is 2)"),
    ],
)
def test_an_answer_that_a_client_could_not_read(outputs: Any, words: str) -> None:
    assert words in wrong(*outputs)


def test_the_size_of_a_batch_is_compared_where_there_is_a_batch() -> None:
    assert wrong(Y, {**Z, "shape": [1]}, batched=False) == ""
    assert wrong(Y, {**Z, "shape": [1]}, body=b"") == ""


def test_only_the_outputs_that_the_request_asks_for_come_back() -> None:
    assert wrong(Y, body={**BODY, "outputs": [{"name": "y"}]}) == ""
    assert "'z'" in wrong(Y, body={**BODY, "outputs": [{"name": "y"}, {"name": "z"}]})
    classes = {"name": "z", "parameters": {"classification": 1}}
    assert wrong(Y, {**Z, "datatype": "BYTES"}, body={**BODY, "outputs": [{"name": "y"}, classes]}) == ""


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"outputs": {"y": [1.0]}}, {"outputs": [1.0]}, {"predictions": [1.0]}]
)
def test_an_answer_in_another_form_is_left_alone(answer: Any) -> None:
    assert wrong_output(BODY, answer, DECLARED, True) is None


def test_nothing_is_declared() -> None:
    assert wrong_output(BODY, {"outputs": [Y]}, [], False) is None
