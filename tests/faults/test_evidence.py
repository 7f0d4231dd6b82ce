"""What --evidence has gathered is there after any end."""

from __future__ import annotations

import json
import signal

import pytest

from tests.conftest import ModelFactory
from tests.faults.conftest import Start
from tests.faults.run import AT_ONCE_S, REQUESTS, validate

pytestmark = pytest.mark.faults

WANTED = {
    "command.txt": "docker run",
    "server.stderr.log": "Exporting HTTP/REST API",
    "events.jsonl": '"start"',
    "version.json": "Server",
}


@pytest.mark.parametrize(
    ("signum", "group", "code"),
    [
        pytest.param(signal.SIGKILL, False, 137, id="SIGKILL, query (hangs)"),
        pytest.param(signal.SIGKILL, True, 137, id="SIGKILL of the group, query (hangs)"),
        pytest.param(signal.SIGTERM, False, 143, id="SIGTERM, query (hangs)"),
    ],
)
def test_evidence_is_there_after_a_signal(
    signum: signal.Signals, group: bool, code: int, start: Start, model: ModelFactory
) -> None:
    run = start(*validate(model(hang_requests=True), REQUESTS, "--evidence=evidence"))
    run.wait_for_moment(lambda run: run.has_done("load") and any((run.folder / "evidence").glob("*/version.json")))
    run.send(signum, group=group)
    assert run.exit_code() == code, run.stderr
    run.assert_ended_within(AT_ONCE_S)
    (evidence,) = (run.folder / "evidence").iterdir()
    for name, text in WANTED.items():
        assert text in (evidence / name).read_text("utf-8", "replace"), name
    for line in (evidence / "events.jsonl").read_text("utf-8").splitlines():
        json.loads(line)
