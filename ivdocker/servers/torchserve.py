"""TorchServe: requests on 8080, management on 8081, metrics on 8082, gRPC on 7070.

Facts from pytorch/serve (0.11.1 to 0.12.0): the official image's ``docker/dockerd-entrypoint.sh`` and
``docker/config.properties`` (it listens on every interface and loads no model), ``ts/model_server.py`` and
``ts/arg_parser.py`` (flags, a ``config.properties`` in the working directory), ``docs/token_authorization_api.md``
(tokens are asked for since 0.11.1 unless it is told not to); states and log lines as seen with TorchServe 0.12.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import quote

from ivdocker import clock
from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.servers.base import DockerRunParams, Fingerprint, LogPattern, ServingBinary, bind_folder
from ivdocker.servers.client import BaseModelServerClient, error_text
from ivdocker.servers.records import ModelState, Readiness

_STORE = "/home/model-server/model-store"
_CONFIG = "config.properties"
_HINT = "--evidence DIR keeps the server's whole log"

_LIVES = 3
"""Processes of one worker after which it is clear that it dies of the model: TorchServe goes on for ever."""

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
        "TorchServe does not start: the image has no Java",
        "install a Java runtime (11 or later) in the image",
        fatal=True,
    ),
    LogPattern(
        r"--(?P<what>model-store|ts-config|log-config) (?P<kind>directory|file) not found: (?P<path>.*)",
        "container-exited",
        "TorchServe does not find {path} (--{what})",
        "check the image's user and what it may read",
        fatal=True,
    ),
    LogPattern(
        r"ModuleNotFoundError: No module named '(?P<module>[^']+)'",
        "model-load-failed",
        "the image has no Python module {module!r}, which TorchServe's worker or the model's handler needs",
        "install it in the image, or pack it into the archive (torch-model-archiver --requirements-file)",
        fatal=True,
    ),
    LogPattern(
        r"FileNotFoundError: .*'\S*/models/[0-9a-f]{32}/(?P<path>[^']+)'",
        "model-load-failed",
        "the model's archive misses the file {path}",
        "pack it in with torch-model-archiver --extra-files",
    ),
    LogPattern(
        r"Failed to load model (?P<name>\S+), exception (?P<reason>.*)",
        "model-load-failed",
        "TorchServe cannot load model {name!r}: {reason}",
        _HINT,
        fatal=True,
    ),
    LogPattern(
        r"Auto recovery failed again",
        "model-load-failed",
        "TorchServe's worker dies while it loads the model, and is started again for ever",
        f"the traceback in the server's log names the cause; {_HINT}",
        fatal=True,
    ),
    LogPattern(
        r"Failed to load model: (?P<path>\S+)",
        "model-load-failed",
        "TorchServe does not take the archive {path}",
        "make it anew with torch-model-archiver; the server's log says what is wrong with it",
        fatal=True,
    ),
)


class TorchServe(ServingBinary):
    """The ``pytorch/torchserve`` image, or any with ``torchserve`` in it.

    The folder is mounted as the model store. Each ``.mar`` in it is loaded, by the name of its file; one alone also by
    ``--model-name``. A ``config.properties`` beside them is the server's configuration in place of the image's own.
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
        # In the foreground: the official image's own command leaves a container that outlives its server.
        command = ["torchserve", "--foreground", "--ncs", "--disable-token-auth", f"--model-store={_STORE}"]
        if (ModelPath(model_path).path / _CONFIG).exists():
            command.append(f"--ts-config={_STORE}/{_CONFIG}")
        command += ["--models", *self._named(_archives(ModelPath(model_path)), model_path)]
        return {"image": self.image, "command": command, "mounts": mounts, "shm_size": "1g"}

    def MakeClient(self, endpoint: str) -> TorchServeClient:
        return TorchServeClient(endpoint, self.model_name, self.models)

    def _named(self, archives: list[str], model_path: str) -> list[str]:
        if not archives:
            raise UsageError(f"{model_path!r} holds no .mar file; pack the model with torch-model-archiver")
        if len(archives) == 1:
            return [f"{self.model_name}={archives[0]}"]
        return [f"{archive.removesuffix('.mar')}={archive}" for archive in archives]


class TorchServeClient(BaseModelServerClient):
    """Ready is what the management port says of the model's workers: ``/ping`` is well without any."""

    state_protocol: ClassVar[str] = "management"

    def __init__(self, endpoint: str, model_name: str, models: Sequence[str] = ()) -> None:
        super().__init__(endpoint, model_name, models)
        self._pids: dict[str, set[int]] = {}
        """The processes seen of each worker."""

    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        answer = self._state_of(_model(name), deadline)
        if isinstance(answer, Readiness):
            return answer
        if answer.status == 404:
            detail = f"the server does not know it ({error_text(answer)})"
            return Readiness(ModelState.UNAVAILABLE, detail, "model-not-found")
        try:
            workers = [worker for version in answer.json() for worker in version["workers"]]
            return self._readiness(workers)
        except (ValueError, LookupError, TypeError, AttributeError):
            return Readiness(ModelState.NOT_READY, f"HTTP {answer.status}: {error_text(answer)}")

    def ready_path(self) -> str:
        return _model(self.model_name)

    def predict_path(self, model_name: str | None = None, version: str | None = None) -> str:
        name = quote(model_name or self.model_name, safe="")
        return f"/predictions/{name}{f'/{version}' if version else ''}"

    def _readiness(self, workers: list[dict[str, Any]]) -> Readiness:
        if workers and all(worker["status"] == "READY" for worker in workers):
            return Readiness(ModelState.AVAILABLE)
        for worker in workers:
            seen = self._pids.setdefault(str(worker["id"]), set())
            seen.update({int(worker["pid"])} - {-1})
            if worker["status"] != "READY" and len(seen) >= _LIVES:
                detail = f"its worker {worker['id']} has died {len(seen) - 1} times; the server's log tells of what"
                return Readiness(ModelState.UNAVAILABLE, detail)
        ready = sum(worker["status"] == "READY" for worker in workers)
        return Readiness(ModelState.NOT_READY, f"{ready} of {len(workers)} workers are ready")


def _archives(model: ModelPath) -> list[str]:
    return sorted(path.name for path in model.path.glob("*.mar"))


def _model(name: str) -> str:
    return f"/models/{quote(name, safe='')}"
