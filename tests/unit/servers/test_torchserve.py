"""TorchServe: how it is run and when it is ready."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.servers import registry
from ivdocker.servers.client import Endpoint, Readiness
from tests.unit.loopback import model_server
from tests.unit.servers.helpers import AVAILABLE, NOT_READY, UNAVAILABLE, look, mounted, params, put


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
