"""How docker and podman differ, as data."""

import os
from typing import Literal, NamedTuple

PullOutput = Literal["terminal", "error terminal"]


class Dialect(NamedTuple):
    """The command line of one engine."""

    name: str
    program: str
    host_flag: str
    stop_timeout_flag: str
    status_names: dict[str, str]
    """Maps the engine's names of container states to docker's names."""
    pull_output: PullOutput
    """The stream on which a pull shows its progress; it must be a terminal."""
    gpu_device: str | None
    """The CDI name of the GPUs, for an engine that accepts ``--gpus`` but ignores it; else None."""


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
    """The dialect of ``docker``, ``podman``, or the path of either. Any other program is treated like docker."""
    base = _PODMAN if os.path.basename(engine).startswith("podman") else _DOCKER
    return base._replace(program=engine)


def gpu_flags(dialect: Dialect, gpus: str) -> tuple[str, ...]:
    """The flags that give a container GPUs. ``gpus``: as for ``--gpus`` (``all``, a number, or ``device=0,2``)."""
    if dialect.gpu_device is None:
        return (f"--gpus={gpus}",)
    names = gpus.strip('"').removeprefix("device=").split(",")
    if gpus.isdecimal():
        names = [str(number) for number in range(int(gpus))]
    return tuple(f"--device={dialect.gpu_device}={name}" for name in names)
