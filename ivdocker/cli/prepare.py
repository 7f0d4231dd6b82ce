"""What the program does ahead of a run, while it still imports what the run needs."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator

from ivdocker.cli.quick_start import import_sh


@contextlib.contextmanager
def prepare(command: str, arguments: argparse.Namespace) -> Iterator[None]:
    """For a command that makes a container: the watchdog starts, and docker lists the orphans of earlier runs."""
    import_sh()
    # A ServingSpec may name another engine.
    if command not in ("validate", "serve") or getattr(arguments, "dry_run", False) or getattr(arguments, "spec", None):
        yield
        return
    from ivdocker.container import session
    from ivdocker.engine.connect import connect

    with session.held(connect(arguments.engine)):
        yield
