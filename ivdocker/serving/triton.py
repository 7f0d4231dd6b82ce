"""L3. NVIDIA Triton Inference Server: the Open Inference Protocol v2 on 8000, gRPC on 8001, metrics on 8002.

Log lines and answers as seen with Triton 2.51.0 (24.10).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from ivdocker import clock, http
from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath, is_version
from ivdocker.serving.base import (
    DockerRunParams,
    MountParams,
    ServingBinary,
    Signature,
    bind,
)
from ivdocker.serving.client import (
    JSON,
    BaseModelServerClient,
    ModelState,
    Readiness,
    Tensor,
    error_text,
)

_REPOSITORY = "/models"
_CONFIG = "config.pbtxt"
_CONFIG_TOKEN = re.compile(r'#[^\n]*|[{}\[\]]|\bname\s*:\s*"([^"]*)"|"(?:[^"\\]|\\.)*"')

_END = r'(?:\\n|"?$)'
"""Triton escapes the line breaks of a message and, since 24.06, quotes it."""

_SIGNATURES = (
    Signature(
        r"Python model file not found in (?P<places>[^\"\n]*)",
        "model-load-failed",
        "the Python model has no model.py (Triton looked in {places})",
        "put model.py into the version folder (MODEL/1/model.py)",
        fatal=True,
    ),
    Signature(
        r"unable to find backend library for backend '(?P<backend>[^']+)'",
        "model-load-failed",
        "this image has no backend {backend!r}, which the model's configuration asks for",
        "use an image that ships the backend, or change 'backend' or 'platform' in config.pbtxt",
    ),
    Signature(
        r"at least one version must be available under the version policy",
        "model-load-failed",
        "the model folder holds no numbered version folder",
        "put the model's files into a numbered folder (MODEL/1/...)",
    ),
    Signature(
        r"Error parsing text-format inference\.ModelConfig: (?P<reason>.*?)" + _END,
        "model-load-failed",
        "config.pbtxt cannot be parsed: {reason}",
        "the numbers are line and column in config.pbtxt",
    ),
    Signature(
        r"has kind KIND_GPU but no GPUs are available",
        "gpu-unavailable",
        "the model asks for a GPU (KIND_GPU) and the container has none",
        "run with --gpus all on a machine with a GPU, or set instance_group kind to KIND_CPU",
    ),
    Signature(
        r"Unable to initialize shared memory key",
        "model-load-failed",
        "the container's shared memory (/dev/shm) is too small for the Python backend",
        "give it more with --shm-size 1g",
    ),
    Signature(
        r"failed to load '(?P<name>[^']+)' version (?P<version>\d+): (?P<reason>.*?)" + _END,
        "model-load-failed",
        "Triton cannot load version {version} of model {name!r}: {reason}",
        "--evidence DIR keeps the server's whole log",
    ),
    Signature(
        r"Poll failed for model directory '(?P<name>[^']+)': (?P<reason>.*?)" + _END,
        "model-load-failed",
        "Triton does not accept the model folder {name!r}: {reason}",
        "compare the folder with Triton's model repository layout: MODEL/config.pbtxt, MODEL/1/...",
    ),
    Signature(
        r"failed to start (?P<service>\w+) service: (?P<reason>.*?)" + _END,
        "not-listening",
        "Triton could not start its {service} service: {reason}",
        "check what else the image starts on that port",
    ),
    Signature(
        r"error: creating server: (?P<reason>.*?)" + _END,
        "container-exited",
        "Triton did not start: {reason}",
        "--evidence DIR keeps the server's whole log",
    ),
)


class Triton(ServingBinary):
    """The ``tritonserver`` image, or one made from it."""

    kind = "triton"
    ports: ClassVar = {"http": 8000, "grpc": 8001, "metrics": 8002}
    signatures = _SIGNATURES

    @property
    def container_port(self) -> int:
        return 8000

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        repository = _REPOSITORY if needs_mount else model_path
        return {
            "image": self.image,
            # An idle connection of somebody else's would hold a stop for 30 s.
            "command": ["tritonserver", f"--model-repository={repository}", "--exit-timeout-secs=5"],
            "mounts": _mounts(ModelPath(model_path), self.model_name) if needs_mount else [],
            # docker's own 64 MB are used up by a few Python models.
            "shm_size": "256m",
        }

    def MakeClient(self, endpoint: str) -> TritonClient:
        return TritonClient(endpoint, self.model_name)


def model_name(model: ModelPath) -> str:
    """The name that Triton will know the model by: config.pbtxt's own, else the folder's.

    Of a repository, the first of its models in the order of their names.
    """
    if _is_repository(model):
        return model_name(ModelPath(str(model.folders()[0])))
    try:
        named = _name_in((_model_folder(model) / _CONFIG).read_text("utf-8", "replace"))
    except OSError:
        named = None
    return named or model.default_name


def _name_in(config: str) -> str | None:
    """The name of the model itself: inputs and outputs, in brackets, have names too."""
    depth = 0
    for token in _CONFIG_TOKEN.finditer(config):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "}]":
            depth -= 1
        elif token[1] and depth == 0:
            return token[1]
    return None


def looks_like_triton(model: ModelPath) -> bool:
    """Whether there is a config.pbtxt where Triton has it."""
    return (_model_folder(model) / _CONFIG).exists() or _is_repository(model)


def _is_repository(model: ModelPath) -> bool:
    return not model.has(_CONFIG) and any((folder / _CONFIG).exists() for folder in model.folders())


def _model_folder(model: ModelPath) -> Path:
    return model.path.parent if model.version else model.path


def _mounts(model: ModelPath, name: str) -> list[MountParams]:
    """A repository is mounted as it is, a model or a version of one into a repository of its own."""
    if _is_repository(model):
        return [bind(model.location, _REPOSITORY)]
    target = f"{_REPOSITORY}/{name}"
    if not model.version or any(is_version(folder.name) for folder in model.folders()):
        return [bind(model.location, target)]
    config = model.path.parent / _CONFIG
    beside = [bind(str(config), f"{target}/{_CONFIG}")] if config.exists() else []
    return [bind(model.location, f"{target}/{model.version}"), *beside]


class TritonClient(BaseModelServerClient):
    """Triton's HTTP API."""

    def probe(self, deadline: clock.Deadline) -> Readiness:
        """Ready is the model's own word and the index's: /v2/health/ready says yes to an empty repository."""
        try:
            ready = self._http("GET", self.ready_path(), deadline)
            index = self._http("POST", "/v2/repository/index", deadline, b"{}", JSON)
        except http.HttpError as error:
            return Readiness(ModelState.NOT_READY, f"the HTTP port does not answer yet ({error})")
        try:
            states = [(str(m["name"]), str(m.get("state") or ""), str(m.get("reason") or "")) for m in index.json()]
        except (ValueError, LookupError, TypeError, AttributeError):
            detail = f"the repository index is not Triton's (HTTP {index.status}: {error_text(index)})"
            return Readiness(ModelState.NOT_READY, detail)
        return self._readiness(ready.status == 200, states)

    def ready_path(self) -> str:
        return f"{self._path()}/ready"

    def predict_path(self, model_name: str | None = None, version: str | None = None) -> str:
        return f"{self._path(model_name)}{f'/versions/{version}' if version else ''}/infer"

    def inputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        del signature
        return self._tensors("inputs", model_name)

    def outputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        del signature
        return self._tensors("outputs", model_name)

    def max_batch_size(self) -> int | None:
        record = self._metadata(f"{self._path()}/config")
        size = record.get("max_batch_size") if isinstance(record, dict) else None
        return size if isinstance(size, int) else None

    def request_body(self, values: Mapping[str, Any], inputs: list[Tensor]) -> Any:
        for tensor in inputs:
            if tensor.datatype in ("FP16", "BF16"):
                raise UsageError(f"Triton takes no {tensor.datatype} in JSON, the type of the input {tensor.name!r}")
        return {"inputs": [_input(tensor, values[tensor.name]) for tensor in inputs]}

    def _tensors(self, key: str, model_name: str | None) -> list[Tensor]:
        record = self._metadata(self._path(model_name))
        try:
            return [Tensor(t["name"], t["datatype"], tuple(int(size) for size in t["shape"])) for t in record[key]]
        except (LookupError, TypeError, ValueError):
            return []

    def _path(self, model_name: str | None = None) -> str:
        return f"/v2/models/{quote(model_name or self.model_name, safe='')}"

    def _readiness(self, is_ready: bool, states: list[tuple[str, str, str]]) -> Readiness:
        for name, state, reason in states:
            if state == "UNAVAILABLE" and reason != "unloaded":
                return Readiness(ModelState.UNAVAILABLE, f"Triton reports {name!r} UNAVAILABLE: {reason}")
        mine = [state for name, state, _ in states if name == self.model_name]
        if not mine:
            known = ", ".join(sorted({name for name, _, _ in states})) or "none"
            detail = f"Triton's repository does not list it (models listed: {known})"
            return Readiness(ModelState.UNAVAILABLE, detail, "model-not-found")
        if is_ready and all(state in ("READY", "UNAVAILABLE") for _, state, _ in states):
            return Readiness(ModelState.AVAILABLE)
        return Readiness(ModelState.NOT_READY, f"Triton's repository index says {mine[0] or 'not tried'}")


def _input(tensor: Tensor, data: Any) -> dict[str, Any]:
    shape, inner = [], data
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner else None
    return {"name": tensor.name, "shape": shape, "datatype": tensor.datatype, "data": data}
