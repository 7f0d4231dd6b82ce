"""Values meet a model's inputs: which body comes of them, and what is said where they do not fit."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from tfrecord import example_pb2  # type: ignore[import-untyped]

from ivdocker.errors import UsageError
from ivdocker.requests.make.with_body import lacks_body, with_body
from ivdocker.requests.model import ONLY_INPUT, Cell, Request, Row
from ivdocker.servers.client import BaseModelServerClient
from ivdocker.servers.mlflow import MLflow
from ivdocker.servers.records import Tensor
from ivdocker.servers.tensorflow_serving import TensorFlowServingClient
from ivdocker.servers.triton import TritonClient

TENSORFLOW = TensorFlowServingClient("127.0.0.1:1", "m")
TRITON = TritonClient("127.0.0.1:1", "m")


def tensor(name: str, datatype: str = "DT_FLOAT", *shape: int) -> Tensor:
    return Tensor(name, datatype, shape or (-1,))


def body(request: Request, *inputs: Tensor, client: BaseModelServerClient = TENSORFLOW) -> Any:
    return with_body(request, client, list(inputs)).body


def columns(values: Mapping[str, Any], *inputs: Tensor) -> Any:
    return body(Request(None, "f:1", values=values), *inputs)["inputs"]


def example(**values: Any) -> Request:
    made = example_pb2.Example()
    for name, value in values.items():
        feature = made.features.feature[name]
        kind = {bytes: feature.bytes_list, float: feature.float_list, int: feature.int64_list}[type(value[0])]
        kind.value.extend(value)
    return Request(None, "f: record 1", example=made.SerializeToString())


def refused(request: Request, *inputs: Tensor, client: BaseModelServerClient = TENSORFLOW) -> str:
    with pytest.raises(UsageError) as caught:
        body(request, *inputs, client=client)
    return str(caught.value)


def test_only_values_without_a_body_need_one() -> None:
    assert lacks_body(Request(None, "f:1", values={"x": [1]}))
    assert lacks_body(example(x=[1.0]))
    assert not lacks_body(Request({"a": 1}, "f:1", values={"x": [1]}))
    assert not lacks_body(Request(None, "f:1"))


def test_arrays_go_to_the_inputs_of_their_names() -> None:
    assert columns({"x": [[1.0]], "y": [2]}, tensor("y"), tensor("x")) == {"x": [[1.0]], "y": [2]}
    triton = body(Request(None, "f:1", values={"x": [[1, 2]]}), Tensor("x", "INT32", (-1, 2)), client=TRITON)
    assert triton == {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "INT32", "data": [[1, 2]]}]}


def test_an_array_without_a_name_goes_to_the_only_input() -> None:
    assert columns({ONLY_INPUT: [1.0]}, tensor("x")) == {"x": [1.0]}


@pytest.mark.parametrize(
    ("values", "inputs", "words"),
    [
        ({"z": [1]}, ["x"], "the model has no input 'z' (it takes x)"),
        ({"x": [1], "z": [1]}, ["x"], "the model has no input 'z'"),
        ({"x": [1]}, ["x", "y"], "no value for the model's input 'y' (there are values for x)"),
        (
            {ONLY_INPUT: [1]},
            ["x", "y"],
            "an array without a name is for a model with one input, but this model takes x, y",
        ),
        ({ONLY_INPUT: [1]}, [], "does not report this model's inputs"),
        ({"x": Cell("1")}, [], "column 'x': its type is not known"),
        ({"x": Cell("one")}, ["x"], "column 'x': 'one' is not a float"),
        ({"x": Cell("")}, ["x"], "column 'x': the field is empty, but the model takes a float"),
    ],
)
def test_values_that_do_not_fit_are_named(values: dict[str, Any], inputs: list[str], words: str) -> None:
    assert words in refused(Request(None, "f:1", values=values), *map(tensor, inputs))


@pytest.mark.parametrize(
    ("text", "datatype", "shape", "value"),
    [
        ("1.5", "DT_FLOAT", (-1,), [1.5]),
        ("007", "DT_INT64", (-1,), [7]),
        ("007", "DT_STRING", (-1,), ["007"]),
        ("True", "DT_BOOL", (-1,), [True]),
        ("0", "DT_BOOL", (-1,), [False]),
        ("2", "DT_FLOAT", (-1, 1), [[2.0]]),
        ("2", "DT_FLOAT", (-1, 1, 1), [[[2.0]]]),
    ],
)
def test_a_tables_value_has_the_type_and_shape_of_its_input(
    text: str, datatype: str, shape: tuple[int, ...], value: Any
) -> None:
    assert columns({"x": Cell(text)}, Tensor("x", datatype, shape)) == {"x": value}


def test_triton_that_tells_no_inputs_gets_no_empty_request() -> None:
    assert "does not report the types and shapes of the model's inputs" in refused(
        Request(None, "f", values={"x": [1]}), client=TRITON
    )


def test_an_examples_features_are_a_batch_of_one() -> None:
    request = example(x=[1.5], v=[1, 2, 3], s=["ü".encode()], label=[7])
    inputs = tensor("x"), tensor("v", "DT_INT64", -1, 3), tensor("s", "DT_STRING")
    assert body(request, *inputs) == {"inputs": {"x": [1.5], "v": [[1, 2, 3]], "s": ["ü"]}}
    assert body(example(x=[1.5], v=[1, 2])) == {"inputs": {"x": [1.5], "v": [[1, 2]]}}


@pytest.mark.parametrize(
    ("values", "shape", "expected"),
    [
        ([1.0], (-1, 1), [[1.0]]),
        ([1.0, 2.0, 3.0, 4.0], (-1, 2, 2), [[[1.0, 2.0], [3.0, 4.0]]]),
        ([1.0, 2.0, 3.0, 4.0], (-1, 2, -1), [[[1.0, 2.0], [3.0, 4.0]]]),
        ([1.0, 2.0, 3.0, 4.0], (-1, -1), [[1.0, 2.0, 3.0, 4.0]]),
    ],
)
def test_a_features_values_have_the_inputs_shape(values: list[float], shape: tuple[int, ...], expected: Any) -> None:
    assert body(example(x=values), Tensor("x", "DT_FLOAT", shape))["inputs"]["x"] == expected


@pytest.mark.parametrize("shape", [(-1, 2), (-1, -1, -1), (-1, 2, -1)])
def test_values_that_have_no_such_shape_are_named(shape: tuple[int, ...]) -> None:
    message = refused(example(x=[1.0, 2.0, 3.0]), Tensor("x", "DT_FLOAT", shape))
    assert message == f"the number of values for the input 'x' is 3, which does not fit its shape {list(shape)}"


def test_bytes_that_are_no_text_are_spelled_as_the_server_takes_them() -> None:
    inputs = tensor("s", "DT_STRING")
    assert body(example(s=[b"\xff"]), inputs) == {"inputs": {"s": [{"b64": "/w=="}]}}
    assert "not UTF-8" in refused(example(s=[b"\xff"]), Tensor("s", "BYTES", (-1,)), client=TRITON)


def test_a_model_of_one_string_input_gets_the_example_itself() -> None:
    request = example(x=[1.5])
    packed = base64.b64encode(request.example or b"").decode()
    assert body(request, tensor("examples", "DT_STRING")) == {"inputs": {"examples": [{"b64": packed}]}}


@pytest.mark.parametrize("inputs", [[tensor("y")], [tensor("x"), tensor("y", "DT_STRING")]])
def test_an_example_that_fits_neither_way_is_named(inputs: list[Tensor]) -> None:
    assert "the tf.Example has no feature for the model's input 'y' (its features: x)" in refused(
        example(x=[1.5]), *inputs
    )


def row(*fields: str) -> Request:
    return Request(None, "r.csv:1", values={ONLY_INPUT: Row(map(Cell, fields))})


def table(*kinds: str, is_required: bool = True) -> list[Tensor]:
    return [Tensor(name, kind, (), is_required) for name, kind in zip("abc", kinds, strict=False)]


MLFLOW = MLflow("x").MakeClient("127.0.0.1:1")


def test_a_row_without_names_is_a_table_by_its_order_or_one_input() -> None:
    split = body(row("1.5", "2"), *table("FP64", "INT64"), client=MLFLOW)
    assert split == {"dataframe_split": {"columns": ["a", "b"], "data": [[1.5, 2]]}}
    assert body(row("1.5", "2"), tensor("x", "DT_FLOAT", -1, 2)) == {"inputs": {"x": [[1.5, 2.0]]}}
    assert body(row("3"), tensor("x")) == {"inputs": {"x": [3.0]}}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (table("FP64", "FP64", "FP64"), "the file has no header; write the model's inputs in the first line: a,b,c"),
        ([tensor("x"), tensor("y")], "write the model's inputs in the first line: x,y"),
        ([], "write the columns' names in the first line"),
        ([tensor("x", "BYTES", -1, 3)], "does not fit its shape [-1, 3]"),
        (table("FP64", "INT64"), "column 'b': 'two' is not an integer"),
    ],
)
def test_a_row_without_names_that_fits_nothing_is_told(inputs: list[Tensor], words: str) -> None:
    assert words in refused(row("1.5", "two"), *inputs)


def test_an_empty_field_is_a_missing_value_only_where_the_server_has_some() -> None:
    inputs = table("FP64", "DATETIME")
    values = {"a": Cell(""), "b": Cell(" ")}
    found = body(Request(None, "r.csv:2", values=values), *inputs, client=MLFLOW)
    assert found["dataframe_split"]["data"] == [[None, " "]]
    assert "column 'a': the field is empty, but the model takes an integer; fill it, or leave the row out" in refused(
        Request(None, "r.csv:2", values={"a": Cell("")}), *table("INT64"), client=MLFLOW
    )
    assert "column 'x': the field is empty" in refused(Request(None, "f:1", values={"x": Cell("")}), tensor("x"))
    optional = table("INT64", is_required=False)
    found = body(Request(None, "r.csv:2", values={"a": Cell("")}), *optional, client=MLFLOW)
    assert found["dataframe_split"]["data"] == [[None]]


def test_a_column_that_is_no_input_can_be_left_out() -> None:
    words = refused(Request(None, "f:1", values={"x": Cell("1"), "label": Cell("0")}), tensor("x"))
    assert "no input 'label' (it takes x); leave the column out with --ignore-columns label" in words


def test_an_object_is_json_in_its_field() -> None:
    found = body(Request(None, "f:1", values={"a": Cell('{"k": [1]}')}), *table("OBJECT"), client=MLFLOW)
    assert found["dataframe_split"]["data"] == [[{"k": [1]}]]
    assert "is not JSON" in refused(Request(None, "f:1", values={"a": Cell("{")}), *table("OBJECT"), client=MLFLOW)
