"""MLServer: the Open Inference Protocol v2 on port 8080, gRPC on 8081, metrics on 8082.

Facts from SeldonIO/MLServer: the image's environment and command are in ``Dockerfile`` (1.4 to 1.7). The server
searches for ``model-settings.json`` at any depth; where there is none, it takes the model from the variables
``MLSERVER_MODEL_*`` (``mlserver/repository/repository.py``, ``mlserver/settings.py``). Readiness and log lines are
those of MLServer 1.7.1.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from ivdocker import clock
from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.servers.base import SAVE_LOG, DockerRunParams, Fingerprint, LogPattern, ServingBinary, bind_folder, denied
from ivdocker.servers.open_inference import OpenInferenceClient
from ivdocker.servers.records import ModelState, Readiness

_MODELS = "/mnt/models"
"""The value of MLSERVER_MODELS_DIR in the official image."""

_SETTINGS = "model-settings.json"

_LOG_PATTERNS = (
    denied(_MODELS),
    LogPattern(
        r"There is no current event loop in thread",
        "container-exited",
        "MLServer's inference workers do not start: this image's uvloop is too new for them",
        "build the image with uvloop < 0.22, or run with --env MLSERVER_PARALLEL_WORKERS=0",
        position="exception",
    ),
    LogPattern(
        r"Failed load model settings at (?P<path>\S+?)\.?$",
        "model-load-failed",
        "MLServer cannot read {path}, and keeps running without the model",
        "the file must be valid JSON with a name and an implementation; the server's log says what is wrong",
        fatal=True,
    ),
    LogPattern(
        r"InvalidModelURI: (?P<reason>.*)",
        "model-load-failed",
        "MLServer does not find the model's file: {reason}",
        "parameters.uri in model-settings.json is relative to that file's folder",
        position="exception",
    ),
    LogPattern(
        r"ModuleNotFoundError: No module named '(?P<module>[^']+)'",
        "model-load-failed",
        "the Python module {module!r}, which the model or its runtime needs, is not installed in the image",
        "install it in the image, or use an image that has the model's runtime",
        position="exception",
        min_level="error",
    ),
    LogPattern(
        r"Couldn't load model '(?P<name>[^']+)'",
        "model-load-failed",
        "MLServer cannot load model {name!r}",
        f"the traceback in the server's log names the cause; {SAVE_LOG}",
        fatal=True,
        names_cause=False,
    ),
)


class MLServer(ServingBinary):
    """The ``seldonio/mlserver`` image, or one made from it.

    The folder is mounted at ``/mnt/models``. Each ``model-settings.json`` in it is a model. A folder without such a
    file is a single model, whose implementation ``--env MLSERVER_MODEL_IMPLEMENTATION=...`` names.
    """

    kind = "mlserver"
    ports = MappingProxyType({"http": 8080, "grpc": 8081, "metrics": 8082})
    log_patterns = _LOG_PATTERNS
    fingerprint = Fingerprint(
        program=r"\bmlserver start\b", variables=("MLSERVER_MODELS_DIR", "MLSERVER_PATH"), files=(f"**/{_SETTINGS}",)
    )

    @classmethod
    def model_names(cls, model: ModelPath) -> list[str]:
        """The names in the settings files; without any, the folder's name."""
        names = [_name(path) for path in _settings(model)]
        return list(dict.fromkeys(name for name in names if name)) or [model.default_name]

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        mounts = bind_folder(self, model_path, needs_mount, _MODELS)
        environment = {"MLSERVER_MODELS_DIR": _MODELS}
        files = _settings(ModelPath(model_path))
        if not files:
            environment |= {"MLSERVER_MODEL_NAME": self.model_name, "MLSERVER_MODEL_URI": _MODELS}
        elif self.model_name not in self.model_names(ModelPath(model_path)):
            where = files[0].relative_to(model_path)
            raise UsageError(
                f"--model-name {self.model_name}: MLServer takes the name from {where}; leave the option out"
            )
        return {"image": self.image, "environment": environment, "mounts": mounts}

    def MakeClient(self, endpoint: str) -> MLServerClient:
        return MLServerClient(endpoint, self.model_name, self.models)


class MLServerClient(OpenInferenceClient):
    """A client of MLServer's REST API. The ports open before the models are loaded, and before the server knows their
    names."""

    unknown_s: ClassVar[float] = 5.0

    _was_ready = False

    def probe(self, deadline: clock.Deadline) -> Readiness:
        """Ready means ready at two probes in a row.

        After a model has failed to load, and before the server ends, it may report for a moment that all is ready.
        """
        readiness = super().probe(deadline)
        if readiness.state is ModelState.AVAILABLE and not self._was_ready:
            self._was_ready = True
            return Readiness(ModelState.NOT_READY, "it was ready at one probe only")
        self._was_ready = readiness.state is ModelState.AVAILABLE
        return readiness


def _settings(model: ModelPath) -> list[Path]:
    """The settings files in the model's folder; empty for a URI."""
    return sorted(model.path.glob(f"**/{_SETTINGS}"))


def _name(path: Path) -> str | None:
    """The model's name in a settings file. None when the file cannot be read: the server reports what is wrong."""
    try:
        record: Any = json.loads(path.read_bytes())
        name = record.get("name")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return name if isinstance(name, str) else None
