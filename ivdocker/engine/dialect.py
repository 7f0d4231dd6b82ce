"""How docker and podman differ, as data."""

import contextlib
import os
import re
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


_RUNS_PODMAN = re.compile(rb"(?m)^[ \t]*(?:exec[ \t]+)?(?:sudo[ \t]+)?(?:/\S*/)?podman(?:-remote)?[ \t]")
_SCRIPT_BYTES = 4096


def dialect_of(engine: str) -> Dialect:
    """The dialect of ``docker``, ``podman``, or the path of either. Any other program is treated like docker.

    podman may stand behind the name docker: a link, or a short script that runs it (the package podman-docker).
    """
    base = _PODMAN if _is_podman(engine) else _DOCKER
    return base._replace(program=engine)


def _is_podman(engine: str) -> bool:
    path = _path_of(engine)
    if any(os.path.basename(name).startswith("podman") for name in (engine, os.path.realpath(path))):
        return True
    with contextlib.suppress(OSError), open(path, "rb") as file:
        start = file.read(_SCRIPT_BYTES)
        return start.startswith(b"#!") and _RUNS_PODMAN.search(start) is not None
    return False


def _path_of(program: str) -> str:
    """The program's file, found as a shell finds it; its name where there is none."""
    if os.sep in program:
        return program
    places = (os.path.join(folder, program) for folder in os.get_exec_path())
    return next((place for place in places if os.access(place, os.X_OK)), program)


def gpu_flags(dialect: Dialect, gpus: str) -> tuple[str, ...]:
    """The flags that give a container GPUs. ``gpus``: as for ``--gpus`` (``all``, a number, or ``device=0,2``)."""
    if dialect.gpu_device is None:
        return (f"--gpus={gpus}",)
    names = gpus.strip('"').removeprefix("device=").split(",")
    if gpus.isdecimal():
        names = [str(number) for number in range(int(gpus))]
    return tuple(f"--device={dialect.gpu_device}={name}" for name in names)
