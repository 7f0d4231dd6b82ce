"""Any other server: it has the port and the paths that it is said to have."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.servers.records import ModelState, Routes
from ivdocker.servers.select import select_server
from tests.unit.loopback import model_server
from tests.unit.servers.helpers import AVAILABLE, NOT_READY, client_of, look, put


def test_any_other_server_has_the_port_and_paths_that_it_is_said_to_have(tmp_path: Path) -> None:
    model = put(tmp_path / "m", {"weights.bin": ""})
    binary = select_server("http", "team/server:1", model, routes=Routes(5000, "/up", "/score"))
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


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_ready_path_that_leads_elsewhere_is_the_callers(status: int) -> None:
    with model_server() as server:
        server.on("GET /health", b"/health/", status)
        with pytest.raises(UsageError, match=f"HTTP {status} on /health leads to /health/; give the path that answers"):
            client_of("http", server).WaitUntilModelLoaded(time.time() + 60)


def test_a_ready_path_that_a_contract_sets_is_not_the_callers() -> None:
    with model_server() as server:
        server.on("GET /ping", b"/login", 302)
        assert look(client_of("sagemaker", server)).state is NOT_READY


def test_routes_are_for_the_server_that_has_none_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--port, .* are for --server http; mlflow has its own"):
        select_server("mlflow", "x", ModelPath(str(tmp_path)), routes=Routes())
