"""``ivdocker prune``: remove the containers whose owner is gone."""

from __future__ import annotations

import argparse
import re

from ivdocker.cli.arguments import add_engine_argument, listed, listed_networks
from ivdocker.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ivdocker.container.orphans import Fate
    from ivdocker.engine.parse import Listed

DESCRIPTION = (
    "Remove the containers of ivdocker whose owner is gone. One whose owner lives is never touched, nor one that"
    " ivdocker did not make."
)

_PATIENCE_S = 30
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
    from functools import partial

    from ivdocker import clock
    from ivdocker.container import labels
    from ivdocker.container.removal import remove, remove_network
    from ivdocker.container.runner import engine_for
    from ivdocker.tfx import LocalDockerConfig

    youngest = clock.utc() - _seconds(arguments.older_than) if arguments.older_than else float("inf")
    fates = {"orphan", "kept", "unknown"} if arguments.all else {"orphan"}

    def chosen(found: list[tuple[Listed, Fate]]) -> list[str]:
        return [
            each.name
            for each, fate in found
            if fate in fates and _created(each.labels.get(labels.CREATED, "")) <= youngest
        ]

    engine = engine_for(LocalDockerConfig(), arguments.engine)
    limit = clock.Deadline.after(_PATIENCE_S)
    containers, networks = chosen(listed(arguments.engine)), chosen(listed_networks(arguments.engine))
    results = [
        *(_remove(name, arguments.dry_run, partial(remove, engine, name, limit, "certain")) for name in containers),
        *(
            _remove(f"network {name}", arguments.dry_run, partial(remove_network, engine, name, limit))
            for name in networks
        ),
    ]
    if not results:
        print("nothing to remove")
    return 0 if all(results) else 3


def _remove(what: str, dry_run: bool, remove: Callable[[], bool]) -> bool:
    gone = dry_run or remove()
    print(f"{'would remove' if dry_run else 'removed' if gone else 'could not remove'} {what}")
    return gone


def _created(text: str) -> float:
    """A container that does not tell its age counts as old."""
    return float(text) if text.isdigit() else 0.0


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise UsageError(f"--older-than {text!r}: give a number and a unit, such as 90s, 30m, 2h or 7d")
    return int(match[1]) * _UNITS[match[2]]
