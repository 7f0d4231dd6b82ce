"""L3. Vertex AI's contract for containers: AIP_HTTP_PORT, AIP_HEALTH_ROUTE, AIP_PREDICT_ROUTE, AIP_STORAGE_URI.

Facts from the Vertex AI documentation, "Custom container requirements for inference"; port and routes are those that
Google's own local runner sets (googleapis/python-aiplatform ``google/cloud/aiplatform/prediction/local_endpoint.py``),
and so is the model's folder as AIP_STORAGE_URI.
"""

from __future__ import annotations

from types import MappingProxyType

from ivdocker.serving.base import DockerRunParams, ServingBinary, Signs, bind
from ivdocker.serving.client import Routes
from ivdocker.serving.generic import HttpClient

_ROUTES = Routes(8080, "/health", "/predict")


class Vertex(ServingBinary):
    """An image for Vertex AI's endpoints. The folder is mounted at ``/models/NAME``; a URI is passed on."""

    kind = "vertex"
    ports = MappingProxyType({"http": _ROUTES.port})
    signs = Signs(variables=("AIP_HTTP_PORT", "AIP_HEALTH_ROUTE", "AIP_PREDICT_ROUTE"))

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        place = f"/models/{self.model_name}" if needs_mount else model_path
        environment = {
            "AIP_HTTP_PORT": str(_ROUTES.port),
            "AIP_HEALTH_ROUTE": _ROUTES.ready,
            "AIP_PREDICT_ROUTE": _ROUTES.predict,
            "AIP_STORAGE_URI": place,
        }
        mounts = [bind(model_path, place)] if needs_mount else []
        return {"image": self.image, "environment": environment, "mounts": mounts}

    def MakeClient(self, endpoint: str) -> HttpClient:
        return HttpClient(endpoint, self.model_name, _ROUTES)
