"""L6. ``ivdocker prune``: remove the containers whose owner is gone."""

from __future__ import annotations

import argparse
import re

from ivdocker.cli.options import add_engine_argument, listed
from ivdocker.errors import UsageError

DESCRIPTION = (
    "Remove the containers of ivdocker whose owner is gone. One whose owner lives is never touched, nor one that"
    " ivdocker did not make."
)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed")
    parser.add_argument("--older-than", metavar="TIME", help="only those made longer ago, such as 90s, 30m, 2h, 7d")
    parser.add_argument(
        "--all", action="store_true", help="also those kept with --keep, and those whose owner is on another machine"
    )
    add_engine_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """0 when all that was to be removed is gone. Raises UsageError, EnvironmentFailed."""
    from ivdocker import clock
    from ivdocker.lifecycle import ownership
    from ivdocker.runners.local_docker import engine_for
    from ivdocker.runners.removal import remove
    from ivdocker.spec import LocalDockerConfig

    youngest = clock.utc() - _seconds(arguments.older_than) if arguments.older_than else float("inf")
    fates = {"orphan", "kept", "unknown"} if arguments.all else {"orphan"}
    engine = engine_for(LocalDockerConfig(), arguments.engine)
    chosen = [
        container.name
        for container, fate in listed(arguments.engine)
        if fate in fates and _created(container.labels.get(ownership.CREATED, "")) <= youngest
    ]
    failed = False
    for name in chosen:
        gone = arguments.dry_run or remove(engine, name, clock.Deadline.after(30), may_appear=False)
        failed |= not gone
        print(f"{'would remove' if arguments.dry_run else 'removed' if gone else 'could not remove'} {name}")
    if not chosen:
        print("nothing to remove")
    return 3 if failed else 0


def _created(text: str) -> float:
    """A container that does not tell its age counts as old."""
    return float(text) if text.isdigit() else 0.0


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise UsageError(f"--older-than {text!r}: give a number and a unit, such as 90s, 30m, 2h or 7d")
    return int(match[1]) * _UNITS[match[2]]
