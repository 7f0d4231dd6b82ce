"""L6. Imports sh in a third of the time, in this program, where nobody awaits a command or asks for sh's version.

sh imports asyncio for those who await (60 ms of 140), and importlib.metadata for its version (30 ms). While it is
imported, stand-ins with the names that it uses take their places; they are gone afterwards, and whoever imports either
later gets the real one. In somebody else's process that would not be ours to do: the library imports sh as it is.
"""

from __future__ import annotations

import sys
from types import ModuleType


def import_sh() -> None:
    """Import ivdocker's process module, and sh with it."""
    stand_ins = {module.__name__: module for module in (_asyncio(), _metadata())}
    if "sh" in sys.modules or stand_ins.keys() & sys.modules.keys():
        return
    sys.modules.update(stand_ins)
    try:
        from ivdocker import process  # noqa: F401
    except Exception:  # noqa: BLE001
        # An sh that needs more of them; it is imported again, with the real ones.
        for name in ("sh", "ivdocker.process"):
            sys.modules.pop(name, None)
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _asyncio() -> ModuleType:
    def get_running_loop() -> None:
        raise RuntimeError("no running event loop")

    module = ModuleType("asyncio")
    module.__dict__.update(Queue=object, get_running_loop=get_running_loop)
    return module


def _metadata() -> ModuleType:
    def version(name: str) -> str:
        raise ImportError(name)

    module = ModuleType("importlib.metadata")
    module.__dict__.update(version=version, PackageNotFoundError=ImportError)
    return module
