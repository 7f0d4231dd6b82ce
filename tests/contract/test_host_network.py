"""In the host's network any process may listen on the server's ports: its answers are not the model's."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType

import pytest

import ivdocker
from ivdocker import EnvironmentFailed, TensorFlowServing
from ivdocker.servers.base import DockerRunParams
from tests.conftest import Engine, ModelFactory, wait_until
from tests.contract.conftest import MODEL_NAME, RunnerFactory, soon
from tests.unit.loopback import free_port

pytestmark = pytest.mark.parametrize("engine", ["docker"], indirect=True)

IMPOSTOR = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK"}}]}'
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


class OnHost(TensorFlowServing):
    """It listens on a port of its own, so that tests can run side by side."""

    def __init__(self, image: str, port: int) -> None:
        super().__init__(image, MODEL_NAME)
        self.ports = MappingProxyType({"grpc": free_port(), "http": port})

    @property
    def container_port(self) -> int:
        return self.ports["grpc"]

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        params = super().MakeDockerRunParams(model_path, needs_mount)
        flags = [f"--rest_api_port={self.ports['http']}", f"--port={self.ports['grpc']}"]
        return {**params, "command": [*params.get("command", []), *flags]}


@contextmanager
def impostor(port: int) -> Iterator[None]:
    """Another process that answers like a server with a model that is ready."""
    process = subprocess.Popen([sys.executable, "-c", IMPOSTOR, str(port)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(port))
        yield
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def load(runner: ivdocker.LocalDockerRunner, binary: OnHost) -> None:
    runner.Start()
    runner.WaitUntilRunning(soon())
    binary.MakeClient(runner.GetEndpoint()).WaitUntilModelLoaded(soon())


def test_a_server_that_has_its_port_is_ready(engine: Engine, model: ModelFactory, runner: RunnerFactory) -> None:
    binary = OnHost(engine.image, free_port())
    run = runner(model(load_seconds=0.3), binary=binary, network="host")
    load(run, binary)
    assert str(binary.ports["http"]) in (run.GetLogs() or "")


def test_a_taken_port_is_said_before_the_start(engine: Engine, model: ModelFactory, runner: RunnerFactory) -> None:
    binary = OnHost(engine.image, free_port())
    run = runner(model(), binary=binary, network="host")
    with impostor(binary.ports["http"]), pytest.raises(EnvironmentFailed, match=str(binary.ports["http"])) as caught:
        run.Start()
    assert caught.value.failure is not None
    assert caught.value.failure.code == "port-unavailable"
    assert engine.containers() == []


def test_the_answer_of_another_process_is_not_the_models(
    engine: Engine, model: ModelFactory, runner: RunnerFactory
) -> None:
    binary = OnHost(engine.image, free_port())
    run = runner(model(load_seconds=30), binary=binary, network="host")
    run.Start()
    run.WaitUntilRunning(soon())
    with impostor(binary.ports["http"]):
        client = binary.MakeClient(run.GetEndpoint())
        with pytest.raises(EnvironmentFailed, match=str(binary.ports["http"])):
            client.WaitUntilModelLoaded(soon())


def test_images_that_would_share_their_ports_do_not_run_side_by_side(engine: Engine, model: ModelFactory) -> None:
    options = ivdocker.RunOptions(network="host")
    with pytest.raises(ivdocker.UsageError, match="--jobs"):
        ivdocker.validate(model(), images=[engine.image, engine.image], jobs=2, options=options)
    assert engine.containers() == []
