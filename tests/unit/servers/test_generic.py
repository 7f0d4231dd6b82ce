"""Any other server: it has the port and the paths that it is said to have."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivdocker.errors import UsageError
from ivdocker.servers.client import ModelState, Routes
from ivdocker.servers.mlflow import MLflow
from tests.unit.loopback import model_server
from tests.unit.servers.helpers import AVAILABLE, NOT_READY, client_of, look, made, put


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
