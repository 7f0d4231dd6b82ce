"""Any other HTTP server: a path that answers 200 once the model is loaded, and one that takes requests."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ivdocker import clock
from ivdocker.servers.base import BY_USER, DockerRunParams, Selection, ServingBinary, bind
from ivdocker.servers.client import BaseModelServerClient, error_text
from ivdocker.servers.records import ModelState, Readiness, Routes
from ivdocker.text import one_line

_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(: |:?\s*$)")


class Http(ServingBinary):
    """A server of one's own. It listens on ``--port`` and answers on ``--ready-path`` and ``--predict-path``.

    The folder is mounted at ``/models/NAME``; MODEL_NAME and MODEL_PATH say so to the server. A URI is its MODEL_PATH.
    """

    kind = "http"
    takes_routes = True

    def __init__(
        self, image: str, model_name: str = "model", models: Sequence[str] = (), selection: Selection = BY_USER
    ) -> None:
        super().__init__(image, model_name, models, selection)
        self._routes = selection.routes or Routes()
        self.ports = {"http": self._routes.port}

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        path = f"/models/{self.model_name}" if needs_mount else model_path
        return {
            "image": self.image,
            "environment": {"MODEL_NAME": self.model_name, "MODEL_PATH": path},
            "mounts": [bind(model_path, path)] if needs_mount else [],
        }

    def MakeClient(self, endpoint: str) -> HttpClient:
        return HttpClient(endpoint, self.model_name, self._routes)


class HttpClient(BaseModelServerClient):
    """Two paths: it is ready when the one answers 2xx, and the other takes requests. One model, which has no name."""

    def __init__(self, endpoint: str, model_name: str, routes: Routes) -> None:
        super().__init__(endpoint, model_name)
        self._routes = routes

    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        answer = self._state_of(self._routes.ready, deadline)
        if isinstance(answer, Readiness):
            return answer
        if 200 <= answer.status < 300:
            return Readiness(ModelState.AVAILABLE)
        return Readiness(ModelState.NOT_READY, f"HTTP {answer.status} on {self._routes.ready}: {error_text(answer)}")

    def ready_path(self) -> str:
        return self._routes.ready

    def predict_path(self, model_name: str | None = None, version: str | None = None) -> str:
        return self._routes.predict


def exception_in(log: str) -> str:
    """The exception that a Python traceback in this log ends with, in one line; "an exception" where none is.

    Where its message begins with a line break, the message's first line that is not empty is the next one.
    """
    lines = log.splitlines()
    start = next((at for at, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")), 0)
    told = [line for line in lines[start + 1 :] if line.strip()]
    at = next((at for at, line in enumerate(told) if _EXCEPTION.match(line)), None)
    if at is None:
        return "an exception"
    words = told[at : at + 2] if told[at].rstrip().endswith(":") else told[at : at + 1]
    return one_line(" ".join(words))
