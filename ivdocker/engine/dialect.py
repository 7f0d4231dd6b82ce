"""L2. How docker and podman differ, as data."""

from __future__ import annotations

from pathlib import PurePath
from typing import NamedTuple


class Dialect(NamedTuple):
    """The words of one engine's command line."""

    name: str
    program: str
    host_flag: str
    stop_timeout_flag: str
    status_names: dict[str, str]
    """The engine's own container states, in docker's words."""


_DOCKER = Dialect("docker", "docker", "--host", "--time", {})
_PODMAN = Dialect(
    "podman",
    "podman",
    "--url",
    "--time",
    {"initialized": "created", "configured": "created", "stopping": "running", "stopped": "exited"},
)


def dialect_of(engine: str) -> Dialect:
    """``docker``, ``podman``, or the path of either; anything else is taken to speak docker."""
    base = _PODMAN if PurePath(engine).name.startswith("podman") else _DOCKER
    return Dialect(base.name, engine, base.host_flag, base.stop_timeout_flag, base.status_names)
