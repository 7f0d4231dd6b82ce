"""MLflow's scoring server: /ping and /invocations on port 8080.

Facts from mlflow/mlflow: the image's port, the model's folder in it and the paths that its nginx allows are in
``mlflow/models/container/__init__.py`` and ``mlflow/models/container/scoring_server/nginx.conf``, the variable of the
server without nginx is in ``mlflow/pyfunc/scoring_server/app.py``, the request formats are in
``mlflow/pyfunc/scoring_server``. Responses and log lines are those of MLflow 3.17.2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.servers.base import SAVE_LOG, DockerRunParams, Fingerprint, LogPattern, ServingBinary, bind_folder, denied
from ivdocker.servers.generic import HttpClient
from ivdocker.servers.protocol import EVENTS
from ivdocker.servers.records import Routes, Tensor

_MODEL = "/opt/ml/model"
_MLMODEL = "MLmodel"
_EXAMPLE = "serving_input_example.json"

_DATATYPES = {
    "boolean": "BOOL",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
    "string": "BYTES",
    "binary": "BINARY",
    "datetime": "DATETIME",
    "map": "OBJECT",
    "array": "OBJECT",
    "any": "OBJECT",
    "str": "BYTES",
    "object": "BYTES",
}
"""The Open Inference Protocol's names for MLflow's column types (``mlflow/types/schema.py``) and for numpy's strings.
Every other numpy type has the same name in both, in upper case."""

_LOG_PATTERNS = (
    denied(_MODEL),
    LogPattern(
        r"Could not find an \"MLmodel\" configuration file at \"(?P<path>[^\"]+)\"",
        "model-not-found",
        "MLflow finds no MLmodel file at {path}",
        "give the folder that holds the file MLmodel as MODEL",
        position="exception",
        min_level="error",
    ),
    LogPattern(
        r"Invalid path: resolved path is outside the artifact directory",
        "model-load-failed",
        "MLflow does not follow a symbolic link that points out of the model's folder",
        "copy the model with cp -rL, which replaces each link by its file",
        position="exception",
        min_level="error",
    ),
    LogPattern(
        r"No such artifact: (?P<path>.*)",
        "model-load-failed",
        "MLflow cannot find the model's file {path}",
        "compare the folder with the files that MLmodel names; copy or log the model again",
        position="exception",
        min_level="error",
    ),
    LogPattern(
        r"does not have the \"(?P<flavor>[^\"]+)\" flavor",
        "model-load-failed",
        "the model has no flavor {flavor!r}, which this server loads",
        "log the model with mlflow.pyfunc, or with a flavor that adds the flavor python_function",
        position="exception",
        min_level="error",
    ),
    LogPattern(
        r"FileNotFoundError: .*'(?P<path>/opt/ml/model/[^']*)'",
        "model-load-failed",
        "the model lacks a file (in the container: {path})",
        "compare the folder with the files that MLmodel names; copy or log the model again",
        position="exception",
        min_level="error",
    ),
    LogPattern(
        r"zipfile\.BadZipFile: (?P<reason>.*)",
        "model-load-failed",
        "a file of the model is damaged ({reason})",
        "copy or log the model again; compare the sizes of its files with the original's",
        position="exception",
        min_level="error",
    ),
    LogPattern(
        r"ModuleNotFoundError: No module named '(?P<module>[^']+)'",
        "model-load-failed",
        "the Python module {module!r}, which the model needs, is not installed in the image",
        "build the image with the model's requirements.txt",
        position="exception",
        min_level="error",
    ),
    LogPattern(
        r"Child process \[\d+\] died",
        "model-load-failed",
        "MLflow's server processes die while they load the model, and MLflow restarts them endlessly",
        f"the traceback in the server's log names the cause; {SAVE_LOG}",
        fatal=True,
        only_after=r"^Process \w*Process-\d+:\s*$",
        names_cause=False,
    ),
    LogPattern(
        r"(?P<reason>MlflowException: .*)",
        "model-load-failed",
        "MLflow cannot load the model: {reason}",
        "",
        position="exception",
        min_level="error",
        names_cause=False,
    ),
)


class MLflow(ServingBinary):
    """An image made by ``mlflow models build-docker``, or one that runs ``mlflow.pyfunc.scoring_server.app`` on port
    8080.

    The folder is mounted at ``/opt/ml/model``. It hides a model that is in the image.
    """

    kind = "mlflow"
    ports = MappingProxyType({"http": 8080})
    log_patterns = _LOG_PATTERNS
    fingerprint = Fingerprint(
        program=r"mlflow\.models\.container|mlflow\.models import container|mlflow models serve"
        r"|mlflow\.pyfunc\.scoring_server",
        variables=("MLFLOW_DISABLE_ENV_CREATION",),
        files=(_MLMODEL,),
    )

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        # With more than one worker, MLflow restarts the workers endlessly when the model cannot be loaded.
        environment = {"MLFLOW_MODELS_WORKERS": "1", "__pyfunc_model_path__": _MODEL}
        mounts = bind_folder(self, model_path, needs_mount, _MODEL)
        return {"image": self.image, "environment": environment, "mounts": mounts}

    def example_bodies(self, model: ModelPath) -> list[Any]:
        """The example that was logged with the model, in the server's request format."""
        try:
            return [json.loads((model.path / _EXAMPLE).read_bytes())]
        except (OSError, ValueError, RecursionError):
            return []

    def inputs(self, model: ModelPath) -> list[Tensor]:
        """The inputs in the model's signature. A column has the shape (), a tensor without a name is called ""."""
        try:
            text = (model.path / _MLMODEL).read_text("utf-8")
        except (OSError, ValueError):
            return []
        return signature_inputs(text)

    def MakeClient(self, endpoint: str) -> MLflowClient:
        return MLflowClient(endpoint, self.model_name, Routes(8080, "/ping", "/invocations"))


class MLflowClient(HttpClient):
    """A client of the scoring server.

    The server's port opens once the model is loaded. Until then nginx, where the image has it, answers 502.
    """

    answer_types: ClassVar[tuple[str, ...]] = (EVENTS,)

    def request_body(self, values: Mapping[str, Any], inputs: list[Tensor], model_name: str | None = None) -> Any:
        """Columns go into ``dataframe_split``, tensors into ``inputs``."""
        if inputs and all(tensor.shape == () for tensor in inputs):
            names = [tensor.name for tensor in inputs if tensor.name in values]
            columns = [int(name) if isinstance(name, ColumnNumber) else name for name in names]
            cells = [values[name] if isinstance(values[name], list) else [values[name]] for name in names]
            return {"dataframe_split": {"columns": columns, "data": [list(row) for row in zip(*cells, strict=True)]}}
        if [tensor.name for tensor in inputs] == [""]:
            return {"inputs": values[""]}
        return {"inputs": dict(values)}

    def may_be_missing(self, tensor: Tensor) -> bool:
        """pandas, in which the server holds a table, has no missing integers and bools."""
        return tensor.shape == () and not (tensor.is_required and tensor.kind in ("int", "bool"))


class ColumnNumber(str):
    """The name of a column whose name is a number, as in a table that was made without names."""

    __slots__ = ()


def signature_inputs(mlmodel: str) -> list[Tensor]:
    """The inputs in the text of an MLmodel file; empty when it has no signature. Raises UsageError when PyYAML is not
    installed."""
    try:
        import yaml
    except ImportError:
        raise UsageError(
            "PyYAML, which reads the signature of an MLmodel file, is not installed: pip install PyYAML"
        ) from None
    try:
        fields = json.loads(yaml.safe_load(mlmodel)["signature"]["inputs"])
        return [_tensor(place, field) for place, field in enumerate(fields)]
    except (yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return []


def _tensor(place: int, field: Mapping[str, Any]) -> Tensor:
    kind = field["type"]
    if kind == "tensor":
        spec = field["tensor-spec"]
        dtype = str(spec["dtype"])
        shape = tuple(int(size) for size in spec["shape"])
        return Tensor(str(field.get("name") or ""), _DATATYPES.get(dtype, dtype.upper()), shape)
    # Columns without names are matched by their order, and the server numbers them.
    name = field.get("name", place)
    datatype = "OBJECT" if kind == "object" else _DATATYPES[kind]
    return Tensor(ColumnNumber(name) if isinstance(name, int) else str(name), datatype, (), field.get("required", True))
