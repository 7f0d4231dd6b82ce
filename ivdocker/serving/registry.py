"""L3. The model servers that there are, and which of them an image or a model is for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.serving import triton
from ivdocker.serving.base import ServingBinary
from ivdocker.serving.tensorflow_serving import TensorFlowServing
from ivdocker.serving.triton import Triton


class Server(NamedTuple):
    """How a model server is recognised. ``image_name`` is searched in an image's name without registry and tag."""

    binary: type[ServingBinary]
    image_name: str
    takes: Callable[[ModelPath], bool]
    model_name: Callable[[ModelPath], str]


SERVERS = (
    Server(
        TensorFlowServing,
        r"tensorflow[-_/]?serving|tf[-_]?serving",
        lambda model: (
            model.has("saved_model.pb", "saved_model.pbtxt")
            or any((folder / "saved_model.pb").exists() for folder in model.folders())
        ),
        lambda model: model.default_name,
    ),
    Server(Triton, r"triton", triton.looks_like_triton, triton.model_name),
)

KINDS = tuple(server.binary.kind for server in SERVERS)


def by_image(image: str) -> Server | None:
    """The server whose name the image bears; the registry's host and the tag do not count."""
    path = image.partition("@")[0]
    host, slash, rest = path.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        path = rest
    name = re.sub(r":[^/:]*$", "", path)
    found = [server for server in SERVERS if re.search(server.image_name, name, re.IGNORECASE)]
    return found[0] if len(found) == 1 else None


def choose(kind: str, image: str, model: ModelPath) -> Server:
    """The server for ``--server KIND``; for ``auto`` by the image's name, then by the model's folder.

    Raises UsageError when the kind is unknown or none, or more than one, fits.
    """
    if kind != "auto":
        for server in SERVERS:
            if server.binary.kind == kind:
                return server
        raise UsageError(f"unknown server {kind!r}; choose one of: auto, {', '.join(KINDS)}")
    named = by_image(image)
    if named:
        return named
    fitting = [] if model.is_uri else [server for server in SERVERS if server.takes(model)]
    if len(fitting) == 1:
        return fitting[0]
    why = "more than one fits" if fitting else "neither its name nor the model's folder tells"
    raise UsageError(f"cannot tell which model server {image!r} is ({why}); say it with --server {'|'.join(KINDS)}")
