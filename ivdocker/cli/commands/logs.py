"""``ivdocker logs NAME``: shows the log of one of ivdocker's containers."""

from __future__ import annotations

import argparse
import sys

from ivdocker.cli import streams
from ivdocker.cli.commands.common import listed
from ivdocker.container import orphans
from ivdocker.engine import argv
from ivdocker.engine.connect import connect
from ivdocker.errors import UsageError


def run(arguments: argparse.Namespace) -> int:
    """Let docker write the log directly to our output: it may be of any size. Raises UsageError, EnvironmentFailed."""
    engine = connect(arguments.engine)
    if arguments.name not in {container.name for container, _ in listed(engine, orphans.containers)}:
        raise UsageError(f"no container of ivdocker is named {arguments.name!r}; ivdocker ps lists the names")
    child = engine.start(argv.logs(arguments.name, follow=False), (sys.stdout.fileno(), sys.stderr.fileno()))
    # Who has closed the pipe has read enough: head, or a pager.
    return 0 if child.pump(bytes, bytes) == 0 or streams.reader_left(sys.stdout.fileno()) else 3
