"""The options that say how the container is run, shared by the commands that run one."""

from __future__ import annotations

import argparse
import os
from contextlib import contextmanager

from ivdocker.errors import UsageError
from ivdocker.servers.registry import KINDS

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ivdocker.container.options import RunOptions
    from ivdocker.container.orphans import Fate
    from ivdocker.engine.client import Engine
    from ivdocker.engine.parse import Listed
    from ivdocker.servers.records import Routes


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="the model's folder, or a URI that the server opens (gs://..., s3://...)"
    )
    parser.add_argument("--server", default="auto", metavar="KIND", help=f"auto (default), {', '.join(KINDS)}")
    group = parser.add_argument_group("--server http", "where a server is asked that is none of those by name")
    group.add_argument("--port", type=int, metavar="PORT", help="its port in the container (default 8080)")
    group.add_argument("--ready-path", metavar="PATH", help="answers 2xx once the model is loaded (default /health)")
    group.add_argument("--predict-path", metavar="PATH", help="takes requests (default /predict)")
    parser.add_argument("--model-name", metavar="NAME", help="the name to serve it by (default: from its folder)")
    parser.add_argument(
        "--timeout", type=float, default=300.0, metavar="SECONDS", help="how long loading may take (default 300)"
    )


def add_container_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("container", "how docker runs the server; words and units are docker's")
    add_engine_argument(group)
    group.add_argument("--pull", choices=("missing", "always", "never"), default="missing", help="default: missing")
    group.add_argument("--env", action="append", default=[], metavar="K[=V]", help="a variable; K alone: from here")
    group.add_argument("--env-file", action="append", default=[], metavar="FILE")
    group.add_argument("--memory", metavar="SIZE", help="such as 2g; no swap beyond it")
    group.add_argument("--cpus", metavar="N")
    group.add_argument("--gpus", metavar="all|N")
    group.add_argument("--shm-size", metavar="SIZE")
    group.add_argument("--platform", metavar="OS/ARCH")
    group.add_argument("--user", metavar="UID[:GID]")
    group.add_argument("--network", metavar="NETWORK")
    group.add_argument(
        "--hardened", action="store_true", help="no capabilities, read-only root, bounded number of processes"
    )
    group.add_argument("--offline", action="store_true", help="no way out of the container: nothing can be downloaded")
    group.add_argument(
        "--docker-arg",
        action="append",
        default=[],
        metavar="ARG",
        help="passed on to docker run: --docker-arg=--cpuset-cpus=0",
    )


def add_engine_argument(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--engine", default="docker", metavar="docker|podman|PATH", help="the command line to use")


def add_verbosity_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-v", "--verbose", action="store_true", help="show requests and answers too")
    group.add_argument("-q", "--quiet", action="store_true", help="show the verdict alone")


def run_options(arguments: argparse.Namespace) -> RunOptions:
    """Raises UsageError."""
    from ivdocker.container.options import RunOptions

    for path in arguments.env_file:
        if not os.path.isfile(path):
            raise UsageError(f"--env-file {path!r}: no such file")
    words = ("engine", "pull", "memory", "cpus", "gpus", "shm_size", "platform", "user", "network")
    fields: dict[str, Any] = {name: getattr(arguments, name) for name in (*words, "hardened", "offline")}
    return RunOptions(
        **fields,
        env=dict(_variable(text) for text in arguments.env),
        env_files=tuple(arguments.env_file),
        docker_args=tuple(arguments.docker_arg),
        routes=_routes(arguments),
    )


def _routes(arguments: argparse.Namespace) -> Routes | None:
    """Those that were given, the others by default; None without any. Raises UsageError."""
    from ivdocker.servers.records import Routes

    names = {"port": "port", "ready": "ready_path", "predict": "predict_path"}
    given = {field: getattr(arguments, name) for field, name in names.items() if getattr(arguments, name) is not None}
    for field in ("ready", "predict"):
        if not given.get(field, "/").startswith("/"):
            raise UsageError(f"--{field}-path {given[field]!r}: a path begins with /, as in /{field}")
    if not 0 < given.get("port", 1) < 65536:
        raise UsageError(f"--port {given['port']}: a port is a number from 1 to 65535")
    return Routes(**given) if given else None


def listed(program: str) -> list[tuple[Listed, Fate]]:
    """ivdocker's containers. Raises EnvironmentFailed."""
    from ivdocker.container import orphans

    return _asked(program, orphans.listed)


def listed_networks(program: str) -> list[tuple[Listed, Fate]]:
    """ivdocker's networks. Raises EnvironmentFailed."""
    from ivdocker.container import orphans

    return _asked(program, orphans.listed_networks)


def _asked(program: str, question: Callable[[Engine], list[tuple[Listed, Fate]]]) -> list[tuple[Listed, Fate]]:
    from ivdocker.container.runner import engine_for
    from ivdocker.diagnosis.explain import engine_failure
    from ivdocker.engine.client import EngineError
    from ivdocker.errors import EnvironmentFailed
    from ivdocker.tfx import LocalDockerConfig

    try:
        return question(engine_for(LocalDockerConfig(), program))
    except EngineError as error:
        raise EnvironmentFailed(failure=engine_failure(error)) from None


@contextmanager
def started_ahead(program: str) -> Iterator[None]:
    """docker looks for orphans and the watchdog starts while the block imports what it needs: the run then waits for
    neither, as a rule."""
    from ivdocker.container.orphans import sweeps
    from ivdocker.engine.client import Engine
    from ivdocker.engine.dialect import dialect_of

    engine = Engine(dialect_of(program))
    with sweeps.ahead(engine):
        from ivdocker.container.watchdog import watchdogs

        with watchdogs.ahead(engine):
            yield


def show_log(arguments: argparse.Namespace) -> None:
    """Write the library's log to stderr: its warnings, with --verbose all of it."""
    import logging

    logging.basicConfig(format="ivdocker: %(message)s")
    logging.getLogger("ivdocker").setLevel(logging.INFO if arguments.verbose else logging.WARNING)


def read_spec(path: str | None) -> str | None:
    """The text of a ServingSpec file. Raises UsageError."""
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read --spec {path!r}: {error}") from None


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name:
        raise UsageError(f"--env {text!r}: give NAME=VALUE, or NAME to take its value from the environment")
    if not equals and name not in os.environ:
        raise UsageError(f"--env {name}: not set in the environment; set it, or give {name}=VALUE")
    return name, value if equals else os.environ[name]
