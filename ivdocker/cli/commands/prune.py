"""``ivdocker prune``: removes the containers whose owner is gone."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ivdocker import clock
from ivdocker.cli.commands.common import listed
from ivdocker.container import labels, orphans
from ivdocker.container.orphans import Fate
from ivdocker.container.removal import remove, remove_network
from ivdocker.engine.connect import connect
from ivdocker.engine.parse import Listed

_PATIENCE_S = 30


def run(arguments: argparse.Namespace) -> int:
    """Return 0 if everything was removed, else 3. Raises EnvironmentFailed."""
    engine, limit = connect(arguments.engine), clock.Deadline.after(_PATIENCE_S)
    found = listed(engine, orphans.containers)
    containers = _chosen(arguments, found)
    networks = _chosen(arguments, listed(engine, orphans.networks))
    results = [_remove(name, arguments.dry_run, lambda n: remove(engine, n, limit, "certain")) for name in containers]
    results += [
        _remove(name, arguments.dry_run, lambda n: remove_network(engine, n, limit), "network ") for name in networks
    ]
    if not results:
        print("nothing to remove")
    for container, fate in found:
        if fate == "kept" and not arguments.all:
            print(f"left {container.name}, which --keep left; ivdocker prune --all removes it")
    return 0 if all(results) else 3


def _chosen(arguments: argparse.Namespace, found: list[tuple[Listed, Fate]]) -> list[str]:
    youngest = clock.utc() - arguments.older_than if arguments.older_than is not None else float("inf")
    fates = {"orphan", "kept", "unknown"} if arguments.all else {"orphan"}
    return [
        each.name for each, fate in found if fate in fates and _created(each.labels.get(labels.CREATED, "")) <= youngest
    ]


def _remove(name: str, dry_run: bool, remove: Callable[[str], bool], kind: str = "") -> bool:
    gone = dry_run or remove(name)
    print(f"{'would remove' if dry_run else 'removed' if gone else 'could not remove'} {kind}{name}")
    return gone


def _created(text: str) -> float:
    """The time of creation. Without a valid label: 0, so the container counts as old."""
    return float(text) if text.isdigit() else 0.0
