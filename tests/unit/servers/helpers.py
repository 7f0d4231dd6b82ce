"""What the tests of the model servers share: a model's folder, how it is run, a client and its answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ivdocker.clock import Deadline
from ivdocker.model_path import ModelPath
from ivdocker.requests.make.synthesize import synthesize
from ivdocker.servers import registry
from ivdocker.servers.base import DockerRunParams, ServingBinary
from ivdocker.servers.client import BaseModelServerClient, ModelState, Readiness
from ivdocker.servers.mlflow import MLflow
from ivdocker.servers.tensorflow_serving import TensorFlowServingClient
from tests.unit.loopback import ModelServer

AVAILABLE, NOT_READY, UNAVAILABLE = ModelState.AVAILABLE, ModelState.NOT_READY, ModelState.UNAVAILABLE


def put(root: Path, files: dict[str, Any]) -> ModelPath:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return ModelPath(str(root))


def made(kind: str, model: ModelPath, name: str | None = None, image: str = "team/server:1") -> ServingBinary:
    """As validation makes it."""
    binary = registry.by_kind(kind).binary
    names = binary.model_names(model)
    return binary(image, name or names[0], names if len(names) > 1 else ())


def params(kind: str, model: ModelPath, name: str | None = None, image: str = "team/server:1") -> DockerRunParams:
    return made(kind, model, name, image).MakeDockerRunParams(model.location, True)


def mounted(found: DockerRunParams) -> dict[str, str]:
    assert all(mount["Type"] == "bind" and mount["ReadOnly"] for mount in found["mounts"])
    return {mount["Source"]: mount["Target"] for mount in found["mounts"]}


def look(client: BaseModelServerClient) -> Readiness:
    return client.probe(Deadline.after(5))


def made_up(client: BaseModelServerClient) -> Any:
    """The body of the first request that is made up for this server."""
    return next(synthesize(client, MLflow("x"), ModelPath("/nowhere"), 1)).body


def client_of(kind: str, server: ModelServer, *models: str) -> BaseModelServerClient:
    return registry.by_kind(kind).binary("team/server:1", (models or ("m",))[0], models).MakeClient(server.endpoint)


STATUS = "GET /v1/models/m"
PREDICT = "POST /v1/models/m:predict"


def version(state: str, code: str = "OK", message: str = "", number: str = "1") -> dict[str, Any]:
    return {"version": number, "state": state, "status": {"error_code": code, "error_message": message}}


def statuses(*versions: dict[str, Any]) -> dict[str, Any]:
    return {"model_version_status": list(versions)}


def predicting(server: ModelServer) -> TensorFlowServingClient:
    return TensorFlowServingClient(server.endpoint, "m")


def make(root: Path, *files: str) -> Path:
    for name in files:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root


CONFIG = 'name: "linear"\nbackend: "python"\ninput [\n  {\n    name: "X"\n    data_type: TYPE_FP32\n  }\n]\n'


def triton_model(root: Path, folder: str, config: str | None = CONFIG) -> Path:
    make(root / folder, "1/model.py")
    if config is not None:
        (root / folder / "config.pbtxt").write_text(config)
    return root / folder


TRITON_METADATA = "GET /v2/models/m"
TRITON_CONFIG = "GET /v2/models/m/config"


def v2_tensor(name: str, datatype: str, *shape: int) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape)}
