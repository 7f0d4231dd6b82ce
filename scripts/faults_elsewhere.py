"""The faults that need an engine of another kind: one whose disk is small, one that does not see our files. As root."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from faults_catalogue import END_S, Fault, RequestResult, folder, judged, pulling, started
from faults_engine import SecondEngine
from faults_lab import make_model
from faults_registry import Registry

_DISK_MB = 40
"""Less than the layer that the registry feeds."""
_EMPTY_IMAGE = "ivdocker/tensorflow-serving-empty:1"
_EMPTY_TAR = bytes(10240)


def elsewhere_faults() -> Iterator[Fault]:
    yield Fault("engine", "its disk is full", "pull", _full_disk)
    yield Fault("engine", "it does not see our files", "start (docker run)", _other_files)


def _full_disk() -> RequestResult:
    with folder() as path, closing(SecondEngine(disk_mb=_DISK_MB)) as engine:
        engine.start()
        with (
            Registry("flood", engine.network) as registry,
            started(engine.place, pulling(make_model(path), registry)) as run,
        ):
            run.wait(END_S)
            return judged(run, 3, "disk-full", "the disk of the container engine is full")


def _other_files() -> RequestResult:
    """As with an engine on another machine, or when we are in a container and it is not."""
    with folder() as path, folder() as tar, closing(SecondEngine(hidden=path)) as engine:
        engine.start()
        (tar / "image.tar").write_bytes(_EMPTY_TAR)
        engine.place.docker("import", str(tar / "image.tar"), _EMPTY_IMAGE)
        args: list[object] = ["validate", make_model(path), f"--image={_EMPTY_IMAGE}", "--json=report.json"]
        with started(engine.place, args) as run:
            run.wait(END_S)
            return judged(run, 3, "mount-not-found", "the path must exist on the machine where the engine runs")
