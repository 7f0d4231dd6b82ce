"""Vertex AI's contract for containers: AIP_HTTP_PORT, AIP_HEALTH_ROUTE, AIP_PREDICT_ROUTE, AIP_STORAGE_URI.

Facts: the contract is in the Vertex AI documentation, "Custom container requirements for inference". The port, the
routes and the model's folder as AIP_STORAGE_URI are what Google's own local runner sets (googleapis/python-aiplatform
``google/cloud/aiplatform/prediction/local_endpoint.py``). Google's own server, ``google.cloud.aiplatform.prediction``,
copies the folder into its working directory, which must be writable. Log lines and responses are those of
google-cloud-aiplatform 2.7.0.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import ClassVar

from ivdocker import clock
from ivdocker.servers.base import DockerRunParams, Fingerprint, ServingBinary, bind
from ivdocker.servers.generic import HttpClient, exception_in
from ivdocker.servers.records import ModelState, Readiness, Routes

_RAISED = re.compile(r"^Process SpawnProcess-\d+:\s*$", re.MULTILINE)
_DIED = re.compile(r"Child process \[\d+\] died")
_SLOW = "with --env VERTEX_CPR_WEB_CONCURRENCY=1 it runs one process, which may start as slowly as it needs"
_ROUTES = Routes(8080, "/health", "/predict")


class Vertex(ServingBinary):
    """An image for Vertex AI's endpoints. The folder is mounted at ``/models/NAME``; a URI is passed on unchanged."""

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
    """A client of Vertex AI's contract.

    Google's own server runs a process for each CPU, each with the model. It endlessly restarts a process that raises an
    exception while it loads the model. It does the same to a process that does not answer its parent within five
    seconds, which on a busy machine happens with a good model too. Only the log shows which of the two it is.
    """

    chooses_path = False

    answer_types: ClassVar[tuple[str, ...]] = ()

    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        readiness = super().probe_model(name, deadline)
        log = "" if readiness.state is ModelState.AVAILABLE else self.endpoint.log() or ""
        raised = _RAISED.search(log)
        # The traceback is complete once the log says that the process has died.
        if raised and _DIED.search(log, raised.end()):
            text = f"the processes that load it die and are restarted endlessly: {exception_in(log[raised.end() :])}"
            return Readiness(ModelState.UNAVAILABLE, text)
        died = len(_DIED.findall(log))
        if not died:
            return readiness
        return readiness._replace(detail=f"{readiness.detail}; processes of the server that died: {died}; {_SLOW}")
