"""What a server writes without end costs ivdocker no memory."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.conftest import ModelFactory
from tests.faults.conftest import Start
from tests.faults.run import Run, validate

pytestmark = pytest.mark.faults

_AT_MOST_MB = 64


@pytest.mark.parametrize(
    ("standin", "outcome"),
    [
        pytest.param({"log_mb": 1000}, "0 -", id="a log of 1 GB"),
        pytest.param({"answer_bytes": 10**9}, "3 response-too-large", id="an answer of 1 GB"),
    ],
)
def test_what_has_no_end_is_not_kept_in_memory(
    standin: dict[str, object], outcome: str, start: Start, model: ModelFactory, one_request: str
) -> None:
    run = start(*validate(model(**standin), one_request))
    peak = peak_mb(run)
    run.assert_outcome(outcome)
    assert 0 < peak <= _AT_MOST_MB


def peak_mb(run: Run) -> float:
    """Of its own memory, not of its children's; followed until it ends."""
    peak, deadline = 0.0, time.monotonic() + 240
    while not run.has_ended and time.monotonic() < deadline:
        for line in Path("/proc", str(run.process.pid), "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                peak = int(line.split()[1]) / 1024
        time.sleep(0.02)
    return peak
