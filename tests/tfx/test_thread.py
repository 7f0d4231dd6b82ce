"""TFX's executor in another thread, as Beam runs it, in a process whose signals ivdocker handles and which lives on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.conftest import Engine, ModelFactory, wait_until
from tests.tfx.test_executor import IMAGE, has_reached

pytestmark = [pytest.mark.tfx, pytest.mark.parametrize("engine", ["docker"], indirect=True)]

PROGRAM = """
import json, signal, sys
signal.signal(signal.SIGTERM, lambda *_: None)
import ivdocker.tfx
from ivdocker.container.signals import guard
from tests.tfx.executor import run
try:
    with ivdocker.tfx.use_ivdocker(), guard.held():
        print(json.dumps(run(in_thread=True, **json.loads(sys.argv[1]))), flush=True)
except ivdocker.GracefulShutdown as shutdown:
    print(shutdown.signum)
"""


@pytest.mark.parametrize(
    ("phase", "standin"),
    [("load", {"hang_load": True}), ("request", {"hang_requests": True})],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_sigterm_ends_the_component_and_no_second_container_starts(
    phase: str, standin: dict[str, object], engine: Engine, model: ModelFactory
) -> None:
    given = {"model": str(model(**standin) / "1"), "image": IMAGE, "tries": 5, "queries": 1}
    command = [sys.executable, "-c", PROGRAM, json.dumps(given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: has_reached(phase, engine), seconds=300)
            process.send_signal(signal.SIGTERM)
            stdout, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    *_, printed, signum = stdout.splitlines()
    result = json.loads(printed)
    assert result["files"] == []
    assert result["raised"].startswith("ivdocker.tfx.errors.GracefulShutdown: SIGTERM received")
    assert int(signum) == signal.SIGTERM
    assert len(engine.calls("run")) == 1, stderr
    assert engine.containers() == []
