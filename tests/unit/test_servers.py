"""The model servers beside TensorFlow Serving and Triton: how each is run, when it is ready, how it is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ivdocker.clock import Deadline
from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.serving import registry
from ivdocker.serving.base import DockerRunParams, ServingBinary
from ivdocker.serving.client import BaseModelServerClient, ModelState, Readiness, Tensor
from ivdocker.serving.mlflow import MLflow, signature_inputs
from ivdocker.serving.mlserver import MLServer
from tests.unit.loopback import ModelServer, free_port, model_server

AVAILABLE, NOT_READY, UNAVAILABLE = ModelState.AVAILABLE, ModelState.NOT_READY, ModelState.UNAVAILABLE


def put(root: Path, files: dict[str, Any]) -> ModelPath:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return ModelPath(str(root))


def made(kind: str, model: ModelPath, name: str | None = None, image: str = "team/server:1") -> ServingBinary:
    """As validation makes it."""
    binary = registry.by_kind(kind).binary
    names = binary.model_names(model)
    return binary(image, name or names[0], names if len(names) > 1 else ())


def params(kind: str, model: ModelPath, name: str | None = None, image: str = "team/server:1") -> DockerRunParams:
    return made(kind, model, name, image).MakeDockerRunParams(model.location, True)


def mounted(found: DockerRunParams) -> dict[str, str]:
    assert all(mount["Type"] == "bind" and mount["ReadOnly"] for mount in found["mounts"])
    return {mount["Source"]: mount["Target"] for mount in found["mounts"]}


def look(client: BaseModelServerClient) -> Readiness:
    return client.probe(Deadline.after(5))


def client_of(kind: str, server: ModelServer, *models: str) -> BaseModelServerClient:
    return registry.by_kind(kind).binary("team/server:1", (models or ("m",))[0], models).MakeClient(server.endpoint)


ONE_ANSWER_KINDS = [kind for kind in registry.KINDS if kind not in ("tensorflow-serving", "triton")]


@pytest.mark.parametrize("row", registry.SERVERS, ids=lambda row: row.kind)
def test_a_row_of_the_registry_and_its_class_agree(row: registry.Server) -> None:
    assert row.binary.kind == row.kind
    assert row.binary("team/server:1").container_port in row.binary("team/server:1").ports.values()
    assert "http" in row.binary("team/server:1").ports


@pytest.mark.parametrize("kind", registry.KINDS)
def test_a_server_that_refuses_is_not_ready_and_says_so(kind: str) -> None:
    found = look(registry.by_kind(kind).binary("team/server:1", "m").MakeClient(f"127.0.0.1:{free_port()}"))
    assert found.state is NOT_READY
    assert "refused" in found.detail


@pytest.mark.parametrize("kind", registry.KINDS)
@pytest.mark.parametrize("body", [b"<html>502</html>", b"", b"null", b"[" * 50_000, b"\xff", b"[1]", b'{"a": 1}'])
def test_a_server_that_answers_nonsense_is_never_ready_and_no_crash(kind: str, body: bytes) -> None:
    with model_server() as server:
        server.otherwise = (502, body)
        client = client_of(kind, server)
        states = [look(client) for _ in range(3)]
        assert {each.state for each in states} == {NOT_READY}
        assert all("\n" not in each.detail and each.detail for each in states)
        assert client.inputs() == []


@pytest.mark.parametrize("kind", ONE_ANSWER_KINDS)
def test_a_folder_is_mounted_in_place_and_read_only(kind: str, tmp_path: Path) -> None:
    model = put(tmp_path / "m", {"weights.bin": "", "m.mar": "", "bento.yaml": ""})
    assert str(tmp_path / "m") in mounted(params(kind, model))


# MLServer

SETTINGS = {"name": "iris", "implementation": "mlserver_sklearn.SKLearnModel"}


def test_mlserver_serves_the_models_of_its_settings_files(tmp_path: Path) -> None:
    model = put(tmp_path, {"a/model-settings.json": SETTINGS, "b/c/model-settings.json": {"name": "wine"}})
    binary = made("mlserver", model)
    assert (binary.model_name, binary.models) == ("iris", ("iris", "wine"))
    found = params("mlserver", model)
    assert mounted(found) == {str(tmp_path): "/mnt/models"}
    assert found["environment"] == {"MLSERVER_MODELS_DIR": "/mnt/models"}


def test_a_folder_without_settings_is_one_model_of_mlservers_environment(tmp_path: Path) -> None:
    found = params("mlserver", put(tmp_path / "iris", {"model.joblib": ""}))
    assert found["environment"]["MLSERVER_MODEL_NAME"] == "iris"
    assert found["environment"]["MLSERVER_MODEL_URI"] == "/mnt/models"


@pytest.mark.parametrize("text", ["{", "[]", '{"name": 5}', "", "[" * 50_000])
def test_settings_that_cannot_be_read_are_the_servers_to_complain_of(tmp_path: Path, text: str) -> None:
    assert MLServer.model_names(put(tmp_path / "m", {"model-settings.json": text})) == ["m"]


def test_mlserver_does_not_take_another_name_than_its_settings_files(tmp_path: Path) -> None:
    model = put(tmp_path, {"model-settings.json": SETTINGS})
    with pytest.raises(UsageError, match=r"--model-name x: MLServer takes the name from model-settings\.json"):
        params("mlserver", model, "x")


def test_mlserver_is_ready_when_every_model_is_twice_in_a_row() -> None:
    with model_server() as server:
        server.on("GET /v2/models/a/ready", b"").on("GET /v2/models/b/ready", b"", 400)
        server.on("GET /v2/models/b/ready", b"").on("GET /v2/models/b/ready", b"", 404)
        server.on("GET /v2/models/b/ready", b"")
        client = client_of("mlserver", server, "a", "b")
        found = [look(client) for _ in range(5)]
    assert [each.state for each in found] == [NOT_READY, NOT_READY, NOT_READY, NOT_READY, AVAILABLE]
    assert "'b'" in found[0].detail


def test_mlserver_that_never_comes_to_know_the_model_has_no_such_model(monkeypatch: pytest.MonkeyPatch) -> None:
    with model_server() as server:
        server.on("GET /v2/models/m/ready", {"error": "Model m not found"}, 404)
        client = client_of("mlserver", server)
        assert look(client).state is NOT_READY
        monkeypatch.setattr(type(client), "unknown_s", 0.0)
        found = look(client)
    assert (found.state, found.code) == (UNAVAILABLE, "model-not-found")
    assert "Model m not found" in found.detail


# MLflow

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
     mlmodel('[{"type": "map", "name": "a"}]'), mlmodel('[{"type": "tensor", "tensor-spec": {}}]')],
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
