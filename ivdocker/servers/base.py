"""What every model server defines: how to run its container, how to recognise it, which causes its log names."""

from __future__ import annotations

import abc
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, TypedDict

from ivdocker.engine.parse import Image
from ivdocker.errors import FailureCode, UsageError
from ivdocker.model_path import ModelPath
from ivdocker.servers.client import MAY_NOT_READ, BaseModelServerClient
from ivdocker.servers.records import Routes, Tensor

SAVE_LOG = "run again with --evidence DIR to save the server's whole log"
"""The hint of a failure whose message does not say what to change."""


class MountParams(TypedDict):
    """A mount in the form of docker-py's ``types.Mount``."""

    Type: str
    Source: str
    Target: str
    ReadOnly: bool


class DockerRunParams(TypedDict, total=False):
    """What our binaries return from ``MakeDockerRunParams``: the parameters of ``docker run`` with docker-py's names.

    A binary of your own may give any parameter of docker-py's ``containers.run()``: :mod:`ivdocker.container.docker_py`
    says which are honoured, which are ignored, and which are refused by name. All stand in docker's command line, so
    secrets belong in ``RunOptions.env``.
    """

    image: str
    command: list[str]
    environment: dict[str, str]
    mounts: list[MountParams]
    shm_size: str


class LogPattern(NamedTuple):
    """A line in a server's log that names the cause of a failure.

    ``pattern``: a regular expression. Its named groups may stand in ``message`` as ``{group}``. ``hint``: what the user
    can do about it; empty where nothing is known. ``fatal``: True where the server keeps running after this line
    although the model will never be ready; False (the default) where the line is read only after the end, or beside a
    fatal line. ``only_after``: the row counts only after a line that this expression matches.

    ``position``: ``line``, anywhere in the log; ``end``, only where no exception that the row does not match came
    later, nor much of a server at work, because the server survived such a line; ``exception``, as ``end``, and only in
    a line that reports an exception (a traceback's last line, a C++ ``what()``, an exception in a line of the level
    ERROR) or that begins with the pattern. ``min_level``: a line with a lower level does not match; one without a level
    does. ``names_cause``: False where the line says only that something failed, or repeats another's words: rows that
    name a cause are tried first.
    """

    pattern: str
    code: FailureCode
    message: str
    hint: str
    fatal: bool = False
    only_after: str = ""
    position: Literal["line", "end", "exception"] = "line"
    min_level: Literal["info", "warning", "error"] = "info"
    names_cause: bool = True


def denied(place: str = "") -> LogPattern:
    """The pattern for a server written in Python that may not read a file.

    ``place``: a regular expression that the file's path must begin with; by default any path matches.
    """
    return LogPattern(
        rf"PermissionError: .*Permission denied: '(?P<path>{place}[^']+)'",
        "model-load-failed",
        "the server is denied access to {path}",
        MAY_NOT_READ,
        position="exception",
        min_level="error",
    )


class Fingerprint(NamedTuple):
    """How to recognise a model server when the image's name does not say which one it is.

    In the image: ``program``, a regular expression searched in the entrypoint and the command; ``variables``, names of
    environment variables; ``labels``, prefixes of label names. In the model's folder: ``files``, glob patterns.
    """

    program: str = ""
    variables: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class Selection(NamedTuple):
    """Why an image is run as this server, and what was found out while the server was chosen.

    ``reason``: a text for people. ``is_evident``: True when the user or the image's name says which server it is; any
    other reason is shown to the user. ``configuration``: the image's configuration, if the server needs it and the
    image is on this machine. ``routes``: the port and the paths that the user gave; None for the defaults.
    """

    reason: str
    is_evident: bool
    configuration: Image | None = None
    routes: Routes | None = None


BY_USER = Selection("--server says so", is_evident=True)


class ServingBinary(abc.ABC):
    """A model server's image and how to run it: TFX's ServingBinary, and what our runner needs beyond it.

    ``model_name``: the model that gets the requests; by default ``model``. ``models``: the names of all models that
    must be ready, ``model_name`` among them; by default ``model_name`` alone. ``selection``: what
    ``select.select_server`` found out.
    """

    kind: ClassVar[str]
    """The server's name, as ``--server`` takes it."""

    ports: Mapping[str, int]
    """Container ports by protocol: ``http``, ``grpc``, ``metrics``, ``management``."""

    log_patterns: ClassVar[tuple[LogPattern, ...]] = ()
    """The causes that this server's log names. The first pattern that matches any line of the log wins, so the most
    precise ones come first."""

    fingerprint: ClassVar[Fingerprint] = Fingerprint()
    """How to recognise this server."""

    takes_routes: ClassVar[bool] = False
    """Whether the user may choose the port and the paths (``--port``, ``--ready-path``, ``--predict-path``)."""

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
        """The container port whose address GetEndpoint() returns."""
        return self.ports["http"]

    @abc.abstractmethod
    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        """The parameters of ``docker run``, in docker-py's form, that run the server with this model.

        ``needs_mount``: True when ``model_path`` is a folder on this machine, False when it is a URI that the server
        opens itself. Raises UsageError when the server cannot run this model.
        """

    @classmethod
    def match_image(cls, image: Image) -> str | None:
        """Why the image must hold this server, as a text for people; None when nothing in the image shows it."""
        words = " ".join((*image.entrypoint, *image.command))
        found = re.search(cls.fingerprint.program, words) if cls.fingerprint.program else None
        if found:
            return f"the image runs {found[0]!r}"
        for name in cls.fingerprint.variables:
            if name in image.env:
                return f"the image sets the variable {name}"
        label = next((label for label in image.labels if label.startswith(cls.fingerprint.labels)), None)
        return f"the image has the label {label}" if label and cls.fingerprint.labels else None

    @classmethod
    def match_folder(cls, model: ModelPath) -> str | None:
        """Why the model must be for this server, as a text for people; None when nothing in its folder shows it.

        Raises nothing.
        """
        for pattern in cls.fingerprint.files:
            if any(model.path.glob(pattern)):
                return f"the model's folder holds {pattern}"
        return None

    @classmethod
    def model_names(cls, model: ModelPath) -> list[str]:
        """The names under which the server will serve the models of the folder; at least one. Raises UsageError."""
        return [model.default_name]

    @classmethod
    def needs_configuration(cls, image: str) -> bool:
        """Whether the constructor needs the configuration of an image with this name."""
        return False

    def example_bodies(self, model: ModelPath) -> list[Any]:
        """Example request bodies that are stored in the model's folder; empty when there are none. Raises nothing."""
        return []

    def inputs(self, model: ModelPath) -> list[Tensor]:
        """The model's inputs, read from its folder, for a server that does not report them; empty when unknown.

        Raises UsageError when the package that reads them is not installed.
        """
        return []

    @abc.abstractmethod
    def MakeClient(self, endpoint: str) -> BaseModelServerClient:
        """A client of the server at ``endpoint``, which GetEndpoint() returned."""


def bind(source: str, target: str) -> MountParams:
    """A read-only bind mount."""
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": True}


def bind_folder(server: ServingBinary, model_path: str, needs_mount: bool, target: str) -> list[MountParams]:
    """The bind mount of the model's folder. Raises UsageError for a URI, which this server does not open itself."""
    if not needs_mount:
        raise UsageError(f"{server.kind} does not open {model_path!r} itself; fetch the model, and give its folder")
    return [bind(model_path, target)]
