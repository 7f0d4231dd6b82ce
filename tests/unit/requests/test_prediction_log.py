"""A request becomes a prediction log, which Google's own protobuf reads again."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivdocker.requests.prediction_log import prediction_log
from ivdocker.servers.records import Tensor
from tests.unit.json_values import JSON_VALUES
from tests.unit.requests.helpers import X
from tests.unit.requests.prediction_log_message import decoded


def tensors(body: Any, *inputs: Tensor, signature: str = "") -> dict[str, tuple[int, list[int], list[Any]]]:
    """Of the decoded request: data type, shape and values by input name."""
    request = decoded(prediction_log("m", signature, body, list(inputs)))
    assert (request.model_spec.name, request.model_spec.signature_name) == ("m", signature)
    found = {}
    for entry in request.inputs:
        proto = entry.value
        values = [list(value) for field, value in proto.ListFields() if field.name.endswith("_val")]
        assert len(values) <= 1
        found[entry.key] = (
            proto.dtype,
            [dim.size for dim in proto.tensor_shape.dim],
            [item for value in values for item in value],
        )
    return found


@pytest.mark.parametrize(
    ("datatype", "number", "values"),
    [
        ("DT_FLOAT", 1, [0.5, -2, float("inf")]),
        ("DT_DOUBLE", 2, [0.1, -2.0]),
        ("DT_INT32", 3, [1, -(2**31)]),
        ("DT_UINT8", 4, [0, 255]),
        ("DT_INT16", 5, [-3]),
        ("DT_INT8", 6, [-3]),
        ("DT_INT64", 9, [2**63 - 1, -(2**63)]),
        ("DT_BOOL", 10, [True, False]),
        ("DT_UINT32", 22, [2**32 - 1]),
        ("DT_UINT64", 23, [2**64 - 1, 0]),
    ],
)
def test_each_type_has_its_number_and_its_field(datatype: str, number: int, values: list[Any]) -> None:
    found = tensors({"inputs": {"x": values}}, Tensor("x", datatype, (-1,)))
    assert found == {"x": (number, [len(values)], values)}


def test_strings_may_be_text_or_base64() -> None:
    found = tensors({"inputs": [["ü", {"b64": "/w=="}]]}, Tensor("s", "DT_STRING", (-1, 2)))
    assert found == {"s": (7, [1, 2], ["ü".encode(), b"\xff"])}


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ({"instances": [1.0, 2.0]}, [2]),
        ({"instances": [[1.0], [2.0]]}, [2, 1]),
        ({"instances": [{"x": [1.0, 2.0]}]}, [1, 2]),
        ({"inputs": [1.0, 2.0]}, [2]),
        ({"inputs": {"x": [[1.0, 2.0]]}}, [1, 2]),
        ({"inputs": {"x": [[1.0, 2.0]], "free": 5}}, [1, 2]),
    ],
)
def test_rows_and_columns_have_the_shape_that_they_show(body: Any, shape: list[int]) -> None:
    assert tensors(body, X) == {"x": (1, shape, [1.0, 2.0])}


def test_a_scalar_and_an_empty_tensor() -> None:
    assert tensors({"inputs": 1.5}, X) == {"x": (1, [], [1.5])}
    assert tensors({"inputs": []}, X) == {"x": (1, [0], [])}


def test_several_inputs_are_named_in_rows_and_in_columns() -> None:
    y = Tensor("y", "DT_INT32", (-1,))
    expected = {"x": (1, [2], [1.0, 2.0]), "y": (3, [2], [3, 4])}
    assert tensors({"instances": [{"x": 1, "y": 3}, {"x": 2, "y": 4}]}, X, y) == expected
    assert tensors({"inputs": {"x": [1, 2], "y": [3, 4]}}, X, y) == expected


def test_the_signature_is_named() -> None:
    assert tensors({"inputs": [1.0]}, X, signature="other")


@pytest.mark.parametrize(
    ("body", "inputs", "words"),
    [
        ({"inputs": [1]}, [], "does not report the types"),
        (
            {"inputs": [1]},
            [X, Tensor("y", "DT_FLOAT", ())],
            "the values have no names, but the model has several inputs: x, y",
        ),
        ({"inputs": {"z": [1]}}, [X], "no value for the input 'x'"),
        ({"instances": []}, [X], "'instances' must be a list with at least one item"),
        ({"instances": [{"x": 1}, 2]}, [X], "no value for the input 'x'"),
        ({"inputs": [[1], [2, 3]]}, [X], "lists have different lengths"),
        ({"inputs": [1, [2]]}, [X], "lists have different depths"),
        ({"inputs": json.loads("[" * 900 + "1" + "]" * 900)}, [X], "more than 254 dimensions"),
        ({"inputs": ["a"]}, [X], "has a value that is not a number"),
        ({"inputs": [1e300]}, [X], "has a value that is not DT_FLOAT"),
        ({"inputs": [1]}, [Tensor("x", "DT_HALF", ())], "DT_HALF, which a REST request cannot hold"),
        ({"inputs": [5]}, [Tensor("x", "DT_STRING", ())], "5 is not a string"),
        ({"inputs": [{"b64": "x"}]}, [Tensor("x", "DT_STRING", ())], "the value of b64 is not base64"),
    ],
)
def test_a_request_that_is_none_is_named(body: Any, inputs: list[Tensor], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        prediction_log("m", "", body, inputs)


@given(JSON_VALUES, st.sampled_from(["inputs", "instances"]), st.sampled_from(["DT_FLOAT", "DT_INT64", "DT_STRING"]))
@settings(max_examples=100, deadline=None, database=None)
def test_any_body_is_a_log_or_a_value_error(value: Any, key: str, datatype: str) -> None:
    try:
        data = prediction_log("m", "", {key: value}, [Tensor("x", datatype, (-1,))])
    except ValueError as error:
        assert str(error)  # noqa: PT017
    else:
        assert decoded(data).inputs[0].key == "x"
