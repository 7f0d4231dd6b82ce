"""MLflow's scoring server: /ping and /invocations on 8080.

Facts: the image's port, the model's place in it and what its nginx lets through from mlflow/mlflow
``mlflow/models/container/__init__.py`` and ``mlflow/models/container/scoring_server/nginx.conf``, the variable of the
plain server from ``mlflow/pyfunc/scoring_server/app.py``, the request forms from ``mlflow/pyfunc/scoring_server``; the
answers and log lines as seen with MLflow 3.17.2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.servers.base import DockerRunParams, Fingerprint, LogPattern, ServingBinary, bind_folder, denied
from ivdocker.servers.generic import HttpClient
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
    "binary": "BYTES",
    "datetime": "BYTES",
    "str": "BYTES",
    "object": "BYTES",
}
"""MLflow's words for a column's type (``mlflow/types/schema.py``), and numpy's for texts; its others are like v2's."""

_HINT = "--evidence DIR keeps the server's whole log"

_LOG_PATTERNS = (
    denied(_MODEL),
    LogPattern(
        r"Could not find an \"MLmodel\" configuration file at \"(?P<path>[^\"]+)\"",
        "model-not-found",
        "MLflow finds no MLmodel file at {path}",
        "give the folder that holds the file MLmodel",
        fatal=True,
    ),
    LogPattern(
        r"Invalid path: resolved path is outside the artifact directory",
        "model-load-failed",
        "MLflow does not follow a symbolic link that leads out of the model's folder",
        "copy the model with its links resolved (cp -rL)",
        fatal=True,
    ),
    LogPattern(
        r"No such artifact: (?P<path>.*)",
        "model-load-failed",
        "MLflow misses a file of the model: {path}",
        "compare the folder with what MLmodel names; copy or log the model anew",
        fatal=True,
    ),
    LogPattern(
        r"does not have the \"(?P<flavor>[^\"]+)\" flavor",
        "model-load-failed",
        "the model has no flavor {flavor!r}, which this server loads",
        "log the model with mlflow.pyfunc, or with a flavor that has a pyfunc one beside it",
        fatal=True,
    ),
    LogPattern(
        r"FileNotFoundError: .*'(?P<path>/opt/ml/model/[^']*)'",
        "model-load-failed",
        "the model misses a file (in the container: {path})",
        "copy or log the model anew; compare the folder with what MLmodel names",
        fatal=True,
    ),
    LogPattern(
        r"zipfile\.BadZipFile: (?P<reason>.*)",
        "model-load-failed",
        "a file of the model is damaged ({reason})",
        "copy or log the model anew; compare the sizes with the original's",
        fatal=True,
    ),
    LogPattern(
        r"ModuleNotFoundError: No module named '(?P<module>[^']+)'",
        "model-load-failed",
        "the image has no Python module {module!r}, which the model needs",
        "build the image with the model's requirements.txt",
        fatal=True,
    ),
    LogPattern(
        r"Child process \[\d+\] died",
        "model-load-failed",
        "MLflow's server processes die while they load the model, and are started again for ever",
        f"the traceback in the server's log names the cause; {_HINT}",
        fatal=True,
    ),
    LogPattern(
        r"(?P<reason>MlflowException: .*)",
        "model-load-failed",
        "MLflow cannot load the model: {reason}",
        _HINT,
    ),
)


class MLflow(ServingBinary):
    """An image of ``mlflow models build-docker``, or one that runs ``mlflow.pyfunc.scoring_server.app`` on 8080.

    The folder is mounted at ``/opt/ml/model``, also over a model that the image brings.
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
        # With more workers than one a model that cannot load is tried for ever.
        environment = {"MLFLOW_MODELS_WORKERS": "1", "__pyfunc_model_path__": _MODEL}
        mounts = bind_folder(self, model_path, needs_mount, _MODEL)
        return {"image": self.image, "environment": environment, "mounts": mounts}

    def example_bodies(self, model: ModelPath) -> list[Any]:
        """The example that was logged with the model, as its own server takes it."""
        try:
            return [json.loads((model.path / _EXAMPLE).read_bytes())]
        except (OSError, ValueError, RecursionError):
            return []

    def inputs(self, model: ModelPath) -> list[Tensor]:
        """Of the model's signature: a column has the shape (), a tensor without a name is called ""."""
        try:
            text = (model.path / _MLMODEL).read_text("utf-8")
        except (OSError, ValueError):
            return []
        return signature_inputs(text)

    def MakeClient(self, endpoint: str) -> MLflowClient:
        return MLflowClient(endpoint, self.model_name, Routes(8080, "/ping", "/invocations"))


class MLflowClient(HttpClient):
    """The scoring server. The port opens once the model is loaded; nginx in front of it answers 502 until then."""

    def request_body(self, values: Mapping[str, Any], inputs: list[Tensor]) -> Any:
        """Columns as ``dataframe_split``, tensors as ``inputs``."""
        if inputs and all(tensor.shape == () for tensor in inputs):
            columns = [tensor.name for tensor in inputs]
            cells = [values[name] if isinstance(values[name], list) else [values[name]] for name in columns]
            return {"dataframe_split": {"columns": columns, "data": [list(row) for row in zip(*cells, strict=True)]}}
        if [tensor.name for tensor in inputs] == [""]:
            return {"inputs": values[""]}
        return {"inputs": dict(values)}


def signature_inputs(mlmodel: str) -> list[Tensor]:
    """The inputs in the text of an MLmodel file, none where it has no signature. Raises UsageError without PyYAML."""
    try:
        import yaml
    except ImportError:
        raise UsageError(
            "reading the signature of an MLmodel file takes PyYAML: pip install 'ivdocker[mlflow]'"
        ) from None
    try:
        return [_tensor(field) for field in json.loads(yaml.safe_load(mlmodel)["signature"]["inputs"])]
    except (yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return []


def _tensor(field: Mapping[str, Any]) -> Tensor:
    name, kind = str(field.get("name") or ""), field["type"]
    if kind == "tensor":
        spec = field["tensor-spec"]
        dtype = str(spec["dtype"])
        return Tensor(name, _DATATYPES.get(dtype, dtype.upper()), tuple(int(size) for size in spec["shape"]))
    return Tensor(name, _DATATYPES[kind], ())
