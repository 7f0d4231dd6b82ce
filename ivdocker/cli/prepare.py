"""Work that the program starts early, while it still imports the modules for the run."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator

from ivdocker.cli.quick_start import import_sh


@contextlib.contextmanager
def prepare(command: str, arguments: argparse.Namespace) -> Iterator[None]:
    """For commands that make a container: start the watchdog, and list the orphans of earlier runs."""
    import_sh()
    # With --spec the engine is not known yet: the ServingSpec may name another one.
    if command not in ("validate", "serve") or getattr(arguments, "dry_run", False) or getattr(arguments, "spec", None):
        yield
        return
    from ivdocker.container import session
    from ivdocker.engine.connect import connect

    with session.held(connect(arguments.engine)):
        yield
