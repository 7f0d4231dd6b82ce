"""KServe's servers: how they are run, when they are ready, how they are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ivdocker.servers.client import ModelState, RequestBody
from tests.unit.loopback import model_server
from tests.unit.servers.helpers import AVAILABLE, NOT_READY, UNAVAILABLE, client_of, look, mounted, params, put


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
