"""KServe's Python servers: the protocols v1 and v2 on 8080, gRPC on 8081.

Facts: the arguments from kserve/kserve ``config/runtimes`` and ``python/kserve/kserve/model_server.py`` (which passes
over arguments that it does not know), loading before the ports open from the same and from ``python/sklearnserver``;
answers as seen with KServe 0.21.0.
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
_HINT = "--evidence DIR keeps the server's whole log"

_LOG_PATTERNS = (
    denied(_MODELS),
    LogPattern(
        r"failed to locate model file for model (?P<name>\S+?)(,|$| under)",
        "model-load-failed",
        "KServe finds no file of a model that it can load for {name!r}, and would run on without it",
        "put the model's file (model.joblib, model.bst, ...) right into MODEL",
        fatal=True,
    ),
    LogPattern(
        r"fail(ed)? to load model (?P<name>\S+) from dir (?P<path>\S+)\. (?P<reason>.*)",
        "model-load-failed",
        "KServe cannot load model {name!r}: {reason}",
        _HINT,
        fatal=True,
    ),
    LogPattern(
        r"NoModelReady: (?P<reason>.*)|No model ready",
        "model-load-failed",
        "KServe has no model that is ready",
        "set self.ready = True at the end of the model's load()",
    ),
    LogPattern(
        r"FileNotFoundError: .*'(?P<path>/mnt/models/[^']*)'",
        "model-load-failed",
        "KServe's server misses a file of the model: {path}",
        "compare the folder with what the code opens",
    ),
    LogPattern(
        r"ModuleNotFoundError: No module named '(?P<module>[^']+)'",
        "model-load-failed",
        "the image has no Python module {module!r}, which the model or its server needs",
        "install it in the image",
    ),
)


class KServe(ServingBinary):
    """A server of KServe's (``kserve/sklearnserver`` and kin), or one's own made with its Python package.

    The folder is mounted at ``/mnt/models``. The image's entrypoint is given ``--model_name``, ``--model_dir`` and
    ``--http_port``, as KServe itself does it.
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
    """A body with ``instances`` goes to v1's ``:predict``, any other to v2's ``infer``."""

    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        """By v1, which servers before v2 have too. The models are loaded before the port opens, so one that is not
        known then never will be."""
        answer = self._state_of(_v1(name), deadline)
        if isinstance(answer, Readiness):
            return answer
        try:
            record = answer.json()
        except ValueError:
            record = None
        if answer.status == 200 and isinstance(record, dict) and record.get("ready") in (True, "True"):
            return Readiness(ModelState.AVAILABLE)
        if answer.status == 404:
            detail = f"the server does not know it ({error_text(answer)}); models listed: {self._listed()}"
            return Readiness(ModelState.UNAVAILABLE, detail, "model-not-found")
        return Readiness(ModelState.NOT_READY, f"HTTP {answer.status}: {error_text(answer)}")

    def ready_path(self) -> str:
        return _v1(self.model_name)

    def path_of(self, message: RequestBody) -> str:
        if isinstance(message.body, dict) and "instances" in message.body:
            return f"{_v1(message.model_name or self.model_name)}:predict"
        return super().path_of(message)

    def _listed(self) -> str:
        names = self._get_object("/v1/models").get("models")
        return ", ".join(str(name) for name in names) if isinstance(names, list) and names else "none"


def _v1(name: str) -> str:
    return f"/v1/models/{quote(name, safe='')}"
