"""``ivdocker doctor``: checks whether this machine can run ivdocker."""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import NamedTuple

from ivdocker.diagnosis.explain import engine_failure
from ivdocker.engine.client import EngineError
from ivdocker.engine.connect import connect

_TIMEOUT_S = 10.0


class Check(NamedTuple):
    """One check: its name, whether it passed, what was found, and what to do if it failed."""

    name: str
    ok: bool
    seen: str
    remedy: str | None = None


def run(arguments: argparse.Namespace) -> int:
    """Return 0 if all checks pass, else 3."""
    failed = False
    for check in _checks(arguments.engine):
        failed |= not check.ok
        print(f"{'ok' if check.ok else 'FAIL':<5} {check.name:<10} {check.seen}")
        if check.remedy and not check.ok:
            print(f"      {'':<10} to do: {check.remedy}")
    sys.stdout.flush()
    return 3 if failed else 0


def _checks(program: str) -> Iterator[Check]:
    """Run the checks one by one. Stop after a failure that makes the later checks impossible."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("sh", "psutil"))
    yield Check("python", True, f"{platform.python_version()}, {libraries}")
    path = shutil.which(program)
    if path is None:
        remedy = "install docker's command line, or name another one with --engine docker|podman|PATH"
        yield Check("program", False, f"{program}: not found on PATH", remedy)
        return
    yield Check("program", True, path)
    engine = connect(program)
    try:
        found = engine.version(timeout_s=_TIMEOUT_S)
    except EngineError as error:
        failure = engine_failure(error)
        yield Check("engine", False, f"{failure.code}: {failure.message}", failure.hint)
        return
    seen = f"{found.name} {found.server} (client {found.client}, API {found.api}, {found.platform})"
    yield Check("engine", True, seen)
    where = engine.remote_host
    remedy = "folders are mounted from the engine's own machine: use a URI, or an engine on this machine"
    yield Check("mounts", where is None, f"the engine is on {where or 'this machine'}", remedy)
