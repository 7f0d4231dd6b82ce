"""TorchServe: requests on port 8080, management on 8081, metrics on 8082, gRPC on 7070.

Facts from pytorch/serve (0.11.1 to 0.12.0): the official image listens on every interface and loads no model
(``docker/dockerd-entrypoint.sh``, ``docker/config.properties``); the flags, and the use of a ``config.properties`` in
the working directory, are in ``ts/model_server.py`` and ``ts/arg_parser.py``; since 0.11.1 the server asks for tokens
by default (``docs/token_authorization_api.md``). States and log lines are those of TorchServe 0.12.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import quote

from ivdocker import clock
from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.servers.base import SAVE_LOG, DockerRunParams, Fingerprint, LogPattern, ServingBinary, bind_folder
from ivdocker.servers.client import BaseModelServerClient, error_text
from ivdocker.servers.protocol import ANY_TYPE
from ivdocker.servers.records import ModelState, Readiness

_STORE = "/home/model-server/model-store"
_CONFIG = "config.properties"

_LIVES = 3
"""Processes of one worker after which it is clear that the model is the cause. TorchServe restarts it endlessly."""

_LOG_PATTERNS = (
    LogPattern(
        r"unrecognized arguments: .*--disable-token-auth",
        "container-exited",
        "this TorchServe is older than 0.11.1: it does not know --disable-token-auth",
        "use an image of TorchServe 0.11.1 or later",
        fatal=True,
    ),
    LogPattern(
        r"java not found, please make sure JAVA_HOME is set properly",
        "container-exited",
        "TorchServe does not start: Java is not installed in the image",
        "install a Java runtime (11 or later) in the image",
        fatal=True,
    ),
    LogPattern(
        r"--(?P<what>model-store|ts-config|log-config) (?P<kind>directory|file) not found: (?P<path>.*)",
        "container-exited",
        "TorchServe does not find {path} (--{what})",
        "check which user the image runs as, and that this user may read it",
        fatal=True,
    ),
    LogPattern(
        r"ModuleNotFoundError: No module named '(?P<module>[^']+)'",
        "model-load-failed",
        "the Python module {module!r}, which TorchServe's worker or the model's handler needs, is not installed in the "
        "image",
        "install it in the image, or pack it into the archive (torch-model-archiver --requirements-file)",
        position="exception",
        min_level="error",
    ),
    LogPattern(
        r"FileNotFoundError: .*'\S*/models/[0-9a-f]{32}/(?P<path>[^']+)'",
        "model-load-failed",
        "the model's archive lacks the file {path}",
        "add it to the archive with torch-model-archiver --extra-files",
        position="exception",
        min_level="error",
    ),
    LogPattern(
        r"Failed to load model (?P<name>\S+), exception (?P<reason>.*)",
        "model-load-failed",
        "TorchServe cannot load model {name!r}: {reason}",
        "",
        fatal=True,
        names_cause=False,
    ),
    LogPattern(
        r"Load model failed: (?P<name>\S+), error: Worker died",
        "model-load-failed",
        "TorchServe's worker of model {name!r} died while it loaded the model",
        f"the traceback in the server's log names the cause; {SAVE_LOG}",
        fatal=True,
        only_after=r"^(Traceback \(most recent|[\w.]+(Error|Exception)\b)",
        names_cause=False,
    ),
    LogPattern(
        r"Auto recovery failed again",
        "model-load-failed",
        "TorchServe's worker dies while it loads the model, and TorchServe restarts it endlessly",
        f"the traceback in the server's log names the cause; {SAVE_LOG}",
        fatal=True,
        names_cause=False,
    ),
    LogPattern(
        r"Failed to load model: (?P<path>\S+)",
        "model-load-failed",
        "TorchServe rejects the archive {path}",
        "make the archive again with torch-model-archiver; the server's log says what is wrong with it",
        fatal=True,
    ),
)


class TorchServe(ServingBinary):
    """The ``pytorch/torchserve`` image, or any image with ``torchserve`` in it.

    The folder is mounted as the model store. Each ``.mar`` file in it is loaded under the name of the file; a single
    one under ``--model-name``, if that is given. A ``config.properties`` in the folder replaces the image's own.
    """

    kind = "torchserve"
    ports = MappingProxyType({"http": 8080, "management": 8081, "metrics": 8082, "grpc": 7070})
    log_patterns = _LOG_PATTERNS
    fingerprint = Fingerprint(program=r"\btorchserve\b", files=("*.mar",))

    @classmethod
    def model_names(cls, model: ModelPath) -> list[str]:
        return [archive.removesuffix(".mar") for archive in _archives(model)] or [model.default_name]

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        mounts = bind_folder(self, model_path, needs_mount, _STORE)
        # In the foreground: with the official image's own command the container keeps running after the server's end.
        command = ["torchserve", "--foreground", "--ncs", "--disable-token-auth", f"--model-store={_STORE}"]
        if (ModelPath(model_path).path / _CONFIG).exists():
            command.append(f"--ts-config={_STORE}/{_CONFIG}")
        command += ["--models", *self._model_arguments(_archives(ModelPath(model_path)), model_path)]
        return {"image": self.image, "command": command, "mounts": mounts, "shm_size": "1g"}

    def MakeClient(self, endpoint: str) -> TorchServeClient:
        return TorchServeClient(endpoint, self.model_name, self.models)

    def _model_arguments(self, archives: list[str], model_path: str) -> list[str]:
        """``NAME=FILE`` for each archive. Raises UsageError when there is none."""
        if not archives:
            raise UsageError(f"{model_path!r} holds no .mar file; pack the model with torch-model-archiver")
        if len(archives) == 1:
            return [f"{self.model_name}={archives[0]}"]
        return [f"{archive.removesuffix('.mar')}={archive}" for archive in archives]


class TorchServeClient(BaseModelServerClient):
    """A client of TorchServe.

    The management port says whether the model's workers are ready; ``/ping`` answers 200 even without any worker.
    """

    state_protocol: ClassVar[str] = "management"
    answer_types: ClassVar[tuple[str, ...]] = ("", *ANY_TYPE)
    """TorchServe names a type only where the handler sets one."""

    def __init__(self, endpoint: str, model_name: str, models: Sequence[str] = ()) -> None:
        super().__init__(endpoint, model_name, models)
        self._pids: dict[str, set[int]] = {}
        """The process ids that each worker has had, by the worker's id."""

    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        response = self._state_of(_model_path(name), deadline)
        if isinstance(response, Readiness):
            return response
        if response.status == 404:
            detail = f"the server does not know it ({error_text(response)})"
            return Readiness(ModelState.UNAVAILABLE, detail, "model-not-found")
        try:
            workers = [worker for version in response.json() for worker in version["workers"]]
            return self._readiness(workers)
        except (ValueError, LookupError, TypeError, AttributeError):
            return Readiness(ModelState.NOT_READY, f"HTTP {response.status}: {error_text(response)}")

    def ready_path(self) -> str:
        return _model_path(self.model_name)

    def predict_path(self, model_name: str | None = None, version: str | None = None) -> str:
        name = quote(model_name or self.model_name, safe="")
        return f"/predictions/{name}{f'/{version}' if version else ''}"

    def _readiness(self, workers: list[dict[str, Any]]) -> Readiness:
        if workers and all(worker["status"] == "READY" for worker in workers):
            return Readiness(ModelState.AVAILABLE)
        for worker in workers:
            pids = self._pids.setdefault(str(worker["id"]), set())
            pids.update({int(worker["pid"])} - {-1})
            if worker["status"] != "READY" and len(pids) >= _LIVES:
                detail = f"its worker {worker['id']} has died {len(pids) - 1} times; the server's log says why"
                return Readiness(ModelState.UNAVAILABLE, detail)
        ready = sum(worker["status"] == "READY" for worker in workers)
        return Readiness(ModelState.NOT_READY, f"{ready} of {len(workers)} workers are ready")


def _archives(model: ModelPath) -> list[str]:
    return sorted(path.name for path in model.path.glob("*.mar"))


def _model_path(name: str) -> str:
    return f"/models/{quote(name, safe='')}"
