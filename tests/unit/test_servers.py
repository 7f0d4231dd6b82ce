"""The model servers beside TensorFlow Serving and Triton: how each is run, when it is ready, how it is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ivdocker.clock import Deadline
from ivdocker.engine.parse import Image
from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.requests.make.synthesize import synthesize
from ivdocker.requests.model import Request
from ivdocker.requests.send import SendOptions, send_all
from ivdocker.servers import registry
from ivdocker.servers.base import DockerRunParams, ServingBinary
from ivdocker.servers.client import (
    BaseModelServerClient,
    Endpoint,
    ModelState,
    Readiness,
    RequestBody,
    Routes,
    Tensor,
)
from ivdocker.servers.mlflow import MLflow, signature_inputs
from ivdocker.servers.mlserver import MLServer
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


def made_up(client: BaseModelServerClient) -> Any:
    """The body of the first request that is made up for this server."""
    return next(synthesize(client, MLflow("x"), ModelPath("/nowhere"), 1)).body


def client_of(kind: str, server: ModelServer, *models: str) -> BaseModelServerClient:
    return registry.by_kind(kind).binary("team/server:1", (models or ("m",))[0], models).MakeClient(server.endpoint)


ONE_ANSWER_KINDS = [kind for kind in registry.KINDS if kind not in ("tensorflow-serving", "triton")]


@pytest.mark.parametrize("row", registry.SERVERS, ids=lambda row: row.kind)
def test_a_row_of_the_registry_and_its_class_agree(row: registry.ServerEntry) -> None:
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
    assert found[0].model == "b"


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


# KServe


def test_kserve_is_told_the_models_name_and_folder(tmp_path: Path) -> None:
    found = params("kserve", put(tmp_path / "iris", {"model.joblib": ""}))
    assert found["command"] == ["--model_name=iris", "--model_dir=/mnt/models", "--http_port=8080"]
    assert mounted(found) == {str(tmp_path / "iris"): "/mnt/models"}


@pytest.mark.parametrize(
    ("body", "status", "state"),
    [
        ({"name": "m", "ready": True}, 200, AVAILABLE),
        ({"name": "m", "ready": "True"}, 200, AVAILABLE),
        ({"name": "m", "ready": False}, 200, NOT_READY),
        ({"error": "Model with name m is not ready."}, 503, NOT_READY),
        ({"error": "Model with name m does not exist."}, 404, UNAVAILABLE),
    ],
)
def test_kserve_is_ready_when_the_model_says_so(body: Any, status: int, state: ModelState) -> None:
    with model_server() as server:
        server.on("GET /v1/models/m", body, status).on("GET /v1/models", {"models": ["custom", "other"]})
        found = look(client_of("kserve", server))
    assert found.state is state
    if state is UNAVAILABLE:
        assert found.code == "model-not-found"
        assert "models listed: custom, other" in found.detail


def test_kserve_takes_instances_by_v1_and_inputs_by_v2() -> None:
    with model_server() as server:
        server.on("POST /v1/models/m:predict", {"predictions": [1]}).on("POST /v2/models/m/infer", {"outputs": []})
        server.on("POST /v1/models/other:predict", {"predictions": [2]})
        client = client_of("kserve", server)
        assert client.predict({"instances": [[1]]}) == {"predictions": [1]}
        assert client.predict({"inputs": []}) == {"outputs": []}
        assert client.predict(RequestBody({"instances": []}, model_name="other")) == {"predictions": [2]}
    assert client.curl({"instances": []}).endswith("/v1/models/m:predict")


# TorchServe


def torchserve(*answers: Any, models: tuple[str, ...] = ("m",), status: int = 200) -> list[Readiness]:
    with model_server() as management:
        for body in answers:
            management.on("GET /models/m", body, status)
        endpoint = Endpoint("127.0.0.1:1", {"http": "127.0.0.1:1", "management": management.endpoint})
        client = registry.by_kind("torchserve").binary("x", "m", models).MakeClient(endpoint)
        return [look(client) for _ in answers]


def workers(*states: tuple[str, int]) -> list[Any]:
    found = [{"id": str(9000 + n), "status": status, "pid": pid} for n, (status, pid) in enumerate(states)]
    return [{"modelName": "m", "workers": found}]


def test_torchserve_loads_the_archives_of_the_folder_and_stays_in_the_foreground(tmp_path: Path) -> None:
    found = params("torchserve", put(tmp_path, {"a.mar": "", "b.mar": "", "notes.txt": ""}))
    assert mounted(found) == {str(tmp_path): "/home/model-server/model-store"}
    assert found["command"][:2] == ["torchserve", "--foreground"]
    assert found["command"][-3:] == ["--models", "a=a.mar", "b=b.mar"]
    assert "--disable-token-auth" in found["command"]


def test_one_archive_is_served_by_the_name_that_is_asked_for(tmp_path: Path) -> None:
    model = put(tmp_path, {"a.mar": ""})
    assert params("torchserve", model)["command"][-1] == "a=a.mar"
    assert params("torchserve", model, "x")["command"][-1] == "x=a.mar"


def test_a_configuration_beside_the_archives_is_the_servers(tmp_path: Path) -> None:
    found = params("torchserve", put(tmp_path, {"a.mar": "", "config.properties": ""}))
    assert "--ts-config=/home/model-server/model-store/config.properties" in found["command"]


def test_a_folder_without_an_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no \.mar file; pack the model with torch-model-archiver"):
        params("torchserve", ModelPath(str(tmp_path)))


def test_torchserve_is_ready_when_all_workers_are() -> None:
    loading, ready = workers(("UNLOADING", -1), ("READY", 8)), workers(("READY", 7), ("READY", 8))
    found = torchserve(workers(), loading, ready)
    assert [each.state for each in found] == [NOT_READY, NOT_READY, AVAILABLE]
    assert found[1].detail == "1 of 2 workers are ready"


def test_a_torchserve_worker_that_dies_again_and_again_is_a_failure() -> None:
    found = torchserve(*(workers(("UNLOADING", pid)) for pid in (-1, 7, 7, -1, 8, 9)))
    assert [each.state for each in found] == [NOT_READY] * 5 + [UNAVAILABLE]
    assert (found[-1].code, found[-1].detail[:34]) == ("model-load-failed", "its worker 9000 has died 2 times; ")


def test_torchserve_that_does_not_know_the_model_is_told() -> None:
    body = {"code": 404, "type": "ModelNotFoundException", "message": "Model not found: m"}
    (found,) = torchserve(body, status=404)
    assert (found.state, found.code) == (UNAVAILABLE, "model-not-found")
    assert "Model not found: m" in found.detail


@pytest.mark.parametrize("body", [[{}], [{"workers": [{}]}], [{"workers": [{"status": "X", "id": 1, "pid": "y"}]}]])
def test_a_description_that_is_not_torchserves_is_not_ready(body: Any) -> None:
    assert torchserve(body)[0].state is NOT_READY


def test_torchserve_predicts_by_name_and_version() -> None:
    client = registry.by_kind("torchserve").binary("x", "m").MakeClient("127.0.0.1:1")
    assert client.predict_path() == "/predictions/m"
    assert client.predict_path("other", "2.0") == "/predictions/other/2.0"


# BentoML

SCHEMA = {
    "routes": [
        {
            "name": "classify",
            "route": "/classify",
            "batchable": True,
            "input": {
                "type": "object",
                "properties": {
                    "rows": {
                        "type": "array",
                        "items": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}},
                    },
                    "label": {"type": "string"},
                    "limit": {"type": "integer", "default": 5},
                },
            },
        },
        {
            "name": "list",
            "route": "/list",
            "input": {"properties": {"x": {"type": "array", "items": {"type": "number"}}}},
        },
        {"name": "raw", "route": "/raw", "input": {"properties": {"x": {"type": "tensor", "format": "numpy-array"}}}},
        {
            "name": "t",
            "route": "/t",
            "input": {"properties": {"x": {"type": "tensor", "dtype": "int32", "shape": [2]}}},
        },
    ]
}


@pytest.mark.parametrize(
    ("file", "target", "environment"),
    [
        ("bento.yaml", "/home/bentoml/bento", {"BENTO_PATH": "/home/bentoml/bento"}),
        ("bentofile.yaml", "/models/m", {"BENTO_PATH": "/models/m"}),
        ("service.py", "/models/m", {"BENTO_PATH": "/models/m"}),
        ("weights.bin", "/models/m", {}),
    ],
)
def test_bentoml_serves_the_bento_or_its_source(
    tmp_path: Path, file: str, target: str, environment: dict[str, str]
) -> None:
    found = params("bentoml", put(tmp_path / "m", {file: ""}))
    assert (mounted(found), found["environment"]) == ({str(tmp_path / "m"): target}, environment)


def test_bentoml_tells_its_apis_and_their_arguments() -> None:
    with model_server() as server:
        server.on("GET /schema.json", SCHEMA)
        client = client_of("bentoml", server)
        assert client.predict_path() == "/classify"
        assert client.inputs() == [Tensor("rows", "FP64", (-1, 2)), Tensor("label", "BYTES", ())]
        assert client.inputs("raw") == []
        assert client.inputs("list") == []
        assert client.inputs("t") == [Tensor("x", "INT32", (2,))]
        made = made_up(client)
        assert set(made) == {"rows", "label"}
        assert (type(made["rows"][0][0]), type(made["label"])) == (float, str)


@pytest.mark.parametrize("schema", [b"<html>", [], {}, {"routes": 5}, {"routes": [1]}, {"routes": [{"route": "/x"}]}])
def test_a_schema_that_tells_nothing_gives_no_inputs(schema: Any) -> None:
    with model_server() as server:
        server.on("GET /schema.json", schema)
        assert client_of("bentoml", server).inputs() == []


# OpenAI


@pytest.mark.parametrize(
    ("image", "port", "words"),
    [
        ("vllm/vllm-openai:v0.11.0", 8000, ["--model=/models/m", "--served-model-name=m"]),
        ("ghcr.io/huggingface/text-generation-inference:3", 80, ["--model-id=/models/m", "--port=80"]),
        ("lmsysorg/sglang:v0.5", 30000, ["sglang.launch_server", "--model-path=/models/m", "--port=30000"]),
        ("ghcr.io/ggml-org/llama.cpp:server", 8080, []),
        ("team/chat:1", 8000, []),
    ],
)
def test_each_openai_server_gets_its_own_flags(tmp_path: Path, image: str, port: int, words: list[str]) -> None:
    model = put(tmp_path / "m", {"m.gguf": ""})
    assert made("openai", model, image=image).ports == {"http": port}
    found = params("openai", model, image=image)
    assert set(words) <= set(found["command"])
    assert bool(words) == bool(found["command"])
    assert mounted(found) == {str(tmp_path / "m"): "/models/m"}


@pytest.mark.parametrize(
    ("entrypoint", "port", "words"),
    [
        ("vllm serve --enforce-eager", 8000, ["--model=/models/m", "--served-model-name=m"]),
        ("/tgi-entrypoint.sh", 80, ["--model-id=/models/m", "--port=80"]),
        ("text-generation-launcher", 80, ["--model-id=/models/m", "--port=80"]),
        ("/start.sh", 8000, []),
    ],
)
def test_an_openai_server_under_any_name_is_run_by_its_entrypoint(
    tmp_path: Path, entrypoint: str, port: int, words: list[str]
) -> None:
    model = put(tmp_path / "m", {"config.json": {}})
    server = made("openai", model, image="team/chat:1")
    server.take_image(Image("id", "linux/amd64", tuple(entrypoint.split()), ("vllm", "serve"), {}, {}))
    found = server.MakeDockerRunParams(model.location, True)
    assert (server.ports["http"], found["command"]) == (port, words)


LLAMA = "ghcr.io/ggml-org/llama.cpp:server"


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (["m.gguf"], "m.gguf"),
        (["m.gguf", "mmproj-m.gguf"], "m.gguf"),
        (["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"], "m-00001-of-00002.gguf"),
    ],
)
def test_llama_cpp_is_given_the_models_file(tmp_path: Path, files: list[str], chosen: str) -> None:
    found = params("openai", put(tmp_path / "m", dict.fromkeys(files, "")), image=LLAMA)
    assert found["environment"]["LLAMA_ARG_MODEL"] == f"/models/m/{chosen}"
    assert found["environment"]["LLAMA_ARG_HOST"] == "0.0.0.0"


@pytest.mark.parametrize(
    ("files", "words"), [([], "holds no .gguf"), (["a.gguf", "b.gguf"], "2 models (a.gguf, b.gguf)")]
)
def test_llama_cpp_is_not_given_a_file_by_guess(tmp_path: Path, files: list[str], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        params("openai", put(tmp_path, dict.fromkeys(files, "")), image=LLAMA)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("health", "models", "state"),
    [
        ((200, b""), (200, {"data": [{"id": "served"}]}), AVAILABLE),
        ((200, b""), (200, {"data": []}), NOT_READY),
        ((200, b""), (401, {"error": "Unauthorized"}), AVAILABLE),
        ((503, {"error": {"message": "Loading model"}}), (503, b""), NOT_READY),
    ],
)
def test_an_openai_server_is_ready_when_it_is_healthy_and_lists_a_model(
    health: tuple[int, Any], models: tuple[int, Any], state: ModelState
) -> None:
    with model_server() as server:
        server.on("GET /health", health[1], health[0]).on("GET /v1/models", models[1], models[0])
        found = look(client_of("openai", server))
    assert found.state is state
    if health[0] == 503:
        assert "Loading model" in found.detail


def test_an_openai_request_names_the_model_that_the_server_lists() -> None:
    with model_server() as server:
        server.on("GET /health", b"").on("GET /v1/models", {"data": [{"id": "served"}]})
        server.on("POST /v1/completions", {"choices": []}).on("POST /v1/chat/completions", {"choices": [1]})
        client = client_of("openai", server)
        look(client)
        asked = made_up(client)
        assert (asked["model"], asked["max_tokens"], asked["temperature"]) == ("served", 1, 0)
        assert asked["prompt"]
        assert client.predict({"prompt": "x"}) == {"choices": []}
        assert client.predict({"messages": []}) == {"choices": [1]}
        client.predict({"model": "mine", "prompt": "x"})
        sent = [json.loads(body)["model"] for request, body in server.seen if request.startswith("POST")]
    assert sent == ["served", "served", "mine"]


def test_an_openai_answers_own_id_and_time_are_not_compared() -> None:
    recorded = Request({"prompt": "a"}, "f:1", expect={"id": "cmpl-x", "created": 0, "choices": [{"text": "b"}]})
    with model_server() as server:
        for number, text in enumerate("bbbbc"):
            server.on("POST /v1/completions", {"id": f"cmpl-{number}", "created": number, "choices": [{"text": text}]})
        client = client_of("openai", server)
        first = send_all(client, [recorded], lambda _: None)
        twice = send_all(client, [recorded], lambda _: None, SendOptions(deterministic=True))
        changed = send_all(client, [recorded._replace(expect=None)], lambda _: None, SendOptions(deterministic=True))
    assert (first.first_failure, twice.first_failure) == (None, None)
    assert changed.first_failure
    assert "two different responses at $.choices[0].text" in changed.first_failure.message


# The contracts, and any other


def test_sagemakers_contract(tmp_path: Path) -> None:
    found = params("sagemaker", put(tmp_path, {"model.pth": ""}))
    assert (found["command"], mounted(found)) == (["serve"], {str(tmp_path): "/opt/ml/model"})
    client = registry.by_kind("sagemaker").binary("x").MakeClient("127.0.0.1:1")
    assert (client.ready_path(), client.predict_path()) == ("/ping", "/invocations")


MMS = "2026-01-01T00:00:00,000 [INFO ] W-9000-model-stdout com.amazonaws.ml.mms.wlm.WorkerLifeCycle - "
MMS_BEGINS = """\
2026-01-01T00:00:00,000 [INFO ] main com.amazonaws.ml.mms.ModelServer - Loading initial models: /opt/ml/model
"""
ACCEPTED, LOADED = "Connection accepted: /tmp/.mms.sock.9000.", "Model model loaded io_fd=0242-0a-1"
SWALLOWED = [
    "'bias'",
    "Traceback (most recent call last):",
    '  File "/opt/mms/model_loader.py", line 145, in load',
    "    model_service.initialize(service.context)",
    '  File "/opt/ml/model/code/inference.py", line 12, in model_fn',
    '    return model["weights"], model["bias"]',
    "                             ~~~~~^^^^^^^^",
]


def sagemaker(*workers_wrote: str, log: str | None = None, status: int = 200) -> Readiness:
    text = MMS_BEGINS + "".join(f"{MMS}{line}\n" for line in workers_wrote) if log is None else log
    with model_server() as server:
        server.on("GET /ping", {"status": "Healthy"}, status)
        endpoint = Endpoint(server.endpoint, {"http": server.endpoint}, log=lambda: text)
        return look(registry.by_kind("sagemaker").binary("x").MakeClient(endpoint))


def test_a_sagemaker_container_is_ready_when_its_ping_answers_well() -> None:
    assert sagemaker(log="").state is AVAILABLE
    assert sagemaker(log="a server of one's own\n").state is AVAILABLE
    assert sagemaker(log="", status=503).state is NOT_READY


def test_multi_model_server_is_ready_when_its_workers_have_loaded_the_model_whatever_its_ping_says() -> None:
    assert sagemaker("MMS worker started.").state is NOT_READY
    half = sagemaker(ACCEPTED, ACCEPTED, LOADED)
    assert (half.state, half.detail) == (NOT_READY, "1 of 2 workers have loaded it")
    assert sagemaker(ACCEPTED, ACCEPTED, LOADED, LOADED).state is AVAILABLE


def test_what_multi_model_servers_workers_pass_over_is_a_failure_in_its_words() -> None:
    found = sagemaker(ACCEPTED, *SWALLOWED, "KeyError: 'bias'", LOADED)
    assert (found.state, found.code) == (UNAVAILABLE, "model-load-failed")
    assert found.detail == "loading it raised KeyError: 'bias'"


def test_a_message_that_begins_with_a_line_break_is_told_too() -> None:
    found = sagemaker(ACCEPTED, *SWALLOWED, "NotImplementedError: ", "", "Please provide a model_fn.", LOADED)
    assert found.detail == "loading it raised NotImplementedError: Please provide a model_fn."


def test_a_traceback_that_is_cut_off_is_told_without_a_guess() -> None:
    assert sagemaker(ACCEPTED, *SWALLOWED, LOADED).detail == "loading it raised an exception"


def vertex(log: str, status: int = 200) -> Readiness:
    with model_server() as server:
        server.on("GET /health", {}, status)
        endpoint = Endpoint(server.endpoint, {"http": server.endpoint}, log=lambda: log)
        return look(registry.by_kind("vertex").binary("x").MakeClient(endpoint))


def test_vertexs_server_whose_processes_die_while_they_load_is_a_failure_in_its_words() -> None:
    dying = "Process SpawnProcess-1:\nTraceback (most recent call last):\n  File x\nKeyError: 'bias'\n"
    assert vertex(dying, 503).state is NOT_READY
    found = vertex(f"{dying}INFO:     Child process [42] died\n", 503)
    assert (found.state, found.code) == (UNAVAILABLE, "model-load-failed")
    assert found.detail.endswith("started again for ever: KeyError: 'bias'")


def test_vertexs_server_whose_processes_are_ended_for_being_slow_may_yet_be_ready() -> None:
    log = "INFO:     Uvicorn running on http://0.0.0.0:8080\nINFO:     Child process [42] died\n"
    found = vertex(log, 503)
    assert found.state is NOT_READY
    assert "1 of its processes died: VERTEX_CPR_WEB_CONCURRENCY=1" in found.detail
    assert vertex(log).state is AVAILABLE
    assert vertex(f"{log}Process SpawnProcess-3:\nTraceback (most recent call last):\n", 503).state is NOT_READY


def test_vertexs_server_that_is_well_is_ready() -> None:
    assert vertex("").state is AVAILABLE


def test_vertexs_contract(tmp_path: Path) -> None:
    found = params("vertex", put(tmp_path / "m", {"model.joblib": ""}))
    assert found["environment"] == {
        "AIP_HTTP_PORT": "8080",
        "AIP_HEALTH_ROUTE": "/health",
        "AIP_PREDICT_ROUTE": "/predict",
        "AIP_STORAGE_URI": "/models/m",
    }
    assert mounted(found) == {str(tmp_path / "m"): "/models/m"}
    by_uri = registry.by_kind("vertex").binary("x").MakeDockerRunParams("gs://bucket/m", False)
    assert (by_uri["environment"]["AIP_STORAGE_URI"], by_uri["mounts"]) == ("gs://bucket/m", [])


def test_any_other_server_has_the_port_and_paths_that_it_is_said_to_have(tmp_path: Path) -> None:
    binary = made("http", put(tmp_path / "m", {"weights.bin": ""}))
    binary.take_routes(Routes(5000, "/up", "/score"))
    assert (binary.ports, binary.container_port) == ({"http": 5000}, 5000)
    client = binary.MakeClient("127.0.0.1:1")
    assert (client.ready_path(), client.predict_path("m", "1")) == ("/up", "/score")
    found = binary.MakeDockerRunParams(str(tmp_path / "m"), True)
    assert found["environment"] == {"MODEL_NAME": "m", "MODEL_PATH": "/models/m"}


@pytest.mark.parametrize(("status", "state"), [(200, AVAILABLE), (204, AVAILABLE), (404, NOT_READY), (503, NOT_READY)])
def test_any_other_server_is_ready_when_its_ready_path_answers_well(status: int, state: ModelState) -> None:
    with model_server() as server:
        server.on("GET /health", b"", status)
        assert look(client_of("http", server)).state is state


def test_routes_are_for_the_server_that_has_none_of_its_own() -> None:
    with pytest.raises(UsageError, match=r"--port, .* are for --server http; mlflow has its own"):
        MLflow("x").take_routes(Routes())


@pytest.mark.parametrize(
    ("files", "given", "target"),
    [(["1/m.xml"], "", "/models/m"), (["m.xml"], "", "/models/m/1"), (["3/m.xml"], "3", "/models/m/3")],
)
def test_openvino_sees_versions_whatever_folder_is_given(
    tmp_path: Path, files: list[str], given: str, target: str
) -> None:
    put(tmp_path / "m", dict.fromkeys(files, ""))
    found = params("openvino", ModelPath(str(tmp_path / "m" / given).rstrip("/")))
    assert list(mounted(found).values()) == [target]
    assert {"--model_name=m", "--model_path=/models/m", "--rest_port=8000"} <= set(found["command"])
