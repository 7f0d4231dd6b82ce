"""L3. What every model server has to say: how its container is run, and which causes its log tells."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, TypedDict

from ivdocker.errors import FailureCode
from ivdocker.model_path import ModelPath
from ivdocker.serving.client import BaseModelServerClient, Tensor


class MountParams(TypedDict):
    """A mount as docker-py's ``types.Mount`` spells it."""

    Type: str
    Source: str
    Target: str
    ReadOnly: bool


class DockerRunParams(TypedDict, total=False):
    """What TFX's ``MakeDockerRunParams`` returns: docker-py's words for ``docker run``."""

    image: str
    command: list[str]
    environment: dict[str, str]
    mounts: list[MountParams]
    shm_size: str


class Signature(NamedTuple):
    """A line in a server's log that tells a cause.

    ``pattern``: a regular expression; its named groups may stand in ``message`` as ``{group}``. ``fatal``: the server
    goes on running after this line, and yet the model will never be ready.
    """

    pattern: str
    code: FailureCode
    message: str
    hint: str
    fatal: bool = False


class ServingBinary(abc.ABC):
    """A model server's image and how to run it: TFX's ServingBinary, and what our runner asks beyond it."""

    kind: ClassVar[str]
    """The server's name, as ``--server`` takes it."""

    ports: ClassVar[Mapping[str, int]]
    """Container ports by protocol: ``grpc``, ``http``, ``metrics``."""

    signatures: ClassVar[tuple[Signature, ...]]
    """The causes that this server's log tells, the most telling first."""

    def __init__(self, image: str, model_name: str = "model") -> None:
        self.image = image
        self.model_name = model_name

    def __repr__(self) -> str:
        return f"{type(self).__name__}(image={self.image!r})"

    @property
    @abc.abstractmethod
    def container_port(self) -> int:
        """The port whose address GetEndpoint() returns."""

    @abc.abstractmethod
    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        """docker-py's parameters for running the server on this model. Raises UsageError where that cannot be.

        ``needs_mount``: ``model_path`` is a folder of this machine, else a URI that the server opens itself.
        """

    def example_bodies(self, model: ModelPath) -> list[Any]:
        """Request bodies that lie ready in the model's folder. Raises nothing."""
        del model
        return []

    def inputs(self, model: ModelPath) -> list[Tensor]:
        """The model's inputs as its folder tells them, for a server that does not. Raises nothing."""
        del model
        return []

    @abc.abstractmethod
    def MakeClient(self, endpoint: str) -> BaseModelServerClient:
        """A client of the server at ``endpoint``, which GetEndpoint() returned."""


def bind(source: str, target: str) -> MountParams:
    """A read-only bind mount."""
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": True}
