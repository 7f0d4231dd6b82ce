"""BentoML: /readyz, /schema.json and one path for each API, on port 3000.

Facts: the image's environment and entrypoint are those of bentoml/BentoML ``src/bentoml/_internal/container/frontend/
dockerfile`` (without arguments the entrypoint serves what BENTO_PATH names); responses and log lines are those of
BentoML 1.4.39.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ivdocker.model_path import ModelPath
from ivdocker.servers.base import SAVE_LOG, DockerRunParams, Fingerprint, LogPattern, ServingBinary, bind_folder, denied
from ivdocker.servers.generic import HttpClient
from ivdocker.servers.records import Routes, Tensor

_BENTO = "/home/bentoml/bento"
_DATATYPES = {"number": "FP64", "integer": "INT64", "string": "BYTES", "boolean": "BOOL"}

_LOG_PATTERNS = (
    denied("/(?:models|home/bentoml)/"),
    LogPattern(
        r"ModuleNotFoundError: No module named '(?P<module>[^']+)'",
        "model-load-failed",
        "the Python module {module!r}, which the service needs, is not installed in the image",
        "add it to the bento's Python packages, and build the image again",
        position="exception",
        min_level="error",
    ),
    LogPattern(
        r"FileNotFoundError: .*'(?P<path>/(?:models|home/bentoml)/[^']*)'",
        "model-load-failed",
        "the service cannot find the file {path}",
        "compare the model's folder with the files that the code opens",
        position="exception",
        min_level="error",
    ),
    LogPattern(
        r"Failed to import module [\"']?(?P<module>[^\"':\s]+)[\"']?(: (?P<reason>.*))?",
        "model-load-failed",
        "BentoML cannot import the service's module {module!r}: {reason}",
        "",
        names_cause=False,
    ),
    LogPattern(
        r"Initializing service error|Application startup failed\. Exiting",
        "model-load-failed",
        "the service fails when it starts, and BentoML restarts it endlessly",
        f"the traceback in the server's log names the cause; {SAVE_LOG}",
        fatal=True,
        names_cause=False,
    ),
)


class BentoML(ServingBinary):
    """An image made by ``bentoml containerize``, or one whose entrypoint serves what BENTO_PATH names.

    A bento (a folder with ``bento.yaml``) is mounted at ``/home/bentoml/bento``, over the image's own bento. Any other
    folder is mounted at ``/models/NAME``. If it holds ``bentofile.yaml`` or ``service.py``, BENTO_PATH names it.
    """

    kind = "bentoml"
    ports = MappingProxyType({"http": 3000})
    log_patterns = _LOG_PATTERNS
    fingerprint = Fingerprint(
        program=r"\bbentoml serve\b",
        variables=("BENTO_PATH", "BENTOML_HOME", "BENTOML_CONTAINERIZED"),
        files=("bento.yaml", "bentofile.yaml"),
    )

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        model = ModelPath(model_path)
        place = _BENTO if model.has("bento.yaml") else f"/models/{self.model_name}"
        is_served = model.has("bento.yaml", "bentofile.yaml", "service.py")
        return {
            "image": self.image,
            "environment": {"BENTO_PATH": place} if is_served else {},
            "mounts": bind_folder(self, model_path, needs_mount, place),
        }

    def MakeClient(self, endpoint: str) -> BentoMLClient:
        return BentoMLClient(endpoint, self.model_name)


class BentoMLClient(HttpClient):
    """A client of BentoML's HTTP server.

    While the service starts, its port accepts connections and sends no response. The ``model_name`` of a request is the
    name of an API; without it, the request goes to the service's first API.
    """

    def __init__(self, endpoint: str, model_name: str) -> None:
        super().__init__(endpoint, model_name, Routes(3000, "/readyz", "/predict"))
        self._known: list[dict[str, Any]] = []

    def predict_path(self, model_name: str | None = None, version: str | None = None) -> str:
        """The path of the API; ``/predict`` as long as the server does not report its APIs."""
        if model_name:
            return f"/{model_name.lstrip('/')}"
        return next((str(route["route"]) for route in self._apis()), super().predict_path())

    def inputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        """The API's arguments that have no default value; empty when the schema leaves out the shape of one."""
        path = self.predict_path(model_name)
        try:
            api = next(each for each in self._apis() if each["route"] == path)
            arguments = {name: each for name, each in api["input"]["properties"].items() if "default" not in each}
            return [_tensor(name, arguments[name], bool(api.get("batchable"))) for name in arguments]
        except (StopIteration, LookupError, TypeError, ValueError, AttributeError):
            return []

    def request_body(self, values: Mapping[str, Any], inputs: list[Tensor], model_name: str | None = None) -> Any:
        """A JSON object with the arguments of the API."""
        return dict(values)

    def _apis(self) -> list[dict[str, Any]]:
        if not self._known:
            routes = self._get_object("/schema.json").get("routes")
            self._known = (
                [r for r in routes if isinstance(r, dict) and "route" in r] if isinstance(routes, list) else []
            )
        return self._known


def _tensor(name: str, schema: Mapping[str, Any], batchable: bool) -> Tensor:
    """An argument of an API as a tensor.

    Only the outermost list of a batchable API is a batch. Any other list must have a fixed length, because a length
    that the model may not accept is never invented. Raises LookupError when the schema does not give type and shape.
    """
    shape: list[int] = []
    while schema["type"] == "array":
        is_batch = batchable and not shape
        if not is_batch and schema["minItems"] != schema["maxItems"]:
            raise LookupError(name)
        shape.append(-1 if is_batch else int(schema["minItems"]))
        schema = schema["items"]
    if schema["type"] == "tensor":
        return Tensor(name, str(schema["dtype"]).upper(), tuple(int(size) for size in schema["shape"]))
    return Tensor(name, _DATATYPES[schema["type"]], tuple(shape))
