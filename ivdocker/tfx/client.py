"""A client of TensorFlow Serving that takes TFX's requests: messages over gRPC. Importing this file imports gRPC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from ivdocker import clock
from ivdocker.errors import RequestFailed, RequestTimedOut, UsageError
from ivdocker.servers.client import REQUEST_TIMEOUT_S, BaseModelServerClient
from ivdocker.servers.records import ModelState, Readiness
from ivdocker.text import one_line
from ivdocker.tfx.errors import as_tfx_errors

_CHANNEL = (
    # The server is on this machine, or where the engine is.
    ("grpc.enable_http_proxy", 0),
    # gRPC would try to connect only once a second, and later ever more rarely.
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 100),
    # In spite of its name: how long one attempt to connect may take. An engine may be far away, or its machine busy.
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)
_METHODS = {
    "tensorflow.serving.PredictRequest": "Predict",
    "tensorflow.serving.ClassificationRequest": "Classify",
    "tensorflow.serving.RegressionRequest": "Regress",
}
_BROKEN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
"""A server that ends breaks off its calls with one of these."""


def make_client(serving_binary: Any, endpoint: str) -> TensorFlowServingClient:
    """The client in place of ``MakeClient`` of TFX's binary."""
    return TensorFlowServingClient(endpoint, serving_binary.MakeEnvVars()["MODEL_NAME"])


class TensorFlowServingClient(BaseModelServerClient):
    """Between two probes of the model, and when a request fails, it looks at the container.

    ``endpoint``: the runner's, which knows its container; a plain str is the address of the gRPC port.
    """

    def __init__(self, endpoint: str, model_name: str) -> None:
        super().__init__(endpoint, model_name)
        self._channel = grpc.insecure_channel(self.endpoint.grpc or str(endpoint), options=_CHANNEL)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def WaitUntilModelLoaded(self, deadline: float, polling_interval_sec: float | None = None) -> None:
        with as_tfx_errors():
            super().WaitUntilModelLoaded(deadline, polling_interval_sec)

    def SendRequests(self, requests: Sequence[Any]) -> None:
        """Send PredictRequest, ClassificationRequest and RegressionRequest messages one after another.

        Raises ValidationFailed at the first one that the server refuses or does not answer in 60 seconds, UsageError
        for another message, and what ``endpoint.check()`` raises when the server has ended.
        """
        with as_tfx_errors():
            for number, request in enumerate(requests, 1):
                self._send_message(request, number)

    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = name
        try:
            response = self._models.GetModelStatus(request, timeout=max(deadline.remaining, 0.001))
        except grpc.RpcError as error:
            return Readiness(ModelState.NOT_READY, f"the gRPC port answers {_text(error)}")
        return _readiness(response.model_version_status)

    def ready_path(self) -> str:
        return "/tensorflow.serving.ModelService/GetModelStatus"

    def predict_path(self, _model_name: str | None = None, _version: str | None = None) -> str:
        return "/tensorflow.serving.PredictionService/Predict"

    def _send_message(self, request: Any, number: int) -> None:
        kind = getattr(getattr(request, "DESCRIPTOR", None), "full_name", type(request).__name__)
        method = _METHODS.get(kind)
        if method is None:
            raise UsageError(f"request {number} is a {kind}; TFX's requests are: {', '.join(_METHODS)}")
        try:
            getattr(self._predictions, method)(request, timeout=REQUEST_TIMEOUT_S)
        except grpc.RpcError as error:
            is_late = error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            if is_late:
                self.endpoint.look()
            self._raise_if_ended(may_be_the_end=error.code() in _BROKEN)
            failed = RequestTimedOut if is_late else RequestFailed
            raise failed(f"request {number} ({method}): {_text(error)}") from error


def _readiness(statuses: Sequence[Any]) -> Readiness:
    """As TFX judges them: ready if every version is available, and never ready if one has ended."""
    states = {get_model_status_pb2.ModelVersionStatus.State.Name(each.state) for each in statuses}
    if states == {"AVAILABLE"}:
        return Readiness(ModelState.AVAILABLE)
    ended = [each for each in statuses if each.state == get_model_status_pb2.ModelVersionStatus.END]
    if ended:
        reason = one_line(ended[0].status.error_message) or "no error message"
        return Readiness(ModelState.UNAVAILABLE, f"version {ended[0].version} is in state END: {reason}")
    return Readiness(ModelState.NOT_READY, f"state {', '.join(sorted(states)) or 'unknown: no version is listed'}")


def _text(error: Any) -> str:
    return f"{error.code().name}: {one_line(error.details() or '')}"
