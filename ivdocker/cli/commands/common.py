"""Functions that several commands share."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable

from ivdocker.cli.arguments import record_from
from ivdocker.container.options import RunOptions
from ivdocker.container.orphans import Fate
from ivdocker.diagnosis.explain import engine_failure
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.parse import Listed
from ivdocker.errors import EnvironmentFailed
from ivdocker.servers.records import Routes


def run_options(arguments: argparse.Namespace) -> RunOptions:
    """The options for the container."""
    given = {
        "port": arguments.port,
        "ready": arguments.ready_path,
        "predict": arguments.predict_path,
    }
    routes = {name: value for name, value in given.items() if value is not None}
    options = record_from(RunOptions, arguments)
    return options._replace(
        env_files=tuple(options.env_files),
        docker_args=tuple(options.docker_args),
        routes=Routes(**routes) if routes else None,
    )


def show_log(arguments: argparse.Namespace) -> None:
    """Write the library's log to stderr: warnings only, or with --verbose everything."""
    logging.basicConfig(format="ivdocker: %(message)s")
    logging.getLogger("ivdocker").setLevel(logging.INFO if arguments.verbose else logging.WARNING)


def listed(engine: Engine, question: Callable[[Engine], list[tuple[Listed, Fate]]]) -> list[tuple[Listed, Fate]]:
    """Ask the engine for ivdocker's containers or networks. Raises EnvironmentFailed."""
    try:
        return question(engine)
    except EngineError as error:
        raise EnvironmentFailed(failure=engine_failure(error)) from None
