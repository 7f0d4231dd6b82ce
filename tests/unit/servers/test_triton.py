"""Triton: how it is run, when it is ready, which inputs it tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ivdocker.model_path import ModelPath
from ivdocker.servers.client import ModelState, Readiness, Tensor
from ivdocker.servers.triton import Triton, TritonClient
from ivdocker.validation.attempt import ready_text
from tests.unit.loopback import model_server
from tests.unit.servers.helpers import CONFIG, TRITON_CONFIG, TRITON_METADATA, look, triton_model, v2_tensor

READY = "GET /v2/models/m/ready"
INDEX = "POST /v2/repository/index"


def triton(index: Any, ready: int = 200, status: int = 200) -> Readiness:
    with model_server() as server:
        server.on(READY, b"", ready).on(INDEX, index, status)
        return look(TritonClient(server.endpoint, "m"))


def entry(name: str = "m", state: str = "READY", reason: str = "") -> dict[str, str]:
    return {"name": name, "version": "1", "state": state, "reason": reason}


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
        waiting, ready = look(client), look(client)
    assert (waiting.state, ready.state) == (ModelState.NOT_READY, ModelState.AVAILABLE)
    assert "'b'" in waiting.detail
    assert client.models == ("m", "b")
    assert ready_text(client.models) == "models m, b are ready"


def test_tritons_inputs_are_those_of_its_metadata() -> None:
    with model_server() as server:
        server.on("GET /v2/models/m", {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]})
        assert TritonClient(server.endpoint, "m").inputs() == [Tensor("x", "FP32", (-1, 2))]


UNNAMED = CONFIG.partition("\n")[2]


def triton_targets(path: Path) -> dict[str, str]:
    model = ModelPath(str(path))
    params = Triton("tritonserver", Triton.model_names(model)[0]).MakeDockerRunParams(str(path), True)
    assert all(mount["ReadOnly"] for mount in params["mounts"])
    assert "--model-repository=/models" in params["command"]
    return {mount["Source"]: mount["Target"] for mount in params["mounts"]}


def test_a_triton_model_is_mounted_into_a_repository_under_the_name_of_its_configuration(tmp_path: Path) -> None:
    path = triton_model(tmp_path, "whatever")
    assert triton_targets(path) == {str(path): "/models/linear"}


def test_a_triton_version_is_mounted_with_the_configuration_beside_it(tmp_path: Path) -> None:
    path = triton_model(tmp_path, "linear")
    targets = triton_targets(path / "1")
    assert targets == {
        str(path / "1"): "/models/linear/1",
        str(path / "config.pbtxt"): "/models/linear/config.pbtxt",
    }


def test_a_triton_version_without_a_configuration_is_mounted_alone(tmp_path: Path) -> None:
    path = triton_model(tmp_path, "m", None)
    assert triton_targets(path / "1") == {str(path / "1"): "/models/m/1"}


def test_a_triton_repository_is_mounted_as_it_is(tmp_path: Path) -> None:
    triton_model(tmp_path, "linear")
    triton_model(tmp_path, "other", CONFIG.replace("linear", "other"))
    assert triton_targets(tmp_path) == {str(tmp_path): "/models"}
    assert Triton.model_names(ModelPath(str(tmp_path)))[0] == "linear"


def test_triton_opens_a_uri_itself() -> None:
    params = Triton("tritonserver", "m").MakeDockerRunParams("s3://bucket/repository", False)
    assert params["mounts"] == []
    assert "--model-repository=s3://bucket/repository" in params["command"]


def test_a_triton_model_without_a_configuration_has_its_folders_name(tmp_path: Path) -> None:
    assert Triton.model_names(ModelPath(str(triton_model(tmp_path, "plain", None))))[0] == "plain"


def test_a_name_inside_a_configuration_is_not_the_models_name(tmp_path: Path) -> None:
    """'name' may be left out at the top; the first one is then an input's."""
    path = triton_model(tmp_path, "plain", UNNAMED)
    assert Triton.model_names(ModelPath(str(path)))[0] == "plain"


def test_a_name_in_a_comment_is_not_the_models_name(tmp_path: Path) -> None:
    path = triton_model(tmp_path, "plain", '# name: "old"\nbackend: "python"\n')
    assert Triton.model_names(ModelPath(str(path)))[0] == "plain"


def test_tritons_endpoint_is_http() -> None:
    assert Triton("x").container_port == 8000
    assert Triton("x").ports == {"http": 8000, "grpc": 8001, "metrics": 8002}


def test_a_triton_client_reads_inputs_outputs_and_the_largest_batch() -> None:
    with model_server() as server:
        inputs = [v2_tensor("a", "FP32", -1), v2_tensor("b", "BYTES", 1)]
        server.on(TRITON_METADATA, {"inputs": inputs, "outputs": [v2_tensor("y", "FP32", -1)]})
        server.on(TRITON_CONFIG, {"max_batch_size": 0})
        client = TritonClient(server.endpoint, "m")
        assert client.inputs() == [Tensor("a", "FP32", (-1,)), Tensor("b", "BYTES", (1,))]
        assert client.outputs() == [Tensor("y", "FP32", (-1,))]
        assert client.max_batch_size() == 0
