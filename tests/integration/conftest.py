"""What the tests on real model servers share."""

from __future__ import annotations

import fcntl
import functools
import os
import subprocess
from collections.abc import Iterator

import pytest

OPTIONAL = ("kserve", "bentoml", "torchserve", "vertex", "sagemaker", "vllm")
"""Servers whose images take long to build; ``scripts/test --all-servers`` asks for them."""

collect_ignore = [] if os.environ.get("IVDOCKER_ALL_SERVERS") else [f"test_{name}.py" for name in OPTIONAL]


@pytest.fixture
def server_image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Skips where the image that the module calls IMAGE is not built; fails there in CI.

    The optional servers take turns, whichever worker runs their tests: to start, some keep two processors busy for a
    minute, and several at a time would take longer than any of them gets.
    """
    trouble = _trouble_with(request.module.IMAGE)
    if trouble and os.environ.get("CI"):
        pytest.fail(f"{trouble}, and this is CI")
    if trouble:
        pytest.skip(trouble)
    with open(tmp_path_factory.getbasetemp().parent / "turn", "w") as turn:
        if request.path.stem.removeprefix("test_") in OPTIONAL:
            fcntl.flock(turn, fcntl.LOCK_EX)
        yield


@functools.cache
def _trouble_with(image: str) -> str | None:
    try:
        done = subprocess.run(["docker", "image", "inspect", image], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no container engine ({error})"
    return None if done.returncode == 0 else f"no image {image} ({done.stderr.strip()}; scripts/images builds it)"
