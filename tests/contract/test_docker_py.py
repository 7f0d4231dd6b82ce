"""A serving binary of the user's own, with docker-py's parameters: what docker inspect says of its container."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Engine, ModelFactory
from tests.contract.conftest import RunnerFactory
from tests.contract.test_tfx import TfxServingBinary

pytestmark = pytest.mark.parametrize("engine", ["docker"], indirect=True)


class Own(TfxServingBinary):
    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> dict[str, Any]:
        params = super().MakeDockerRunParams(model_path, needs_mount)
        params["environment"] = [f"{key}={value}" for key, value in params["environment"].items()]
        return params | {
            "labels": ["team"], "user": "0", "command": "--flag 'a b'", "mem_limit": "512m",
            "entrypoint": ["/usr/bin/tf_serving_entrypoint.sh"], "tmpfs": {"/scratch": "size=1m"},
        }  # fmt: skip


def test_the_engine_knows_all_of_it(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    run = runner(model() / "1", binary=Own(engine.image))
    run.Start()
    found = engine.state_of(engine.containers()[0])
    config = found["Config"]
    assert config["Labels"]["team"] == ""
    assert (config["User"], config["Cmd"]) == ("0", ["--flag", "a b"])
    assert config["Entrypoint"] == ["/usr/bin/tf_serving_entrypoint.sh"]
    assert "MODEL_BASE_PATH=/models" in config["Env"]
    assert found["HostConfig"]["Memory"] == 512 * 2**20
    assert found["HostConfig"]["Tmpfs"] == {"/scratch": "size=1m"}


@pytest.mark.parametrize(
    "setting",
    [
        {"client_base_url": "unix://var/run/docker.sock"},
        {"client_base_url": "http+unix:///var/run/docker.sock"},
        {"client_api_version": "auto"},
        {"host_ip_address": "localhost"},
    ],
)
def test_tfxs_documented_settings_work(
    setting: dict[str, str], engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    from tests.contract.conftest import soon
    from tests.contract.test_tfx import proto_spec

    run = runner(model() / "1", binary=TfxServingBinary(engine.image), spec=proto_spec(**setting))
    run.Start()
    run.WaitUntilRunning(soon())
    assert run.GetEndpoint().startswith("127.0.0.1:")
