"""Imports sh in a third of the time, for the command line program only.

sh imports modules that this program does not need: asyncio for await, importlib.metadata for sh's version, inspect for
output callbacks, platform for the system's name. logging imports linecache and textwrap for tracebacks. While sh is
imported, stand-ins replace these modules. They are removed afterwards, so later imports get the real modules. The
library does not do this in other people's processes: it imports sh normally.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import ModuleType


class _StandIn(ModuleType):
    """A module with the names that the import of sh uses. Afterwards it forwards other names to the real module."""

    def __init__(self, name: str, real: Callable[[], ModuleType], **names: object) -> None:
        super().__init__(name)
        self.__dict__.update(names)
        self._real = real

    def __getattr__(self, name: str) -> object:
        if sys.modules.get(self.__name__) is self:
            raise AttributeError(f"the stand-in for {self.__name__} has no {name}")
        return getattr(self._real(), name)


def import_sh() -> None:
    """Import ivdocker.process.run, and sh with it."""
    stand_ins = {
        "asyncio": _StandIn("asyncio", _asyncio, Queue=object, get_running_loop=_no_loop),
        "importlib.metadata": _StandIn(
            "importlib.metadata", _metadata, version=_no_version, PackageNotFoundError=ImportError
        ),
        "inspect": _StandIn("inspect", _inspect),
        "linecache": _StandIn("linecache", _linecache),
        "platform": _StandIn("platform", _platform, system=lambda: os.uname().sysname),
        "textwrap": _StandIn("textwrap", _textwrap),
    }
    missing = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    if "sh" in sys.modules:
        return
    sys.modules.update(missing)
    try:
        import ivdocker.process.run  # noqa: F401
    except Exception:  # noqa: BLE001
        # This version of sh needs more names: it will be imported again later, with the real modules.
        for name in ("sh", "ivdocker.process.run"):
            sys.modules.pop(name, None)
    finally:
        for name in missing:
            del sys.modules[name]


def _no_loop() -> None:
    raise RuntimeError("no running event loop")


def _no_version(name: str) -> str:
    raise ImportError(name)


def _asyncio() -> ModuleType:
    import asyncio

    return asyncio


def _metadata() -> ModuleType:
    from importlib import metadata

    return metadata


def _inspect() -> ModuleType:
    import inspect

    return inspect


def _linecache() -> ModuleType:
    import linecache

    return linecache


def _platform() -> ModuleType:
    import platform

    return platform


def _textwrap() -> ModuleType:
    import textwrap

    return textwrap
