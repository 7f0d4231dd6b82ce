"""TensorFlow Serving: REST on 8501 for status, metadata and requests, gRPC on 8500.

Facts from the server's sources (tensorflow/serving 2.8 to 2.20): its log lines are those of ``model_servers/main.cc``,
``core/loader_harness.cc`` and ``sources/storage_path/file_system_storage_path_source.cc``.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from ivdocker import clock, http
from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath, is_version
from ivdocker.servers.base import DockerRunParams, Fingerprint, LogPattern, MountParams, ServingBinary, bind
from ivdocker.servers.client import MAY_NOT_READ, BaseModelServerClient, error_text
from ivdocker.servers.models_config import BASE_PATH, CONFIG_FILE, CONFIG_FORM, configured_models, mount_point
from ivdocker.servers.records import ModelState, Readiness, RequestBody, Tensor

DEFAULT_SIGNATURE = "serving_default"

_TYPES = ("DT_BOOL", "DT_STRING", "DT_FLOAT", "DT_DOUBLE", "DT_INT8", "DT_INT16", "DT_INT32", "DT_INT64",
          "DT_UINT8", "DT_UINT32", "DT_UINT64")  # fmt: skip
"""What its REST API takes (``AddValueToTensor`` in ``util/json_tensor.cc``): no uint16, half, complex, quantized."""

_SERVABLE = r"\{name: (?P<name>\S+) version: (?P<version>\d+)\} (?:failed|due to error): (?:(?!\{name: ).)*?"
"""How a line begins that tells why a version of a model does not load; there may be several in a line."""

_LOG_PATTERNS = (
    LogPattern(
        r"Could not find base path (?P<path>\S+) for servable (?P<name>\S+)",
        "model-not-found",
        "TensorFlow Serving does not find the base path {path} of model {name!r}",
        f"check the model's path, that MODEL_NAME and MODEL_BASE_PATH are not set to something else, and base_path in "
        f"{CONFIG_FILE}: the folder with that file is mounted where a base_path leads into it",
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
        "export the model anew with tf.saved_model.save, and give the folder that holds saved_model.pb",
    ),
    LogPattern(
        _SERVABLE + r"Can't parse (?P<path>\S+) as binary proto",
        "model-load-failed",
        "saved_model.pb of model {name!r} is damaged: TensorFlow Serving cannot parse {path}",
        "copy or export the model anew; compare its size with the original's",
    ),
    LogPattern(
        _SERVABLE + r"Op type not registered '(?P<op>[^']+)'",
        "model-load-failed",
        "model {name!r} uses the operation {op!r}, which this server does not have",
        "use an image of the TensorFlow version that wrote the model, or one that has this custom operation",
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
        "copy or export the model anew",
    ),
    LogPattern(
        r"Couldn't bind to port (?P<port>\d+)|Failed to start HTTP Server at (?P<address>\S+)",
        "not-listening",
        "TensorFlow Serving runs without its REST API: the REST port is taken inside the container",
        "do not set --port and --rest_api_port to the same number, and check what else the image starts",
        fatal=True,
    ),
    LogPattern(
        r"(?:Loading|Reserving resources for) servable: \{name: (?P<name>\S+) version: (?P<version>\d+)\} failed: "
        r"(?P<reason>.*)",
        "model-load-failed",
        "TensorFlow Serving cannot load version {version} of model {name!r}: {reason}",
        "--evidence DIR keeps the server's whole log",
        fatal=True,
    ),
    LogPattern(
        r"Version (?P<version>\d+) of servable (?P<name>\S+), which was requested to be served as a 'specific' version",
        "model-load-failed",
        f"TensorFlow Serving does not find version {{version}} of model {{name!r}}, which {CONFIG_FILE} asks for",
        f"put a folder with that number under the model's base_path, or correct model_version_policy in {CONFIG_FILE}",
    ),
    LogPattern(
        r"No versions of servable (?P<name>\S+) found under base path",
        "model-load-failed",
        "TensorFlow Serving finds no version of model {name!r}: the folder holds no folder with a number for a name",
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
        "leave them out: at its start the server takes none without its --allow_version_labels_for_unavailable_models",
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
        "--evidence DIR keeps the server's whole log",
    ),
)


class TensorFlowServing(ServingBinary):
    """The ``tensorflow/serving`` image, or one made from it."""

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
        """The folder's; with a model config file the names in it, sorted."""
        return sorted({name for name, _ in configured_models(model)}) or [model.default_name]

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        # One attempt: with the default of 5 retries a bad model keeps the ports shut for five minutes.
        command = ["--max_num_load_retries=0"]
        mounts: list[MountParams] = []
        model = ModelPath(model_path)
        if needs_mount and model.has(CONFIG_FILE):
            folder = mount_point(model, self.model_name)
            command.append(f"--model_config_file={folder}/{CONFIG_FILE}")
            mounts.append(bind(model_path, folder))
        elif needs_mount:
            mounts.append(bind(model_path, self._target(model)))
        else:
            # The last of two equal flags holds, so this overrides the entrypoint's.
            command.append(f"--model_base_path={_base_path(model_path)}")
        environment = {"MODEL_NAME": self.model_name, "MODEL_BASE_PATH": BASE_PATH}
        return {"image": self.image, "environment": environment, "mounts": mounts, "command": command}

    def MakeClient(self, endpoint: str) -> TensorFlowServingClient:
        return TensorFlowServingClient(endpoint, self.model_name, self.models)

    def _target(self, model: ModelPath) -> str:
        """A SavedModel becomes a version; a folder of versions becomes the base path, and so does one that is neither:
        the server then says what it misses."""
        base = f"{BASE_PATH}/{self.model_name}"
        is_saved_model = model.has("saved_model.pb", "saved_model.pbtxt", "variables", "assets")
        holds_versions = any(folder.version for folder in model.folders())
        if is_saved_model or (model.version and not holds_versions):
            return f"{base}/{model.version or 1}"
        return base


class TensorFlowServingClient(BaseModelServerClient):
    """The REST API of TensorFlow Serving."""

    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        """The REST port opens once the initial models are loaded; its status then names each version's state."""
        try:
            answer = self._http("GET", self._path(name), deadline)
        except http.HttpError as error:
            detail = f"the REST port, which opens when all is loaded, does not answer yet ({error})"
            return Readiness(ModelState.NOT_READY, detail)
        if answer.status == 404:
            detail = f"the server does not know it ({error_text(answer)})"
            return Readiness(ModelState.UNAVAILABLE, detail, "model-not-found")
        try:
            versions = answer.json()["model_version_status"]
            return _readiness([(str(v["state"]), v.get("status") or {}) for v in versions])
        except (ValueError, LookupError, TypeError, AttributeError):
            detail = f"the status is not TensorFlow Serving's (HTTP {answer.status}: {error_text(answer)})"
            return Readiness(ModelState.NOT_READY, detail)

    def ready_path(self) -> str:
        return self._path()

    def predict_path(self, model_name: str | None = None, version: str | None = None) -> str:
        choice = f"/{'versions' if is_version(version) else 'labels'}/{version}" if version else ""
        return f"{self._path(model_name)}{choice}:predict"

    def inputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        """Of the signature ``serving_default``, where no other is asked for."""
        return self._tensors("inputs", model_name, signature)

    def outputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        return self._tensors("outputs", model_name, signature)

    def request_body(self, values: Mapping[str, Any], inputs: list[Tensor]) -> Any:
        """In column format: row format would need every output to have the same first dimension."""
        for tensor in inputs:
            if tensor.datatype not in _TYPES:
                taken = f"{tensor.datatype}, the type of the input {tensor.name!r}"
                raise UsageError(f"TensorFlow Serving's REST API takes no {taken}")
        return {"inputs": dict(values)}

    def bytes_value(self, data: bytes) -> Any:
        return {"b64": b64encode(data).decode()}

    def body_of(self, message: RequestBody) -> Any:
        if message.signature is None or not isinstance(message.body, dict):
            return message.body
        return {"signature_name": message.signature, **message.body}

    def _tensors(self, key: str, model_name: str | None, signature: str | None) -> list[Tensor]:
        record = self._metadata(f"{self._path(model_name)}/metadata")
        try:
            found = record["metadata"]["signature_def"]["signature_def"][signature or DEFAULT_SIGNATURE][key]
            return [_tensor(name, found[name]) for name in sorted(found)]
        except (LookupError, TypeError, ValueError, AttributeError):
            return []

    def _path(self, model_name: str | None = None) -> str:
        return f"/v1/models/{quote(model_name or self.model_name, safe='')}"


def _readiness(versions: list[tuple[str, dict[str, Any]]]) -> Readiness:
    states = [state for state, _ in versions]
    if "AVAILABLE" in states:
        return Readiness(ModelState.AVAILABLE)
    for state, status in versions:
        if state == "END":
            message = status.get("error_message") or "it was unloaded"
            return Readiness(ModelState.UNAVAILABLE, f"{status.get('error_code', 'END')}: {message}")
    return Readiness(ModelState.NOT_READY, f"its state is {', '.join(states) or 'not reported'}")


def _tensor(name: str, info: Mapping[str, Any]) -> Tensor:
    """Any number of dimensions is taken for a batch of single values."""
    if (info.get("tensor_shape") or {}).get("unknown_rank"):
        return Tensor(name, str(info["dtype"]), (-1,))
    dims = (info.get("tensor_shape") or {}).get("dim") or []
    return Tensor(name, str(info["dtype"]), tuple(int(dim["size"]) for dim in dims))


def _base_path(uri: str) -> str:
    """TensorFlow Serving wants the folder that holds the versions; TFX passes the version's own."""
    parent, _, last = uri.rstrip("/").rpartition("/")
    return parent if is_version(last) else uri
