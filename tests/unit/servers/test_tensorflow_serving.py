"""TensorFlow Serving: how it is run, when it is ready, which inputs it tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.servers.records import ModelState, Readiness, Tensor
from ivdocker.servers.tensorflow_serving import TensorFlowServing, TensorFlowServingClient
from tests.unit.loopback import model_server
from tests.unit.servers.helpers import STATUS, look, make, predicting, statuses, version


def tensorflow(body: Any, status: int = 200) -> Readiness:
    with model_server() as server:
        server.on(STATUS, body, status)
        return look(TensorFlowServingClient(server.endpoint, "m"))


def test_a_tensorflow_model_is_available_when_a_version_is() -> None:
    assert tensorflow(statuses(version("AVAILABLE"))).state is ModelState.AVAILABLE


@pytest.mark.parametrize("state", ["UNLOADING", "END"])
def test_a_version_that_a_newer_one_replaces_does_not_count(state: str) -> None:
    """Such an END has no error; TFX would take it for one."""
    leaving = version(state)
    assert tensorflow(statuses(version("AVAILABLE", number="2"), leaving)).state is ModelState.AVAILABLE
    waiting = tensorflow(statuses(version("LOADING", number="2"), leaving))
    assert (waiting.state, waiting.detail) == (ModelState.NOT_READY, "its state is LOADING")


@pytest.mark.parametrize("state", ["START", "LOADING", "UNKNOWN"])
def test_a_tensorflow_model_is_not_ready_before_all_its_versions_are(state: str) -> None:
    for versions in ((version("AVAILABLE"), version(state)), (version(state), version("AVAILABLE"))):
        found = tensorflow(statuses(*versions))
        assert found.state is ModelState.NOT_READY
        assert state in found.detail


@pytest.mark.parametrize("others", [("AVAILABLE",), ("LOADING",), ("UNLOADING",), ("AVAILABLE", "LOADING")])
def test_one_version_that_cannot_be_loaded_makes_a_tensorflow_model_unavailable(others: tuple[str, ...]) -> None:
    failed = version("END", "INTERNAL", "rotten", number="7")
    found = tensorflow(statuses(*map(version, others), failed))
    assert (found.state, found.detail) == (ModelState.UNAVAILABLE, "version 7: INTERNAL: rotten")


def test_a_tensorflow_model_of_which_all_is_unloaded_is_unavailable() -> None:
    found = tensorflow(statuses(version("END"), version("END", number="2")))
    assert (found.state, found.detail) == (ModelState.UNAVAILABLE, "END: it was unloaded")


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


def test_every_model_of_a_tensorflow_server_must_be_ready() -> None:
    with model_server() as server:
        server.on("GET /v1/models/a", statuses(version("AVAILABLE")))
        server.on("GET /v1/models/b", statuses(version("LOADING"))).on(
            "GET /v1/models/b", statuses(version("AVAILABLE"))
        )
        client = TensorFlowServingClient(server.endpoint, "a", ("a", "b"))
        waiting, ready = look(client), look(client)
    assert (waiting.state, ready.state) == (ModelState.NOT_READY, ModelState.AVAILABLE)
    assert (waiting.model, waiting.detail) == ("b", "its state is LOADING")


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


def tensorflow_target(path: Path, name: str = "m") -> str:
    params = TensorFlowServing("tensorflow/serving", name).MakeDockerRunParams(str(path), True)
    (mount,) = params["mounts"]
    assert mount == {"Type": "bind", "Source": str(path), "Target": mount["Target"], "ReadOnly": True}
    assert params["environment"] == {"MODEL_NAME": name, "MODEL_BASE_PATH": "/models"}
    return mount["Target"]


@pytest.mark.parametrize(
    ("files", "given", "target"),
    [
        (["1/saved_model.pb"], "", "/models/m"),
        (["1/saved_model.pb", "2/saved_model.pb"], "", "/models/m"),
        (["saved_model.pb"], "", "/models/m/1"),
        (["saved_model.pbtxt"], "", "/models/m/1"),
        (["variables/"], "", "/models/m/1"),
        (["3/saved_model.pb"], "3", "/models/m/3"),
        (["3/"], "3", "/models/m/3"),
        (["20240101/1/saved_model.pb"], "20240101", "/models/m"),
        (["weights.h5"], "", "/models/m"),
    ],
)
def test_tensorflow_serving_sees_versions_whatever_folder_is_given(
    tmp_path: Path, files: list[str], given: str, target: str
) -> None:
    assert tensorflow_target(make(tmp_path, *files) / given) == target


@pytest.mark.parametrize(("base", "home"), [("/models", "/models"), ("/srv/m", "/srv/m"), ("", "/models")])
def test_tensorflow_serving_serves_all_models_of_a_model_config_file(tmp_path: Path, base: str, home: str) -> None:
    (tmp_path / "models.config").write_text(
        "model_config_list {"
        + "".join(f"config {{ name: '{name}' base_path: '{base}/{name}' }}" for name in ("a", "b"))
        + "}"
    )
    assert TensorFlowServing.model_names(ModelPath(str(tmp_path))) == ["a", "b"]
    params = TensorFlowServing("tensorflow/serving", "a", ("a", "b")).MakeDockerRunParams(str(tmp_path), True)
    assert f"--model_config_file={home}/models.config" in params["command"]
    assert [(mount["Source"], mount["Target"]) for mount in params["mounts"]] == [(str(tmp_path), home)]


TWO_MODELS = (
    "model_config_list {{ config {{ name: 'b' base_path: '{0}/b' }} config {{ name: 'a' base_path: '{0}/a' }} }}"
)


@pytest.mark.parametrize(
    ("base_path", "home"),
    [("/models/team", "/models"), ("/srv/x/team", "/srv/x"), ("/models/../team", "/models")],
)
def test_a_base_path_below_the_folder_of_a_model_config_file_leads_into_it(
    tmp_path: Path, base_path: str, home: str
) -> None:
    make(tmp_path, "team/a/1/saved_model.pb", "team/b/1/saved_model.pb")
    (tmp_path / "models.config").write_text(TWO_MODELS.format(base_path))
    (mount,) = TensorFlowServing("tensorflow/serving", "a").MakeDockerRunParams(str(tmp_path), True)["mounts"]
    assert mount["Target"] == home


@pytest.mark.parametrize("config", ["", "# none yet", "model_config_list {}", "nothing of the kind"])
def test_a_model_config_file_that_names_no_model_is_refused(tmp_path: Path, config: str) -> None:
    (tmp_path / "models.config").write_text(config)
    with pytest.raises(
        UsageError, match=r"no model is named in .*models\.config'.*model_config_list \{ config \{ name"
    ):
        TensorFlowServing("tensorflow/serving", "m").MakeDockerRunParams(str(tmp_path), True)


def test_a_model_config_file_goes_where_most_base_paths_lead_into_its_folder(tmp_path: Path) -> None:
    make(tmp_path, "a/1/saved_model.pb", "b/1/saved_model.pb", "c/1/saved_model.pb")
    paths = {"a": "/elsewhere/a", "b": "/srv/b", "c": "/srv/c"}
    configs = "".join(f"config {{ name: '{name}' base_path: '{path}' }}" for name, path in paths.items())
    (tmp_path / "models.config").write_text(f"model_config_list {{ {configs} }}")
    (mount,) = TensorFlowServing("tensorflow/serving", "a").MakeDockerRunParams(str(tmp_path), True)["mounts"]
    assert mount["Target"] == "/srv"


def test_the_models_of_a_model_config_file_are_sorted_and_there_is_no_other(tmp_path: Path) -> None:
    (tmp_path / "models.config").write_text(TWO_MODELS.format("/models"))
    assert TensorFlowServing.model_names(ModelPath(str(tmp_path))) == ["a", "b"]
    with pytest.raises(UsageError, match=r"models\.config' names no model 'c'; it names a, b$"):
        TensorFlowServing("tensorflow/serving", "c").MakeDockerRunParams(str(tmp_path), True)


def test_a_version_is_asked_by_its_number_or_its_label() -> None:
    client = TensorFlowServing("tensorflow/serving", "m").MakeClient("127.0.0.1:1")
    assert client.predict_path(version="3") == "/v1/models/m/versions/3:predict"
    assert client.predict_path("n", "stable") == "/v1/models/n/labels/stable:predict"


def test_tensorflow_serving_opens_a_uri_itself() -> None:
    binary = TensorFlowServing("tensorflow/serving", "m")
    for uri in ("gs://bucket/m/7", "gs://bucket/m/7/", "gs://bucket/m"):
        params = binary.MakeDockerRunParams(uri, False)
        assert params["mounts"] == []
        assert "--model_base_path=gs://bucket/m" in params["command"]


def test_tensorflow_serving_tries_a_bad_model_only_once() -> None:
    command = TensorFlowServing("tensorflow/serving").MakeDockerRunParams("gs://b/m", False)["command"]
    assert "--max_num_load_retries=0" in command


def test_tensorflow_servings_endpoint_is_grpc_as_tfx_has_it() -> None:
    assert TensorFlowServing("x").container_port == 8500
    assert TensorFlowServing("x").ports == {"grpc": 8500, "http": 8501}
