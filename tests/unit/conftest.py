"""The leak guard of tests/conftest.py looks through all processes, 20 ms a test; here one glance is enough."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_PATIENCE_S = 10.0


@pytest.fixture(autouse=True)
def leak_guard() -> Iterator[None]:
    """Fails a test that leaves a child process, a thread or a file descriptor."""
    before = _held()
    yield
    deadline = time.monotonic() + _PATIENCE_S
    while (left := _held() - before) and time.monotonic() < deadline:
        gc.collect()
        threading.Event().wait(0.01)
    assert not left, f"the test left {sorted(left)}"


def _held() -> set[str]:
    held = {f"thread {thread.name} {thread.ident}" for thread in threading.enumerate()}
    for fd in os.listdir("/dev/fd"):
        try:
            held.add(f"file descriptor {fd} {os.readlink(f'/dev/fd/{fd}')}")
        except OSError:  # the one that lists them
            continue
    for children in Path("/proc/self/task").glob("*/children"):
        # A thread may end between the two.
        with contextlib.suppress(OSError):
            held.update(f"process {pid}" for pid in children.read_text().split())
    return held
