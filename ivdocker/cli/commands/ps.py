"""``ivdocker ps``: lists ivdocker's containers."""

from __future__ import annotations

import argparse

from ivdocker.cli.commands.common import listed
from ivdocker.container import orphans
from ivdocker.engine.connect import connect


def run(arguments: argparse.Namespace) -> int:
    """Print the table and return 0. Raises EnvironmentFailed."""
    rows = [("NAME", "IMAGE", "STATUS", "OWNER")]
    for container, fate in listed(connect(arguments.engine), orphans.containers):
        rows.append((container.name, container.image, container.status, fate))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("   ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    return 0
