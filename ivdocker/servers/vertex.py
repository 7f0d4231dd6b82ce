"""Vertex AI's contract for containers: AIP_HTTP_PORT, AIP_HEALTH_ROUTE, AIP_PREDICT_ROUTE, AIP_STORAGE_URI.

Facts from the Vertex AI documentation, "Custom container requirements for inference"; port and routes are those that
Google's own local runner sets (googleapis/python-aiplatform ``google/cloud/aiplatform/prediction/local_endpoint.py``),
and so is the model's folder as AIP_STORAGE_URI. Google's own server, ``google.cloud.aiplatform.prediction``, copies a
folder into its working directory, which must be writable; the rest as seen with google-cloud-aiplatform 2.7.0.
"""

from __future__ import annotations

import re
from types import MappingProxyType

from ivdocker import clock
from ivdocker.servers.base import DockerRunParams, Fingerprint, ServingBinary, bind
from ivdocker.servers.generic import HttpClient, exception_in
from ivdocker.servers.records import ModelState, Readiness, Routes

_RAISED = re.compile(r"^Process SpawnProcess-\d+:\s*$", re.MULTILINE)
_DIED = re.compile(r"Child process \[\d+\] died")
_SLOW = "VERTEX_CPR_WEB_CONCURRENCY=1 has it run one, for which nobody waits impatiently"
_ROUTES = Routes(8080, "/health", "/predict")


class Vertex(ServingBinary):
    """An image for Vertex AI's endpoints. The folder is mounted at ``/models/NAME``; a URI is passed on."""

    kind = "vertex"
    ports = MappingProxyType({"http": _ROUTES.port})
    fingerprint = Fingerprint(
        program=r"google\.cloud\.aiplatform\.prediction",
        variables=("AIP_HTTP_PORT", "AIP_HEALTH_ROUTE", "AIP_PREDICT_ROUTE"),
    )

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

    def MakeClient(self, endpoint: str) -> VertexClient:
        return VertexClient(endpoint, self.model_name, _ROUTES)


class VertexClient(HttpClient):
    """Google's own server runs a process for each CPU, each with the model. One that raises while it loads the model is
    started again for ever; so is one that needs more than five seconds before it answers its parent, which on a busy
    machine happens to a good model too. Only the log tells them apart."""

    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        seen = super().probe_model(name, deadline)
        log = "" if seen.state is ModelState.AVAILABLE else self.endpoint.log() or ""
        raised = _RAISED.search(log)
        # Once it is dead its traceback is whole.
        if raised and _DIED.search(log, raised.end()):
            text = f"the processes that load it die and are started again for ever: {exception_in(log[raised.end() :])}"
            return Readiness(ModelState.UNAVAILABLE, text)
        died = len(_DIED.findall(log))
        return seen._replace(detail=f"{seen.detail}; {died} of its processes died: {_SLOW}") if died else seen
