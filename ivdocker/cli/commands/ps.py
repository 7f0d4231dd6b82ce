"""``ivdocker ps``: what ivdocker left running or behind."""

from __future__ import annotations

import argparse

from ivdocker.cli.arguments import add_engine_argument, listed

DESCRIPTION = "List the containers of ivdocker, running or not, and what became of their owner."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_engine_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Raises EnvironmentFailed."""
    rows = [("NAME", "IMAGE", "STATUS", "OWNER")]
    for container, fate in listed(arguments.engine):
        rows.append((container.name, container.image, container.status, fate))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("   ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    return 0
