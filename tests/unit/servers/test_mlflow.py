"""MLflow's server: how it is run, when it is ready, how it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.servers.mlflow import MLflow, signature_inputs
from ivdocker.servers.records import ModelState, Tensor
from tests.unit.loopback import model_server
from tests.unit.servers.helpers import AVAILABLE, NOT_READY, client_of, look, mounted, params, put

COLUMNS = '[{"type": "double", "name": "a", "required": true}, {"type": "long", "name": "b"}]'
TENSOR = '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}]'


def mlmodel(inputs: str) -> str:
    return f"flavors:\n  python_function:\n    loader_module: mlflow.sklearn\nsignature:\n  inputs: '{inputs}'\n"


def test_mlflow_finds_its_model_where_its_image_has_it(tmp_path: Path) -> None:
    found = params("mlflow", put(tmp_path, {"MLmodel": ""}))
    assert mounted(found) == {str(tmp_path): "/opt/ml/model"}
    assert found["environment"] == {"MLFLOW_MODELS_WORKERS": "1", "__pyfunc_model_path__": "/opt/ml/model"}


@pytest.mark.parametrize(("status", "state"), [(200, AVAILABLE), (502, NOT_READY), (404, NOT_READY)])
def test_mlflow_is_ready_when_it_answers_a_ping(status: int, state: ModelState) -> None:
    with model_server() as server:
        server.on("GET /ping", b"\n", status)
        assert look(client_of("mlflow", server)).state is state


def test_mlflows_inputs_are_those_of_its_signature(tmp_path: Path) -> None:
    model = put(tmp_path, {"MLmodel": mlmodel(COLUMNS)})
    assert MLflow("x").inputs(model) == [Tensor("a", "FP64", ()), Tensor("b", "INT64", ())]
    assert signature_inputs(mlmodel(TENSOR)) == [Tensor("", "FLOAT32", (-1, 4))]


@pytest.mark.parametrize(
    "text",
    ["", "a: [", "[]", "signature: null", "signature: {inputs: 5}", mlmodel("{"), mlmodel("[1]"), mlmodel("[{}]"),
     mlmodel('[{"type": "nosuch", "name": "a"}]'), mlmodel('[{"type": "tensor", "tensor-spec": {}}]')],
)  # fmt: skip
def test_a_signature_that_tells_nothing_gives_no_inputs(text: str) -> None:
    assert signature_inputs(text) == []


def test_mlflow_takes_columns_as_a_split_data_frame() -> None:
    client = MLflow("x").MakeClient("127.0.0.1:1")
    inputs = signature_inputs(mlmodel(COLUMNS))
    one = {"dataframe_split": {"columns": ["a", "b"], "data": [[0.5, 1]]}}
    assert client.request_body({"a": 0.5, "b": 1}, inputs) == one
    two = {"dataframe_split": {"columns": ["a", "b"], "data": [[0.5, 1], [1.5, 2]]}}
    assert client.request_body({"a": [0.5, 1.5], "b": [1, 2]}, inputs) == two
    assert client.predict_path() == "/invocations"


def test_mlflow_takes_tensors_as_inputs() -> None:
    client = MLflow("x").MakeClient("127.0.0.1:1")
    assert client.request_body({"": [[1.0]]}, signature_inputs(mlmodel(TENSOR))) == {"inputs": [[1.0]]}
    assert client.request_body({"x": [[1.0]]}, [Tensor("x", "FP32", (-1, 1))]) == {"inputs": {"x": [[1.0]]}}


def test_an_mlflow_models_example_is_a_request(tmp_path: Path) -> None:
    body = {"dataframe_split": {"columns": ["a"], "data": [[1.0]]}}
    assert MLflow("x").example_bodies(put(tmp_path, {"serving_input_example.json": body})) == [body]
    assert MLflow("x").example_bodies(put(tmp_path, {"serving_input_example.json": "{"})) == []
    assert MLflow("x").example_bodies(ModelPath("s3://bucket/m", is_uri=True)) == []


def test_a_uri_is_refused_by_a_server_that_does_not_open_it() -> None:
    with pytest.raises(UsageError, match=r"mlflow does not open 's3://bucket/m' itself"):
        MLflow("x").MakeDockerRunParams("s3://bucket/m", False)


NUMBERED = '[{"type": "double", "name": 0}, {"type": "double", "name": 1, "required": false}]'


@pytest.mark.parametrize("inputs", [NUMBERED, '[{"type": "double"}, {"type": "double"}]'])
def test_columns_with_numbers_for_names_or_without_names_are_numbered(inputs: str) -> None:
    found = signature_inputs(mlmodel(inputs))
    assert [tensor.name for tensor in found] == ["0", "1"]
    body = MLflow("x").MakeClient("127.0.0.1:1").request_body({"0": 0.5, "1": 1.5}, found)
    assert body == {"dataframe_split": {"columns": [0, 1], "data": [[0.5, 1.5]]}}


def test_every_type_of_column_has_a_kind() -> None:
    types = ["datetime", "binary", "object", "array", "map", "any", "string", "boolean"]
    inputs = "[" + ", ".join(f'{{"type": "{kind}", "name": "{kind}"}}' for kind in types) + "]"
    kinds = [tensor.kind for tensor in signature_inputs(mlmodel(inputs))]
    assert kinds == ["datetime", "binary", "object", "object", "object", "object", "string", "bool"]
