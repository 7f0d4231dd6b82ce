"""``ivdocker doctor``: checks whether this machine can run ivdocker."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Literal, NamedTuple

from ivdocker.diagnosis.explain import engine_failure
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.connect import connect
from ivdocker.engine.parse import EngineInfo

_TIMEOUT_S = 10.0
_GIBIBYTE = 1 << 30
_LEAST_FREE = 2 * _GIBIBYTE
"""Bytes on the engine's disk below which a pull is likely to fail."""

_OF_CONTAINERS = ("/.dockerenv", "/run/.containerenv")
_OF_NVIDIA = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg")


class Check(NamedTuple):
    """One check: its name, its result, what was found, and what to do if it is not ``ok``.

    ``note``: it does not keep ivdocker from its work, but some options cannot do theirs.
    """

    name: str
    result: Literal["ok", "note", "FAIL"]
    seen: str
    remedy: str | None = None


def run(arguments: argparse.Namespace) -> int:
    """Return 3 if a check fails, else 0."""
    failed = False
    for check in _checks(arguments.engine):
        failed |= check.result == "FAIL"
        print(f"{check.result:<5} {check.name:<10} {check.seen}")
        if check.remedy and check.result != "ok":
            print(f"      {'':<10} to do: {check.remedy}")
    sys.stdout.flush()
    return 3 if failed else 0


def _checks(program: str) -> Iterator[Check]:
    """Run the checks one by one. Stop after a failure that makes the later checks impossible."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("sh", "psutil"))
    yield Check("python", "ok", f"{platform.python_version()}, {libraries}")
    path = shutil.which(program)
    if path is None:
        remedy = "install docker's command line, or name another one with --engine docker|podman|PATH"
        yield Check("program", "FAIL", f"{program}: not found on PATH", remedy)
        return
    yield Check("program", "ok", path)
    yield _place()
    engine = connect(program)
    try:
        found = engine.version(timeout_s=_TIMEOUT_S)
        yield Check(
            "engine", "ok", f"{found.name} {found.server} (client {found.client}, API {found.api}, {found.platform})"
        )
        info = engine.info(timeout_s=_TIMEOUT_S)
    except EngineError as error:
        failure = engine_failure(error)
        # Its hint ends with the advice to run this command.
        remedy = (failure.hint or "").partition("; 'ivdocker doctor'")[0]
        yield Check("engine", "FAIL", f"{failure.code}: {failure.message}", remedy)
        return
    where = engine.remote_host
    remedy = "folders are mounted from the engine's own machine: use a URI, or an engine on this machine"
    yield Check("mounts", "FAIL" if where else "ok", f"the engine is on {where or 'this machine'}", remedy)
    yield from _of_the_engine(engine, info)


def _place() -> Check:
    """Whether this is a container: with the engine's socket in it, ports and folders are those of another machine."""
    if not any(map(os.path.exists, _OF_CONTAINERS)):
        return Check("place", "ok", "not in a container")
    remedy = (
        "if the engine runs outside, start this container with --network host, and mount the models' folder at the"
        " same path as outside"
    )
    return Check("place", "note", "this is a container", remedy)


def _of_the_engine(engine: Engine, info: EngineInfo) -> Iterator[Check]:
    missing = [name for name, can in info.limits.items() if not can]
    seen = f"no limits for {' and '.join(missing)}" if missing else "memory and CPU can be limited"
    remedy = "without its cgroup the engine ignores --memory or --cpus: enable the controller on its machine"
    yield Check("limits", "note" if missing else "ok", seen, remedy)
    for warning in info.warnings:
        yield Check("warning", "note", f"the engine says: {warning}")
    if engine.remote_host is None:
        yield from _disk(info.root)
        yield _gpu(engine, info)


def _disk(root: str) -> Iterator[Check]:
    try:
        free = shutil.disk_usage(root).free
    except OSError:
        # Another user's folder, or one outside this container.
        return
    seen = f"{free / _GIBIBYTE:.1f} GiB free in {root}"
    remedy = "free space, for instance with docker system prune"
    yield Check("disk", "FAIL" if free < _LEAST_FREE else "ok", seen, remedy)


def _gpu(engine: Engine, info: EngineInfo) -> Check:
    if not any(map(os.path.exists, _OF_NVIDIA)):
        return Check("gpu", "ok", "none on this machine: --gpus cannot be tried here")
    if engine.dialect.gpu_device is None and "nvidia" not in info.runtimes:
        remedy = "install the NVIDIA container toolkit, and run nvidia-ctk runtime configure"
        return Check("gpu", "note", "a GPU, but docker has no runtime nvidia for it", remedy)
    return Check("gpu", "ok", "an NVIDIA GPU")
