"""NVIDIA Triton Inference Server: the Open Inference Protocol v2 on port 8000, gRPC on 8001, metrics on 8002.

Facts: log lines and responses are those of Triton 2.51.0 (24.10).
"""

from __future__ import annotations

import itertools
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ivdocker import clock, http
from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.servers.base import DockerRunParams, Fingerprint, LogPattern, MountParams, ServingBinary, bind
from ivdocker.servers.client import JSON, error_text
from ivdocker.servers.open_inference import OpenInferenceClient
from ivdocker.servers.records import ModelState, Readiness, Tensor
from ivdocker.servers.text_proto import texts

log = logging.getLogger("ivdocker")

_REPOSITORY = "/models"
_CONFIG = "config.pbtxt"

_DECOUPLED = "only by gRPC's streams, which ivdocker does not speak"

_END = r'(?:\\n|"?$)'
"""The end of a message: Triton escapes line breaks in it and, since 24.06, puts it in quotes."""

_LOG_PATTERNS = (
    LogPattern(
        r"Python model file not found in (?P<places>[^\"\n]*)",
        "model-load-failed",
        "the Python model has no model.py (Triton looked in {places})",
        "put model.py into the version folder (MODEL/1/model.py)",
        fatal=True,
    ),
    LogPattern(
        r"unable to find backend library for backend '(?P<backend>[^']+)'",
        "model-load-failed",
        "this image has no backend {backend!r}, which the model's config.pbtxt asks for",
        "use an image that contains the backend, or change 'backend' or 'platform' in config.pbtxt",
    ),
    LogPattern(
        r"(?:failed to load model|Poll failed for model directory) '(?P<name>\.[^'/]*)'",
        "model-load-failed",
        "the repository holds a hidden folder, {name}, which Triton takes for a model",
        "remove that folder: a tool has made it, as Jupyter makes .ipynb_checkpoints",
    ),
    LogPattern(
        r"at least one version must be available under the version policy",
        "model-load-failed",
        "the model's folder holds no numbered version folder",
        "put the model's files into a numbered folder (MODEL/1/...)",
    ),
    LogPattern(
        r"Error parsing text-format inference\.ModelConfig: (?P<reason>.*?)" + _END,
        "model-load-failed",
        "config.pbtxt cannot be parsed: {reason}",
        "correct config.pbtxt: the two numbers are the line and the column of the error",
    ),
    LogPattern(
        r"has kind KIND_GPU but no GPUs are available",
        "gpu-unavailable",
        "the model needs a GPU (KIND_GPU), and the container has none",
        "run with --gpus all on a machine with a GPU, or set the kind of its instance_group to KIND_CPU",
    ),
    LogPattern(
        r"Unable to initialize shared memory key",
        "model-load-failed",
        "the container's shared memory (/dev/shm) is too small for the Python backend",
        "allow more shared memory with --shm-size 1g",
    ),
    LogPattern(
        r"failed to load '(?P<name>[^']+)' version (?P<version>\d+): (?P<reason>.*?)" + _END,
        "model-load-failed",
        "Triton cannot load version {version} of model {name!r}: {reason}",
        "",
        names_cause=False,
    ),
    LogPattern(
        r"Poll failed for model directory '(?P<name>[^']+)': (?P<reason>.*?)" + _END,
        "model-load-failed",
        "Triton rejects the model's folder {name!r}: {reason}",
        "compare the folder with Triton's model repository layout: MODEL/config.pbtxt, MODEL/1/...",
        names_cause=False,
    ),
    LogPattern(
        r"failed to start (?P<service>\w+) service: (?P<reason>.*?)" + _END,
        "not-listening",
        "Triton could not start its {service} service: {reason}",
        "check what else the image starts on that port",
    ),
    LogPattern(
        r"error: creating server: (?P<reason>.*?)" + _END,
        "container-exited",
        "Triton did not start: {reason}",
        "",
        names_cause=False,
    ),
)


class Triton(ServingBinary):
    """The ``tritonserver`` image, or one made from it.

    A model repository is mounted at ``/models``; a model, or one version of it, at its place in such a repository.
    """

    kind = "triton"
    ports = MappingProxyType({"http": 8000, "grpc": 8001, "metrics": 8002})
    log_patterns = _LOG_PATTERNS
    fingerprint = Fingerprint(program=r"\btritonserver\b", variables=("TRITON_SERVER_VERSION",))

    @classmethod
    def match_folder(cls, model: ModelPath) -> str | None:
        """The model has a config.pbtxt in the place where Triton looks for it."""
        is_there = (_model_folder(model) / _CONFIG).exists() or any(folder.has(_CONFIG) for folder in model.folders())
        return f"the model's folder holds {_CONFIG}" if is_there else None

    @classmethod
    def model_names(cls, model: ModelPath) -> list[str]:
        """The name in config.pbtxt, else the folder's name; for a repository the names of its models, in the order of
        their folders."""
        if _is_repository(model):
            return [_model_name(folder) for folder in model.folders()]
        return [_model_name(model)]

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        repository = _REPOSITORY if needs_mount else model_path
        if needs_mount:
            _warn_of_name(ModelPath(model_path), self.model_name)
        return {
            "image": self.image,
            "command": ["tritonserver", f"--model-repository={repository}"],
            "mounts": _mounts(ModelPath(model_path), self.model_name) if needs_mount else [],
            # A few Python models use up docker's default of 64 MiB.
            "shm_size": "256m",
        }

    def MakeClient(self, endpoint: str) -> TritonClient:
        return TritonClient(endpoint, self.model_name, self.models)


def _is_decoupled(config: Mapping[str, Any]) -> bool:
    policy = config.get("model_transaction_policy")
    return isinstance(policy, dict) and policy.get("decoupled") is True


def _whole_sequence(batching: Any, number: int) -> dict[str, Any]:
    """The parameters of a request that is the first and the last of its sequence."""
    identifier = number if "TYPE_STRING" not in json.dumps(batching) else str(number)
    return {"sequence_id": identifier, "sequence_start": True, "sequence_end": True}


def _model_name(model: ModelPath) -> str:
    try:
        named = _name_in((_model_folder(model) / _CONFIG).read_text("utf-8", "replace"))
    except OSError:
        named = None
    return named or model.default_name


def _warn_of_name(model: ModelPath, name: str) -> None:
    """Say what mounting the folder under the model's name hides."""
    folder = os.path.basename(str(_model_folder(model)).rstrip("/"))
    if not _is_repository(model) and _model_name(model) == name != folder:
        log.warning(
            "the folder is named %r, and its config.pbtxt says %r: it is mounted under that name, without which Triton"
            " refuses the model",
            folder,
            name,
        )


def _name_in(config: str) -> str | None:
    """The model's name in the text of a config.pbtxt; the names of inputs and outputs are left out."""
    return next((text.value for text in texts(config) if text.key == "name" and not text.path), None)


def _is_repository(model: ModelPath) -> bool:
    """Whether the folder holds models, and is none. A model may do without a config.pbtxt."""
    folders = [] if model.has(_CONFIG) or model.version else model.folders()
    has_versions = any(folder.version for folder in folders)
    return not has_versions and any(folder.has(_CONFIG) or _has_versions(folder) for folder in folders)


def _has_versions(model: ModelPath) -> bool:
    return any(folder.version for folder in model.folders())


def _model_folder(model: ModelPath) -> Path:
    return model.path.parent if model.version else model.path


def _mounts(model: ModelPath, name: str) -> list[MountParams]:
    """A repository is mounted unchanged. A model, or one version of it, is mounted into a new repository."""
    if _is_repository(model):
        return [bind(model.location, _REPOSITORY)]
    target = f"{_REPOSITORY}/{name}"
    if not model.version or any(folder.version for folder in model.folders()):
        return [bind(model.location, target)]
    config = model.path.parent / _CONFIG
    beside = [bind(str(config), f"{target}/{_CONFIG}")] if config.exists() else []
    return [bind(model.location, f"{target}/{model.version}"), *beside]


class TritonClient(OpenInferenceClient):
    """A client of Triton's HTTP API. Once all is ready, ``models`` holds the names of all models in the repository."""

    def __init__(self, endpoint: str, model_name: str, models: Sequence[str] = ()) -> None:
        super().__init__(endpoint, model_name, models)
        self._configs: dict[str, dict[str, Any]] = {}
        self._numbers = itertools.count(1)

    def probe(self, deadline: clock.Deadline) -> Readiness:
        """Ready means that the model is ready and that the repository index lists no model that is not.

        /v2/health/ready is not used, because it says that an empty repository is ready, too.
        """
        try:
            ready = self._probe(self.ready_path(), deadline)
            index = self._http("POST", "/v2/repository/index", deadline, b"{}", JSON)
        except http.HttpError as error:
            return Readiness(ModelState.NOT_READY, f"the HTTP port does not answer yet ({error})")
        try:
            states = [(str(m["name"]), str(m.get("state") or ""), str(m.get("reason") or "")) for m in index.json()]
        except (ValueError, LookupError, TypeError, AttributeError):
            detail = f"the response is not a repository index of Triton (HTTP {index.status}: {error_text(index)})"
            return Readiness(ModelState.NOT_READY, detail)
        return self._readiness(ready.status == 200, states)

    def max_batch_size(self, model_name: str | None = None) -> int | None:
        config = self._config(model_name)
        size = config.get("max_batch_size")
        if not isinstance(size, int):
            return None
        # The sequence batcher takes one request of a sequence at a time.
        return min(size, 1) if config.get("sequence_batching") else size

    def cannot_ask(self, response: http.Response) -> str | None:
        """A decoupled model's path ``infer`` exists in gRPC alone."""
        is_decoupled = response.status == 501 and "decoupled" in response.text
        return f"Triton answers for this decoupled model {_DECOUPLED}" if is_decoupled else None

    def request_body(self, values: Mapping[str, Any], inputs: list[Tensor], model_name: str | None = None) -> Any:
        """A body for the path ``infer``. For a model with sequences, it is a whole sequence of one request."""
        config = self._config(model_name)
        if _is_decoupled(config):
            raise UsageError(f"Triton answers for the decoupled model {model_name or self.model_name!r} {_DECOUPLED}")
        for tensor in inputs:
            if tensor.datatype in ("FP16", "BF16"):
                raise UsageError(f"Triton takes no {tensor.datatype} in JSON, the type of the input {tensor.name!r}")
        body = super().request_body(values, inputs)
        sequences = config.get("sequence_batching")
        return {"parameters": _whole_sequence(sequences, next(self._numbers)), **body} if sequences else body

    def _config(self, model_name: str | None) -> dict[str, Any]:
        """The model's configuration, complete with what Triton adds; empty when Triton does not report it."""
        name = model_name or self.model_name
        if name not in self._configs:
            record = self._metadata(f"{self._path(name)}/config")
            self._configs[name] = record if isinstance(record, dict) else {}
        return self._configs[name]

    def _readiness(self, is_ready: bool, states: list[tuple[str, str, str]]) -> Readiness:
        for name, state, reason in states:
            if state == "UNAVAILABLE" and reason != "unloaded":
                return Readiness(ModelState.UNAVAILABLE, f"Triton reports {name!r} UNAVAILABLE: {reason}")
        mine = [state for name, state, _ in states if name == self.model_name]
        if not mine:
            known = ", ".join(sorted({name for name, _, _ in states})) or "none"
            detail = f"Triton's repository does not list it (models listed: {known})"
            return Readiness(ModelState.UNAVAILABLE, detail, "model-not-found")
        waiting = [f"{state or 'not loaded yet'} for {name!r}" for name, state, _ in states
                   if state not in ("READY", "UNAVAILABLE")]  # fmt: skip
        if not is_ready or waiting:
            text = ", ".join(waiting) or mine[0] or "not loaded yet"
            return Readiness(ModelState.NOT_READY, f"Triton's repository index says {text}")
        self.models = tuple(dict.fromkeys(name for name, state, _ in states if state == "READY"))
        return Readiness(ModelState.AVAILABLE)
