"""Vertex AI's contract, and its server whose processes die."""

from __future__ import annotations

from pathlib import Path

from ivdocker.servers import registry
from ivdocker.servers.client import Endpoint, Readiness
from tests.unit.loopback import model_server
from tests.unit.servers.helpers import AVAILABLE, NOT_READY, UNAVAILABLE, look, mounted, params, put


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
