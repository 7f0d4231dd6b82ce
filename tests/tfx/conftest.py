"""TFX itself: scripts/test-tfx runs these tests where TFX is installed, ``-m tfx`` asks for them."""

from __future__ import annotations

import pytest


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """They need a Python and packages of their own."""
    return None if "tfx" in config.option.markexpr else True


@pytest.fixture(autouse=True)
def leak_guard() -> None:
    """Not here: TensorFlow and gRPC keep threads and descriptors."""
