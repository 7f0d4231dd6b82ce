"""TensorFlow Serving: REST on port 8501 for status, metadata and requests, gRPC on 8500.

Facts from the server's sources (tensorflow/serving 2.8 to 2.20): the log lines are in ``model_servers/main.cc``,
``core/loader_harness.cc`` and ``sources/storage_path/file_system_storage_path_source.cc``.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

from ivdocker import clock, http
from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath, is_version
from ivdocker.servers.base import DockerRunParams, Fingerprint, LogPattern, MountParams, ServingBinary, bind
from ivdocker.servers.client import MAY_NOT_READ, BaseModelServerClient, error_text
from ivdocker.servers.models_config import (
    BASE_PATH,
    CONFIG_FILE,
    CONFIG_FORM,
    check_config_name,
    configured_models,
    mount_point,
)
from ivdocker.servers.records import ModelState, Readiness, RequestBody, Tensor

DEFAULT_SIGNATURE = "serving_default"

_TYPES = ("DT_BOOL", "DT_STRING", "DT_FLOAT", "DT_DOUBLE", "DT_INT8", "DT_INT16", "DT_INT32", "DT_INT64",
          "DT_UINT8", "DT_UINT32", "DT_UINT64")  # fmt: skip
"""The types that the REST API takes (``AddValueToTensor`` in ``util/json_tensor.cc``); not among them are uint16, half,
complex and quantized types."""

_SERVABLE = r"\{name: (?P<name>\S+) version: (?P<version>\d+)\} (?:failed|due to error): (?:(?!\{name: ).)*?"
"""The beginning of a message that says why a version of a model cannot be loaded. A line may hold several of them."""

_LOG_PATTERNS = (
    LogPattern(
        r"Could not find base path (?P<path>\S+) for servable (?P<name>\S+)",
        "model-not-found",
        "TensorFlow Serving does not find the base path {path} of model {name!r}",
        f"check the model's path, that --env does not set MODEL_NAME or MODEL_BASE_PATH, and the base_path entries in "
        f"{CONFIG_FILE}: each must point into the folder with that file, which is mounted once",
        fatal=True,
    ),
    LogPattern(
        r"[Ff]ile ?system access error: (?P<path>[^;\n]+); (?P<reason>.*)",
        "model-load-failed",
        "TensorFlow Serving cannot read the model at {path}: {reason}",
        MAY_NOT_READ,
        fatal=True,
    ),
    LogPattern(
        _SERVABLE + r"Could not find SavedModel \.pb or \.pbtxt at supplied export directory path: "
        r"(?P<path>[^\s}]+?)\.?(?=[\s}]|$)",
        "model-load-failed",
        "there is no saved_model.pb in version {version} of model {name!r} (in the container: {path})",
        "export the model again with tf.saved_model.save, and give the folder that holds saved_model.pb as MODEL",
    ),
    LogPattern(
        _SERVABLE + r"Can't parse (?P<path>\S+) as binary proto",
        "model-load-failed",
        "saved_model.pb of model {name!r} is damaged: TensorFlow Serving cannot parse {path}",
        "copy or export the model again; compare the file's size with the original's",
    ),
    LogPattern(
        _SERVABLE + r"Op type not registered '(?P<op>[^']+)'",
        "model-load-failed",
        "model {name!r} uses the operation {op!r}, which this server does not have",
        "use an image with the TensorFlow version that exported the model, or one with this custom operation",
    ),
    LogPattern(
        _SERVABLE + r"Could not find meta graph def matching supplied tags: (?P<tags>\{[^}]*\})",
        "model-load-failed",
        "the SavedModel of model {name!r} has no graph with the tags {tags}",
        "export the model for serving (tag 'serve')",
    ),
    LogPattern(
        _SERVABLE + r"not an sstable \(bad magic number\)",
        "model-load-failed",
        "the variables of model {name!r} are damaged (not an sstable)",
        "copy or export the model again",
    ),
    LogPattern(
        r"Couldn't bind to port (?P<port>\d+)|Failed to start HTTP Server at (?P<address>\S+)",
        "not-listening",
        "TensorFlow Serving runs without its REST API: the REST port is taken inside the container",
        "set --port and --rest_api_port to different numbers, and check what else the image starts",
        fatal=True,
    ),
    LogPattern(
        r"(?:Loading|Reserving resources for) servable: \{name: (?P<name>\S+) version: (?P<version>\d+)\} failed: "
        r"(?P<reason>.*)",
        "model-load-failed",
        "TensorFlow Serving cannot load version {version} of model {name!r}: {reason}",
        "",
        fatal=True,
        names_cause=False,
    ),
    LogPattern(
        r"Version (?P<version>\d+) of servable (?P<name>\S+), which was requested to be served as a 'specific' version",
        "model-load-failed",
        f"TensorFlow Serving does not find version {{version}} of model {{name!r}}, which {CONFIG_FILE} asks for",
        f"put a folder with that number into the model's base_path, or correct model_version_policy in {CONFIG_FILE}",
    ),
    LogPattern(
        r"No versions of servable (?P<name>\S+) found under base path",
        "model-load-failed",
        "TensorFlow Serving finds no version of model {name!r}: the model's folder holds no numbered version folder",
        "put the SavedModel into a numbered folder (MODEL/1/saved_model.pb), or give the SavedModel's own folder",
        fatal=True,
    ),
    LogPattern(
        r"Error parsing text-format tensorflow\.serving\.ModelServerConfig: (?P<where>\d+:\d+): (?P<reason>.*)",
        "model-load-failed",
        f"TensorFlow Serving cannot read {CONFIG_FILE}:{{where}}: {{reason}}",
        f"correct it: {CONFIG_FORM}",
    ),
    LogPattern(
        r"Error: [\w ]+: (?P<reason>Request to assign label to version .*)",
        "model-load-failed",
        f"TensorFlow Serving refuses version_labels in {CONFIG_FILE}: {{reason}}",
        "leave them out: at its start the server takes them only with --allow_version_labels_for_unavailable_models",
    ),
    LogPattern(
        r"Error: [\w ]+: (?P<reason>(?:Expected model|Illegal (?:to|setting)|Model \S+ requests unsupported) .*)",
        "model-load-failed",
        f"TensorFlow Serving refuses {CONFIG_FILE}: {{reason}}",
        f"correct it: {CONFIG_FORM}",
    ),
    LogPattern(
        r"Failed to start server\. Error: (?P<reason>.*)",
        "container-exited",
        "TensorFlow Serving did not start: {reason}",
        "",
        names_cause=False,
    ),
)


class TensorFlowServing(ServingBinary):
    """The ``tensorflow/serving`` image, or one made from it.

    A SavedModel is mounted at ``/models/NAME/VERSION``, a folder of versions at ``/models/NAME``. A folder with
    ``models.config`` is mounted where the base paths in that file point into it.
    """

    kind = "tensorflow-serving"
    ports = MappingProxyType({"grpc": 8500, "http": 8501})
    log_patterns = _LOG_PATTERNS
    fingerprint = Fingerprint(program=r"tf_serving_entrypoint\.sh|tensorflow_model_server")

    @property
    def container_port(self) -> int:
        return 8500

    @classmethod
    def match_folder(cls, model: ModelPath) -> str | None:
        if model.has("saved_model.pb", "saved_model.pbtxt"):
            return "the model's folder is a SavedModel"
        if any(folder.has("saved_model.pb") for folder in model.folders()):
            return "the model's folder holds a SavedModel"
        return f"the model's folder holds {CONFIG_FILE}" if model.has(CONFIG_FILE) else None

    @classmethod
    def model_names(cls, model: ModelPath) -> list[str]:
        """The names in the model config file, sorted; without such a file the folder's name."""
        return sorted({name for name, _ in configured_models(model)}) or [model.default_name]

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        # Without retries: with the default of 5 the ports stay closed for five minutes when a model cannot be loaded.
        command = ["--max_num_load_retries=0"]
        mounts: list[MountParams] = []
        model = ModelPath(model_path)
        if needs_mount and model.has(CONFIG_FILE):
            folder = mount_point(model, self.model_name)
            command.append(f"--model_config_file={folder}/{CONFIG_FILE}")
            mounts.append(bind(model_path, folder))
        elif needs_mount:
            check_config_name(model)
            mounts.append(bind(model_path, self._target(model)))
        else:
            # When a flag is given twice, the server takes the last one: this overrides the entrypoint's.
            command.append(f"--model_base_path={_base_path(model_path)}")
        environment = {"MODEL_NAME": self.model_name, "MODEL_BASE_PATH": BASE_PATH}
        return {"image": self.image, "environment": environment, "mounts": mounts, "command": command}

    def MakeClient(self, endpoint: str) -> TensorFlowServingClient:
        return TensorFlowServingClient(endpoint, self.model_name, self.models)

    def _target(self, model: ModelPath) -> str:
        """Where in the container the folder is mounted: a SavedModel as a version, any other folder as the base path.

        If such a folder holds no versions, the server itself says so.
        """
        base = f"{BASE_PATH}/{self.model_name}"
        is_saved_model = model.has("saved_model.pb", "saved_model.pbtxt", "variables", "assets")
        holds_versions = any(folder.version for folder in model.folders())
        if is_saved_model or (model.version and not holds_versions):
            return f"{base}/{model.version or 1}"
        return base


class TensorFlowServingClient(BaseModelServerClient):
    """A client of TensorFlow Serving's REST API."""

    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        """The REST port opens once the models are loaded; the model's status then names the state of each version."""
        try:
            response = self._probe(self._path(name), deadline)
        except http.HttpError as error:
            detail = f"the REST port, which opens when all models are loaded, does not answer yet ({error})"
            return Readiness(ModelState.NOT_READY, detail)
        if response.status == 404:
            detail = f"the server does not know it ({error_text(response)})"
            return Readiness(ModelState.UNAVAILABLE, detail, "model-not-found")
        try:
            versions = response.json()["model_version_status"]
            return _readiness([_version(record) for record in versions])
        except (ValueError, LookupError, TypeError, AttributeError):
            detail = (
                f"the response is not a status of TensorFlow Serving (HTTP {response.status}: {error_text(response)})"
            )
            return Readiness(ModelState.NOT_READY, detail)

    def ready_path(self) -> str:
        return self._path()

    def predict_path(self, model_name: str | None = None, version: str | None = None) -> str:
        choice = f"/{'versions' if is_version(version) else 'labels'}/{version}" if version else ""
        return f"{self._path(model_name)}{choice}:predict"

    def inputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        """The inputs of the signature; None means ``serving_default``."""
        return self._tensors("inputs", model_name, signature)

    def outputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        return self._tensors("outputs", model_name, signature)

    def request_body(self, values: Mapping[str, Any], inputs: list[Tensor], model_name: str | None = None) -> Any:
        """A body in column format, because the row format needs outputs with the same first dimension."""
        for tensor in inputs:
            if tensor.datatype not in _TYPES:
                raise UsageError(
                    f"TensorFlow Serving's REST API takes no {tensor.datatype}, the type of the input {tensor.name!r}"
                )
        return {"inputs": dict(values)}

    def bytes_value(self, data: bytes) -> Any:
        return {"b64": b64encode(data).decode()}

    def body_of(self, request: RequestBody) -> Any:
        if request.signature is None or not isinstance(request.body, dict):
            return request.body
        return {"signature_name": request.signature, **request.body}

    def _tensors(self, key: str, model_name: str | None, signature: str | None) -> list[Tensor]:
        record = self._metadata(f"{self._path(model_name)}/metadata")
        try:
            found = record["metadata"]["signature_def"]["signature_def"][signature or DEFAULT_SIGNATURE][key]
            return [_tensor(name, found[name]) for name in sorted(found)]
        except (LookupError, TypeError, ValueError, AttributeError):
            return []

    def _path(self, model_name: str | None = None) -> str:
        return f"/v1/models/{quote(model_name or self.model_name, safe='')}"


class _Version(NamedTuple):
    number: str
    state: str
    error_code: str
    error_message: str

    @property
    def has_failed(self) -> bool:
        return self.state == "END" and (self.error_code not in ("", "OK") or bool(self.error_message))

    @property
    def is_leaving(self) -> bool:
        """Whether it was loaded, and the server unloads it or has done so, mostly because a newer one is there."""
        return self.state == "UNLOADING" or (self.state == "END" and not self.has_failed)


def _version(record: Mapping[str, Any]) -> _Version:
    status = record.get("status") or {}
    code, message = str(status.get("error_code") or ""), str(status.get("error_message") or "")
    return _Version(str(record.get("version", "?")), str(record["state"]), code, message)


def _readiness(versions: list[_Version]) -> Readiness:
    """As TFX reads it: each version must be AVAILABLE, and one that has failed decides. Versions that leave do not
    count beside others."""
    failed = next((version for version in versions if version.has_failed), None)
    if failed:
        which = f"version {failed.number}: " if len(versions) > 1 else ""
        detail = f"{which}{failed.error_code or 'END'}: {failed.error_message or 'no reason given'}"
        return Readiness(ModelState.UNAVAILABLE, detail)
    staying = [version.state for version in versions if not version.is_leaving]
    if staying and set(staying) == {"AVAILABLE"}:
        return Readiness(ModelState.AVAILABLE)
    if versions and all(version.state == "END" for version in versions):
        return Readiness(ModelState.UNAVAILABLE, "END: it was unloaded")
    states = ", ".join(staying or [version.state for version in versions])
    return Readiness(ModelState.NOT_READY, f"its state is {states or 'not reported'}")


def _tensor(name: str, info: Mapping[str, Any]) -> Tensor:
    """A tensor from its entry in the metadata. One of unknown rank is taken for a batch of single values."""
    if (info.get("tensor_shape") or {}).get("unknown_rank"):
        return Tensor(name, str(info["dtype"]), (-1,))
    dims = (info.get("tensor_shape") or {}).get("dim") or []
    return Tensor(name, str(info["dtype"]), tuple(int(dim["size"]) for dim in dims))


def _base_path(uri: str) -> str:
    """The URI of the folder of versions, which TensorFlow Serving needs. TFX gives the URI of one version."""
    parent, _, last = uri.rstrip("/").rpartition("/")
    return parent if is_version(last) else uri
