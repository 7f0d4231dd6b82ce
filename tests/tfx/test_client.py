"""The client that speaks TFX's messages, with a gRPC server in this process in place of TensorFlow Serving."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tfx.components.infra_validator import error_types

import ivdocker
from ivdocker.servers.records import Endpoint, ModelState
from ivdocker.tfx import client as tfx_client
from tests.tfx.slow_link import SlowLink

grpc = pytest.importorskip("grpc")
pytestmark = pytest.mark.tfx


class Server:
    """``states``: those of the model's versions. ``answer``: what happens at a request."""

    def __init__(self) -> None:
        self.states: list[str] = ["AVAILABLE"]
        self.answer: Callable[[Any], object] = str
        self._server = grpc.server(ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler("tensorflow.serving.ModelService", self._models()),
                grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", self._predictions()),
            ]
        )
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def stop(self) -> None:
        self._server.stop(grace=0).wait()

    def _models(self) -> dict[str, Any]:
        from tensorflow_serving.apis import get_model_status_pb2

        def status(_request: bytes, _context: Any) -> bytes:
            response = get_model_status_pb2.GetModelStatusResponse()
            for number, state in enumerate(self.states, 1):
                version = response.model_version_status.add(version=number)
                version.state = get_model_status_pb2.ModelVersionStatus.State.Value(state)
            return bytes(response.SerializeToString())

        return {"GetModelStatus": grpc.unary_unary_rpc_method_handler(status)}

    def _predictions(self) -> dict[str, Any]:
        def predict(_request: bytes, context: Any) -> bytes:
            self.answer(context)
            return b""

        return {name: grpc.unary_unary_rpc_method_handler(predict) for name in ("Predict", "Classify", "Regress")}


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.stop()


def client_of(port: int, check: Callable[[], None] = lambda: None) -> tfx_client.TensorFlowServingClient:
    address = f"127.0.0.1:{port}"
    return tfx_client.TensorFlowServingClient(Endpoint(address, {"grpc": address}, check), "m")


def request() -> Any:
    from tensorflow_serving.apis import predict_pb2

    return predict_pb2.PredictRequest()


@pytest.mark.parametrize(
    ("states", "judged"),
    [
        ([], ModelState.NOT_READY),
        (["AVAILABLE"], ModelState.AVAILABLE),
        (["AVAILABLE", "AVAILABLE"], ModelState.AVAILABLE),
        (["AVAILABLE", "LOADING"], ModelState.NOT_READY),
        (["AVAILABLE", "UNLOADING"], ModelState.NOT_READY),
        (["AVAILABLE", "END"], ModelState.UNAVAILABLE),
        (["LOADING", "END"], ModelState.UNAVAILABLE),
    ],
)
def test_the_versions_are_judged_as_tfx_judges_them(states: list[str], judged: ModelState, server: Server) -> None:
    server.states = states
    assert client_of(server.port).GetModelState() is judged


def test_a_ready_server_at_the_end_of_a_slow_link_is_ready(server: Server) -> None:
    """As an engine on another machine, or on a busy one."""
    with SlowLink(server.port, seconds=0.2) as link:
        client_of(link.port).WaitUntilModelLoaded(time.time() + 30)


def test_a_server_that_opens_its_port_late_is_noticed_soon() -> None:
    """gRPC by itself would wait for seconds between two attempts to connect."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    client = client_of(port)
    for _ in range(20):
        assert client.GetModelState() is ModelState.NOT_READY
    # SO_REUSEPORT is gRPC's default: nobody else is there.
    late = grpc.server(ThreadPoolExecutor(1))
    assert late.add_insecure_port(f"127.0.0.1:{port}") == port
    late.start()
    try:
        deadline = time.monotonic() + 30
        while "UNIMPLEMENTED" not in client.probe(ivdocker.clock.Deadline.after(1)).detail:
            assert time.monotonic() < deadline
    finally:
        late.stop(grace=0).wait()


def test_a_refused_request_tells_status_and_details_in_one_line(server: Server) -> None:
    server.answer = lambda context: context.abort(grpc.StatusCode.INVALID_ARGUMENT, "input size\ndoes not match")
    with pytest.raises(error_types.ValidationFailed) as caught:
        client_of(server.port).SendRequests([request()])
    assert str(caught.value) == "request-failed: request 1 (Predict): INVALID_ARGUMENT: input size does not match"
    assert isinstance(caught.value, ivdocker.ValidationFailed)


def test_a_request_without_an_answer_is_no_reason_to_advise_a_longer_loading_time(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tfx_client, "REQUEST_TIMEOUT_S", 0.2)
    server.answer = lambda _context: time.sleep(1)
    with pytest.raises(error_types.ValidationFailed, match="request-timeout: request 1") as caught:
        client_of(server.port).SendRequests([request()])
    assert not isinstance(caught.value, error_types.DeadlineExceeded)


@pytest.mark.parametrize("status", ["UNAVAILABLE", "CANCELLED"])
def test_a_server_that_ends_during_a_request_is_not_blamed_on_the_request(status: str, server: Server) -> None:
    """The engine tells of the end a moment later than the connection."""
    looks: list[int] = []

    def check() -> None:
        looks.append(1)
        if len(looks) > 1:
            raise ivdocker.JobAborted("the server ended")

    server.answer = lambda context: context.abort(grpc.StatusCode[status], "Socket closed")
    with pytest.raises(error_types.JobAborted, match="the server ended"):
        client_of(server.port, check).SendRequests([request()])


def test_a_request_that_the_client_cannot_send_is_no_verdict_on_the_model(server: Server) -> None:
    with pytest.raises(error_types.GracefulShutdown, match="request 1 is a dict; TFX's requests are: ") as caught:
        client_of(server.port).SendRequests([{"instances": [1.0]}])
    assert isinstance(caught.value, ivdocker.UsageError)
