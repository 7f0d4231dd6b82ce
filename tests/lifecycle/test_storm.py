"""A small signal storm; scripts/faults has the large one, and the catalogue of faults."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Engine
from tests.lifecycle.conftest import REAL

pytestmark = REAL

FAULTS = Path(__file__).parents[2] / "scripts" / "faults.py"
_OF_EACH = 6
_SEED = 20


def test_signals_at_random_moments_leave_nothing(engine: Engine) -> None:
    """SIGTERM, SIGINT, SIGKILL, SIGKILL of the group, at random moments of the whole run."""
    if not Path(sys.executable).with_name("ivdocker").exists() or sys.platform != "linux":
        pytest.skip("needs the ivdocker command beside this python, and Linux's /proc")
    command = [sys.executable, str(FAULTS), "--only=storm", f"--storm={_OF_EACH}", f"--seed={_SEED}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"left behind: 0 of {4 * _OF_EACH}" in done.stdout
    assert engine.containers() == []
