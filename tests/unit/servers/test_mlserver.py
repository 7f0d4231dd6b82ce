"""MLServer: how it is run and when it is ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivdocker.errors import UsageError
from ivdocker.servers.mlserver import MLServer
from ivdocker.servers.records import RequestBody
from tests.unit.loopback import model_server
from tests.unit.servers.helpers import AVAILABLE, NOT_READY, UNAVAILABLE, client_of, look, made, mounted, params, put

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


def test_an_id_that_the_server_invents_is_not_compared() -> None:
    with model_server() as server:
        client = client_of("mlserver", server)
        assert client.volatile_paths(RequestBody({"inputs": []})) == ("$.id",)
        assert client.volatile_paths(RequestBody({"id": "mine", "inputs": []})) == ()
