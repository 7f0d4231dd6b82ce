"""Any other HTTP server: one path answers 2xx once the model is loaded, the other takes requests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from ivdocker import clock
from ivdocker.servers import ready_body
from ivdocker.servers.base import BY_USER, DockerRunParams, Selection, ServingBinary, bind
from ivdocker.servers.client import BaseModelServerClient, error_text
from ivdocker.servers.protocol import ANY_TYPE
from ivdocker.servers.records import ModelState, Readiness, Routes
from ivdocker.text import one_line

_REDIRECTS = (301, 302, 303, 307, 308)
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(: |:?\s*$)")


class Http(ServingBinary):
    """A server of your own, on the port and the paths of ``--port``, ``--ready-path`` and ``--predict-path``.

    The folder is mounted at ``/models/NAME``. The server finds that path in the variable MODEL_PATH, and the name in
    MODEL_NAME. When the model is a URI, MODEL_PATH is the URI.
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
    """A client of a server with one model and two paths: it is ready when the first answers 2xx, and the second takes
    the requests."""

    answer_types: ClassVar[tuple[str, ...]] = ANY_TYPE
    chooses_path = True
    """Whether ``--ready-path`` chooses the path of the readiness probe. Else the server's contract does."""

    def __init__(self, endpoint: str, model_name: str, routes: Routes) -> None:
        super().__init__(endpoint, model_name)
        self._routes = routes

    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        response = self._state_of(self._routes.ready, deadline)
        if isinstance(response, Readiness):
            return response
        if 200 <= response.status < 300:
            return ready_body.judge(response)
        text = f"HTTP {response.status} on {self._routes.ready}"
        if self.chooses_path and response.location and response.status in _REDIRECTS:
            remedy = "give the path that answers itself with --ready-path"
            return Readiness(ModelState.UNAVAILABLE, f"{text} leads to {response.location}", remedy=remedy)
        # A server may answer so until its model is loaded.
        remedy = "give a path that the server has with --ready-path"
        is_slip = self.chooses_path and response.status == 404
        return Readiness(ModelState.NOT_READY, f"{text}: {error_text(response)}", remedy=remedy if is_slip else "")

    def ready_path(self) -> str:
        return self._routes.ready

    def predict_path(self, model_name: str | None = None, version: str | None = None) -> str:
        return self._routes.predict


def exception_in(log: str) -> str:
    """The exception at the end of the first Python traceback in this log, in one line.

    When the exception's message begins with a line break, the next line that is not blank is taken for the message.
    Returns "an exception" when there is none.
    """
    lines = log.splitlines()
    start = next((at for at, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")), 0)
    rest = [line for line in lines[start + 1 :] if line.strip()]
    at = next((at for at, line in enumerate(rest) if _EXCEPTION.match(line)), None)
    if at is None:
        return "an exception"
    words = rest[at : at + 2] if rest[at].rstrip().endswith(":") else rest[at : at + 1]
    return one_line(" ".join(words))
