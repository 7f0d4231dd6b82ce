"""How docker and podman differ, as data."""

import os
from typing import Literal, NamedTuple

PullOutput = Literal["terminal", "error terminal"]


class Dialect(NamedTuple):
    """The words of one engine's command line."""

    name: str
    program: str
    host_flag: str
    stop_timeout_flag: str
    status_names: dict[str, str]
    """The engine's own container states, in docker's words."""
    pull_output: PullOutput
    """The stream on which a pull shows its progress, where that is a terminal."""
    gpu_device: str | None
    """The CDI name of the GPUs, for an engine that takes ``--gpus`` and gives none."""


_DOCKER = Dialect("docker", "docker", "--host", "--time", {}, "terminal", None)
_PODMAN = Dialect(
    "podman",
    "podman",
    "--url",
    "--time",
    {"initialized": "created", "configured": "created", "stopping": "running", "stopped": "exited"},
    "error terminal",
    "nvidia.com/gpu",
)


def dialect_of(engine: str) -> Dialect:
    """``docker``, ``podman``, or the path of either; anything else is taken to speak docker."""
    base = _PODMAN if os.path.basename(engine).startswith("podman") else _DOCKER
    return base._replace(program=engine)


def gpu_flags(dialect: Dialect, gpus: str) -> tuple[str, ...]:
    """``gpus`` as docker's ``--gpus`` takes it: ``all``, how many, or ``device=0,2``."""
    if dialect.gpu_device is None:
        return (f"--gpus={gpus}",)
    names = gpus.strip('"').removeprefix("device=").split(",")
    if gpus.isdecimal():
        names = [str(number) for number in range(int(gpus))]
    return tuple(f"--device={dialect.gpu_device}={name}" for name in names)
