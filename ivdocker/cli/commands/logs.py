"""``ivdocker logs NAME``: what one of ivdocker's containers wrote."""

from __future__ import annotations

import argparse
import sys

from ivdocker.cli.arguments import add_engine_argument, listed
from ivdocker.errors import UsageError

DESCRIPTION = "Show the log of a container of ivdocker (see ivdocker ps for the names)."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    add_engine_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """docker writes the log itself, whatever its size. Raises UsageError, EnvironmentFailed."""
    from ivdocker.container.runner import engine_for
    from ivdocker.engine import argv
    from ivdocker.tfx import LocalDockerConfig

    if arguments.name not in {container.name for container, _ in listed(arguments.engine)}:
        raise UsageError(f"no container of ivdocker is named {arguments.name!r}; ivdocker ps lists them")
    words = argv.logs(arguments.name, follow=False)
    engine = engine_for(LocalDockerConfig(), arguments.engine)
    child = engine.start(words, (sys.stdout.fileno(), sys.stderr.fileno()))
    return 0 if child.pump(bytes, bytes) == 0 else 3
