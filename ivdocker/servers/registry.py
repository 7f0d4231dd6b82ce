"""The list of the model servers.

Each entry names its server's module, and imports that only when it is needed: a run needs one server of twelve.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, cast

from ivdocker.errors import UsageError

if TYPE_CHECKING:
    from ivdocker.servers.base import ServingBinary


class ServerEntry(NamedTuple):
    """A model server.

    ``kind``: its name, as ``--server`` takes it. ``home``: ``module:class`` in this package. ``image_name``: a regular
    expression that finds the server's name in an image's name without registry and tag; empty when no image's name
    shows it.
    """

    kind: str
    home: str
    image_name: str = ""

    @property
    def binary(self) -> type[ServingBinary]:
        """The server's class; imports its module."""
        module, _, name = self.home.partition(":")
        return cast("type[ServingBinary]", getattr(import_module(f"ivdocker.servers.{module}"), name))


SERVERS = (
    ServerEntry(
        "tensorflow-serving", "tensorflow_serving:TensorFlowServing", r"tensorflow[-_/]?serving|tf[-_]?serving"
    ),
    ServerEntry("triton", "triton:Triton", r"triton"),
    ServerEntry("mlserver", "mlserver:MLServer", r"mlserver"),
    ServerEntry("mlflow", "mlflow:MLflow", r"mlflow"),
    ServerEntry("kserve", "kserve:KServe", r"kserve|(sklearn|xgb|lgb|pmml|paddle|huggingface)server"),
    ServerEntry("torchserve", "torchserve:TorchServe", r"torch[-_]?serve"),
    ServerEntry("bentoml", "bentoml:BentoML", r"bentoml"),
    ServerEntry("openai", "openai:OpenAI", r"vllm|text-generation-inference|llama[._-]?cpp|llama-server|sglang"),
    ServerEntry("openvino", "openvino:OpenVINO", r"openvino|ovms"),
    ServerEntry("sagemaker", "sagemaker:SageMaker", r"sagemaker"),
    ServerEntry("vertex", "vertex:Vertex", r"vertex-ai/prediction/"),
    ServerEntry("http", "generic:Http"),
)

KINDS = tuple(server.kind for server in SERVERS)


def by_image(image: str) -> ServerEntry | None:
    """The only server whose name is in the image's name; None when there is none, or more than one.

    The registry's host, the tag and the digest are not searched.
    """
    path = image.partition("@")[0]
    host, slash, rest = path.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        path = rest
    name = re.sub(r":[^/:]*$", "", path)
    found = [row for row in SERVERS if row.image_name and re.search(row.image_name, name, re.IGNORECASE)]
    return found[0] if len(found) == 1 else None


def by_kind(kind: str) -> ServerEntry:
    """The server of this name. Raises UsageError when there is none."""
    for server in SERVERS:
        if server.kind == kind:
            return server
    raise UsageError(f"unknown server {kind!r}; choose one of: auto, {', '.join(KINDS)}")
