"""The Open Inference Protocol, version 2, which Triton, MLServer, KServe and OpenVINO Model Server speak.

Facts: the paths ``/v2/models/M/ready``, ``/v2/models/M`` and ``/v2/models/M/infer`` are those of the specification
(kserve/open-inference-protocol ``specification/protocol/inference_rest.md``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from ivdocker import clock, http
from ivdocker.errors import UsageError
from ivdocker.servers import ready_body
from ivdocker.servers.client import BaseModelServerClient, error_text
from ivdocker.servers.records import ModelState, Readiness, RequestBody, Tensor


class OpenInferenceClient(BaseModelServerClient):
    """A client that probes each model: ``/v2/health/ready`` also says that a server without any model is ready."""

    unknown_s: ClassVar[float] = 0.0
    """Seconds during which the server may answer 404 for a model that it is about to load."""

    _unknown_for: clock.Stopwatch | None = None

    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        response = self._state_of(f"{self._path(name)}/ready", deadline)
        if isinstance(response, Readiness):
            return response
        if response.status == 404:
            return self._unknown(response)
        self._unknown_for = None
        if response.status == 200:
            return ready_body.judge(response)
        text = error_text(response)
        return Readiness(ModelState.NOT_READY, f"HTTP {response.status}{f': {text}' if text else ''}")

    def ready_path(self) -> str:
        return f"{self._path()}/ready"

    def predict_path(self, model_name: str | None = None, version: str | None = None) -> str:
        return f"{self._path(model_name)}{f'/versions/{version}' if version else ''}/infer"

    def inputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        return self._tensors("inputs", model_name)

    def outputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        return self._tensors("outputs", model_name)

    def volatile_paths(self, request: RequestBody) -> tuple[str, ...]:
        """The id: MLServer and KServe invent one for a request that has none."""
        has_id = isinstance(request.body, dict) and "id" in request.body
        return () if has_id else ("$.id",)

    def request_body(self, values: Mapping[str, Any], inputs: list[Tensor], model_name: str | None = None) -> Any:
        if not inputs:
            raise UsageError(
                "the server does not report the types and shapes of the model's inputs; give whole request bodies"
            )
        return {"inputs": [_input(tensor, values[tensor.name]) for tensor in inputs]}

    def _tensors(self, key: str, model_name: str | None) -> list[Tensor]:
        record = self._metadata(self._path(model_name))
        try:
            return [Tensor(t["name"], t["datatype"], tuple(int(size) for size in t["shape"])) for t in record[key]]
        except (LookupError, TypeError, ValueError):
            return []

    def _path(self, model_name: str | None = None) -> str:
        return f"/v2/models/{quote(model_name or self.model_name, safe='')}"

    def _unknown(self, response: http.Response) -> Readiness:
        self._unknown_for = self._unknown_for or clock.Stopwatch()
        detail = f"the server does not know it ({error_text(response)})"
        is_final = self._unknown_for.seconds >= self.unknown_s
        return Readiness(ModelState.UNAVAILABLE if is_final else ModelState.NOT_READY, detail, "model-not-found")


def _input(tensor: Tensor, data: Any) -> dict[str, Any]:
    shape, inner = [], data
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner else None
    return {"name": tensor.name, "shape": shape, "datatype": tensor.datatype, "data": data}
