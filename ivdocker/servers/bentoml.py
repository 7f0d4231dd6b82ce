"""BentoML: /readyz, /schema.json and one path for each API on 3000.

Facts: the image's environment and entrypoint from bentoml/BentoML ``src/bentoml/_internal/container/frontend/
dockerfile`` (without arguments it serves what BENTO_PATH names); answers and log lines as seen with BentoML 1.4.39.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ivdocker.model_path import ModelPath
from ivdocker.servers.base import DockerRunParams, Fingerprint, LogPattern, ServingBinary, bind_folder, denied
from ivdocker.servers.generic import HttpClient
from ivdocker.servers.records import Routes, Tensor

_BENTO = "/home/bentoml/bento"
_DATATYPES = {"number": "FP64", "integer": "INT64", "string": "BYTES", "boolean": "BOOL"}
_HINT = "--evidence DIR keeps the server's whole log"

_LOG_PATTERNS = (
    denied("/(?:models|home/bentoml)/"),
    LogPattern(
        r"ModuleNotFoundError: No module named '(?P<module>[^']+)'",
        "model-load-failed",
        "the image has no Python module {module!r}, which the service needs",
        "name it in the bento's Python packages, and build the image anew",
    ),
    LogPattern(
        r"FileNotFoundError: .*'(?P<path>/(?:models|home/bentoml)/[^']*)'",
        "model-load-failed",
        "the service misses the file {path}",
        "compare the folder with what the code opens",
    ),
    LogPattern(
        r"Failed to import module [\"']?(?P<module>[^\"':\s]+)[\"']?(: (?P<reason>.*))?",
        "model-load-failed",
        "BentoML cannot import the service's module {module!r}: {reason}",
        _HINT,
    ),
    LogPattern(
        r"Initializing service error|Application startup failed\. Exiting",
        "model-load-failed",
        "the service fails while it starts, and BentoML tries it again for ever",
        f"the traceback in the server's log names the cause; {_HINT}",
        fatal=True,
    ),
)


class BentoML(ServingBinary):
    """An image of ``bentoml containerize``, or one whose entrypoint serves what BENTO_PATH names.

    A bento (with ``bento.yaml``) takes the place of the image's own at ``/home/bentoml/bento``. Any other folder is
    mounted at ``/models/NAME``; one with ``bentofile.yaml`` or ``service.py`` is what BENTO_PATH then names.
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
    """While the service starts, its port takes connections and answers nothing.

    A request's ``model_name`` is the name of the API; without one it goes to the service's first.
    """

    def __init__(self, endpoint: str, model_name: str) -> None:
        super().__init__(endpoint, model_name, Routes(3000, "/readyz", "/predict"))
        self._known: list[dict[str, Any]] = []

    def predict_path(self, model_name: str | None = None, version: str | None = None) -> str:
        """Where no server tells its APIs yet: ``/predict``."""
        if model_name:
            return f"/{model_name.lstrip('/')}"
        return next((str(route["route"]) for route in self._apis()), super().predict_path())

    def inputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        """The arguments without a default; none where one of them has a form that its schema does not tell."""
        path = self.predict_path(model_name)
        try:
            api = next(each for each in self._apis() if each["route"] == path)
            arguments = {name: each for name, each in api["input"]["properties"].items() if "default" not in each}
            return [_tensor(name, arguments[name], bool(api.get("batchable"))) for name in arguments]
        except (StopIteration, LookupError, TypeError, ValueError, AttributeError):
            return []

    def request_body(self, values: Mapping[str, Any], inputs: list[Tensor]) -> Any:
        """An object of arguments."""
        return dict(values)

    def _apis(self) -> list[dict[str, Any]]:
        if not self._known:
            routes = self._get_object("/schema.json").get("routes")
            self._known = (
                [r for r in routes if isinstance(r, dict) and "route" in r] if isinstance(routes, list) else []
            )
        return self._known


def _tensor(name: str, schema: Mapping[str, Any], batchable: bool) -> Tensor:
    """Only the outermost list of a batchable API is a batch; the length of any other list is the model's business, and
    is made up for none. Raises LookupError for a form that cannot be told."""
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
