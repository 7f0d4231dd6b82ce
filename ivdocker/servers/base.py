"""What every model server has to say: how its container is run, how it is known, which causes its log tells."""

from __future__ import annotations

import abc
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypedDict

from ivdocker.engine.parse import Image
from ivdocker.errors import FailureCode, UsageError
from ivdocker.model_path import ModelPath
from ivdocker.servers.client import MAY_NOT_READ, BaseModelServerClient
from ivdocker.servers.records import Routes, Tensor


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


class LogPattern(NamedTuple):
    """A line in a server's log that tells a cause.

    ``pattern``: a regular expression; its named groups may stand in ``message`` as ``{group}``. ``fatal``: the server
    goes on running after this line, and yet the model will never be ready.
    """

    pattern: str
    code: FailureCode
    message: str
    hint: str
    fatal: bool = False


def denied(place: str = "") -> LogPattern:
    """The row of a server written in Python that may not read a file, or one below ``place``."""
    return LogPattern(
        rf"PermissionError: .*Permission denied: '(?P<path>{place}[^']+)'",
        "model-load-failed",
        "the server is denied access to {path}",
        MAY_NOT_READ,
    )


class Fingerprint(NamedTuple):
    """By what a model server is recognised where the image's name does not tell.

    Of the image: ``program``, a regular expression searched in its entrypoint and command; ``variables``, names in its
    environment; ``labels``, how the name of one of its labels begins. Of the model's folder: ``files``, glob patterns.
    """

    program: str = ""
    variables: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class Selection(NamedTuple):
    """Why an image is run as this server, and what else was found out when the server was chosen.

    ``reason``: a text for people. ``is_evident``: whether the user or the image's name says so; any other reason is
    told to the user. ``configuration``: the image's, where the server needs it and the image is on this machine.
    ``routes``: the port and the paths that the user gave, None for the server's own.
    """

    reason: str
    is_evident: bool
    configuration: Image | None = None
    routes: Routes | None = None


BY_USER = Selection("--server names it", is_evident=True)


class ServingBinary(abc.ABC):
    """A model server's image and how to run it: TFX's ServingBinary, and what our runner asks beyond it.

    ``models``: the names of all models that must be ready where the folder holds several, ``model_name`` among them.
    ``selection``: what ``select.select_server`` found out.
    """

    kind: ClassVar[str]
    """The server's name, as ``--server`` takes it."""

    ports: Mapping[str, int]
    """Container ports by protocol: ``http``, ``grpc``, ``metrics``, ``management``."""

    log_patterns: ClassVar[tuple[LogPattern, ...]] = ()
    """The causes that this server's log tells, the most telling first."""

    fingerprint: ClassVar[Fingerprint] = Fingerprint()

    takes_routes: ClassVar[bool] = False
    """Whether the user chooses the server's port and paths (``--port``, ``--ready-path``, ``--predict-path``)."""

    def __init__(
        self, image: str, model_name: str = "model", models: Sequence[str] = (), selection: Selection = BY_USER
    ) -> None:
        self.image = image
        self.model_name = model_name
        self.models = tuple(models) or (model_name,)
        self.server_reason = selection.reason
        self.server_is_evident = selection.is_evident

    def __repr__(self) -> str:
        return f"{type(self).__name__}(image={self.image!r})"

    @property
    def container_port(self) -> int:
        """The port whose address GetEndpoint() returns."""
        return self.ports["http"]

    @abc.abstractmethod
    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        """docker-py's parameters for running the server on this model. Raises UsageError where that cannot be.

        ``needs_mount``: ``model_path`` is a folder of this machine, else a URI that the server opens itself.
        """

    @classmethod
    def match_image(cls, image: Image) -> str | None:
        """What of the image shows that it holds this server."""
        words = " ".join((*image.entrypoint, *image.command))
        found = re.search(cls.fingerprint.program, words) if cls.fingerprint.program else None
        if found:
            return f"the image runs {found[0]!r}"
        for name in cls.fingerprint.variables:
            if name in image.env:
                return f"the image sets {name}"
        label = next((label for label in image.labels if label.startswith(cls.fingerprint.labels)), None)
        return f"the image has the label {label}" if label and cls.fingerprint.labels else None

    @classmethod
    def match_folder(cls, model: ModelPath) -> str | None:
        """What of the model's folder shows that it is for this server. Raises nothing."""
        for pattern in cls.fingerprint.files:
            if any(model.path.glob(pattern)):
                return f"the model's folder holds {pattern}"
        return None

    @classmethod
    def model_names(cls, model: ModelPath) -> list[str]:
        """The names by which the server will know what the folder holds; at least one. Raises UsageError."""
        return [model.default_name]

    @classmethod
    def needs_configuration(cls, image: str) -> bool:
        """Whether the constructor needs the configuration of an image of this name."""
        return False

    def example_bodies(self, model: ModelPath) -> list[Any]:
        """Request bodies that lie ready in the model's folder. Raises nothing."""
        return []

    def inputs(self, model: ModelPath) -> list[Tensor]:
        """The model's inputs as its folder tells them, for a server that does not. Raises UsageError when what reads
        them is not installed."""
        return []

    @abc.abstractmethod
    def MakeClient(self, endpoint: str) -> BaseModelServerClient:
        """A client of the server at ``endpoint``, which GetEndpoint() returned."""


def bind(source: str, target: str) -> MountParams:
    """A read-only bind mount."""
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": True}


def bind_folder(server: ServingBinary, model_path: str, needs_mount: bool, target: str) -> list[MountParams]:
    """The model's folder in its place. Raises UsageError for a URI, which this server does not open."""
    if not needs_mount:
        raise UsageError(f"{server.kind} does not open {model_path!r} itself; fetch the model, and give its folder")
    return [bind(model_path, target)]
