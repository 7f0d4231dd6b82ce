"""Imports sh in a third of the time, in this program, where nobody awaits or asks for its version.

sh imports asyncio for those who await, importlib.metadata for its version, inspect for callables that take output and
platform for the system's name; logging imports linecache and textwrap for tracebacks. Meanwhile stand-ins take their
places; they are gone afterwards, and whoever imports one later gets the real one. In somebody else's process that would
not be ours to do: the library imports sh as it is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import ModuleType


class _StandIn(ModuleType):
    """A module with the names that sh uses while it is imported; once that is over it asks the real one for others."""

    def __init__(self, name: str, real: Callable[[], ModuleType], **names: object) -> None:
        super().__init__(name)
        self.__dict__.update(names)
        self._real = real

    def __getattr__(self, name: str) -> object:
        if sys.modules.get(self.__name__) is self:
            raise AttributeError(f"the stand-in for {self.__name__} has no {name}")
        return getattr(self._real(), name)


def import_sh() -> None:
    """Import ivdocker's process module, and sh with it."""
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
        # An sh that needs more of them; it is imported again, with the real ones.
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
