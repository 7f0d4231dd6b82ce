"""KServe's Python servers: the protocols v1 and v2 on port 8080, gRPC on 8081.

Facts: the arguments are those of kserve/kserve ``config/runtimes`` and ``python/kserve/kserve/model_server.py`` (which
ignores arguments that it does not know). There and in ``python/sklearnserver`` the models are loaded before the ports
open. Responses are those of KServe 0.21.0.
"""

from __future__ import annotations

from types import MappingProxyType
from urllib.parse import quote

from ivdocker import clock
from ivdocker.servers.base import DockerRunParams, Fingerprint, LogPattern, ServingBinary, bind_folder, denied
from ivdocker.servers.client import error_text
from ivdocker.servers.open_inference import OpenInferenceClient
from ivdocker.servers.records import ModelState, Readiness, RequestBody

_MODELS = "/mnt/models"

_LOG_PATTERNS = (
    denied(_MODELS),
    LogPattern(
        r"failed to locate model file for model (?P<name>\S+?)(,|$| under)",
        "model-load-failed",
        "KServe finds no model file that it can load for {name!r}, and keeps running without the model",
        "put the model's file (model.joblib, model.bst, ...) directly into the folder MODEL",
        fatal=True,
    ),
    LogPattern(
        r"fail(ed)? to load model (?P<name>\S+) from dir (?P<path>\S+)\. (?P<reason>.*)",
        "model-load-failed",
        "KServe cannot load model {name!r}: {reason}",
        "",
        fatal=True,
        names_cause=False,
    ),
    LogPattern(
        r"NoModelReady: (?P<reason>.*)|No model ready",
        "model-load-failed",
        "KServe has no model that is ready",
        "set self.ready = True at the end of the model's load()",
        names_cause=False,
    ),
    LogPattern(
        r"FileNotFoundError: .*'(?P<path>/mnt/models/[^']*)'",
        "model-load-failed",
        "KServe's server cannot find the file {path}",
        "compare the model's folder with the files that the code opens",
        position="exception",
        min_level="error",
    ),
    LogPattern(
        r"ModuleNotFoundError: No module named '(?P<module>[^']+)'",
        "model-load-failed",
        "the Python module {module!r}, which the model or its server needs, is not installed in the image",
        "install it in the image",
        position="exception",
        min_level="error",
    ),
)


class KServe(ServingBinary):
    """One of KServe's images (``kserve/sklearnserver`` and similar), or your own server made with its Python package.

    The folder is mounted at ``/mnt/models``. The image's entrypoint gets the arguments ``--model_name``,
    ``--model_dir`` and ``--http_port``, as it does from KServe itself.
    """

    kind = "kserve"
    ports = MappingProxyType({"http": 8080, "grpc": 8081})
    log_patterns = _LOG_PATTERNS
    fingerprint = Fingerprint(program=r"-m (sklearn|xgb|lgb|pmml|paddle|huggingface)server\b|\bkserve\b")

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        return {
            "image": self.image,
            "command": [f"--model_name={self.model_name}", f"--model_dir={_MODELS}", "--http_port=8080"],
            "mounts": bind_folder(self, model_path, needs_mount, _MODELS),
        }

    def MakeClient(self, endpoint: str) -> KServeClient:
        return KServeClient(endpoint, self.model_name, self.models)


class KServeClient(OpenInferenceClient):
    """A client of KServe's server. A body with ``instances`` goes to v1's ``:predict``, any other to v2's ``infer``."""

    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        """Probe by protocol v1, which older servers have too.

        The models are loaded before the port opens, so a model that the server does not know then is UNAVAILABLE.
        """
        response = self._state_of(_v1(name), deadline)
        if isinstance(response, Readiness):
            return response
        try:
            record = response.json()
        except ValueError:
            record = None
        if response.status == 200 and isinstance(record, dict) and record.get("ready") in (True, "True"):
            return Readiness(ModelState.AVAILABLE)
        if response.status == 404:
            detail = f"the server does not know it ({error_text(response)}); models listed: {self._model_list()}"
            return Readiness(ModelState.UNAVAILABLE, detail, "model-not-found")
        return Readiness(ModelState.NOT_READY, f"HTTP {response.status}: {error_text(response)}")

    def ready_path(self) -> str:
        return _v1(self.model_name)

    def path_of(self, request: RequestBody) -> str:
        if isinstance(request.body, dict) and "instances" in request.body:
            return f"{_v1(request.model_name or self.model_name)}:predict"
        return super().path_of(request)

    def _model_list(self) -> str:
        names = self._get_object("/v1/models").get("models")
        return ", ".join(str(name) for name in names) if isinstance(names, list) and names else "none"


def _v1(name: str) -> str:
    return f"/v1/models/{quote(name, safe='')}"
