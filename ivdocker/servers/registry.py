"""The model servers that there are, and which of them an image or a model is for.

A server's module is imported when that server is the one, or when nothing but a look at all of them can tell.
"""

import re
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, cast

from ivdocker.errors import UsageError

if TYPE_CHECKING:
    from ivdocker.engine.parse import Image
    from ivdocker.model_path import ModelPath
    from ivdocker.servers.base import ServingBinary


class ServerEntry(NamedTuple):
    """A model server. ``home``: ``module:class`` in this room. ``image_name``: a regular expression searched in an
    image's name without registry and tag; empty where no name tells."""

    kind: str
    home: str
    image_name: str = ""

    @property
    def binary(self) -> "type[ServingBinary]":
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


class Choice(NamedTuple):
    """A server, and why this one. ``is_evident``: the user or the image's name says so."""

    server: ServerEntry
    reason: str
    is_evident: bool = False


def by_image(image: str) -> ServerEntry | None:
    """The server whose name the image bears; the registry's host and the tag do not count."""
    path = image.partition("@")[0]
    host, slash, rest = path.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        path = rest
    name = re.sub(r":[^/:]*$", "", path)
    found = [row for row in SERVERS if row.image_name and re.search(row.image_name, name, re.IGNORECASE)]
    return found[0] if len(found) == 1 else None


def choose(kind: str, image: str, model: "ModelPath", look: "Callable[[], Image | None]" = lambda: None) -> Choice:
    """The server for ``--server KIND``; for ``auto`` by the image's name, then by what ``look`` finds in the image,
    then by the model's folder.

    ``look``: the image's configuration, None while it is not on this machine. Raises UsageError when the kind is
    unknown, or when none or more than one fits.
    """
    if kind != "auto":
        return Choice(by_kind(kind), "--server names it", is_evident=True)
    named = by_image(image)
    if named:
        return Choice(named, "the image's name tells", is_evident=True)
    found = look()
    fitting = _fitting(lambda binary: binary.match_image(found)) if found else []
    if not fitting and not model.is_uri:
        fitting = _fitting(lambda binary: binary.match_folder(model))
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        why = "more than one fits: " + " and ".join(f"{each.server.kind} ({each.reason})" for each in fitting)
    elif found:
        why = "neither its name nor its configuration nor the model's folder tells"
    else:
        why = "neither its name nor the model's folder tells, and it is not on this machine yet to be looked into"
    raise UsageError(f"cannot tell which model server {image!r} is: {why}; say it with --server {'|'.join(KINDS)}")


def by_kind(kind: str) -> ServerEntry:
    """Raises UsageError for an unknown one."""
    for server in SERVERS:
        if server.kind == kind:
            return server
    raise UsageError(f"unknown server {kind!r}; choose one of: auto, {', '.join(KINDS)}")


def _fitting(told: "Callable[[type[ServingBinary]], str | None]") -> list[Choice]:
    reasons = ((server, told(server.binary)) for server in SERVERS)
    return [Choice(server, reason) for server, reason in reasons if reason]
