"""Secrets stand in no command line and in no file, at no moment of a run."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import ModelFactory
from tests.faults.conftest import Start
from tests.faults.run import REQUESTS, Run, validate

pytestmark = pytest.mark.faults


@pytest.mark.parametrize(
    ("standin", "code"),
    [
        pytest.param({}, 0, id="--env TOKEN and --env-file"),
        pytest.param({"exit_during_load": 3}, 1, id="--env TOKEN and --env-file, and the server dies"),
    ],
)
def test_a_secret_is_seen_nowhere(
    standin: dict[str, object], code: int, start: Start, model: ModelFactory, tmp_path: Path
) -> None:
    token, password = f"token-{secrets.token_hex(8)}", f"file-{secrets.token_hex(8)}"
    (tmp_path / "env").write_text(f"PASSWORD={password}\n")
    args = (REQUESTS, "--env=TOKEN", f"--env-file={tmp_path / 'env'}", "--evidence=evidence", "--verbose")
    run = start(*validate(model(**standin), *args), env={"TOKEN": token})
    lines = command_lines_until_the_end(run)
    assert run.exit_code() == code, run.stderr
    assert (run.folder / "evidence/report.json").exists()
    for secret in (token, password):
        assert not [line for line in lines if secret in line]
        assert not [file for file in run.folder.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]


def command_lines_until_the_end(run: Run) -> set[str]:
    """Of all processes of this machine."""
    seen: set[str] = set()
    deadline = time.monotonic() + 60
    while not run.has_ended and time.monotonic() < deadline:
        seen |= {" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])}
        time.sleep(0.01)
    return seen
