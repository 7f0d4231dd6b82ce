"""The scripts say what they do, and do nothing, where they are asked for help."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
SHELL = sorted(path for path in SCRIPTS.iterdir() if "/lib.sh" in path.read_text("utf-8") and path.name != "lib.sh")


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize("script", SHELL, ids=lambda path: path.name)
def test_a_script_that_is_asked_for_help_says_what_it_does(script: Path, option: str) -> None:
    done = subprocess.run([script, option], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == script.read_text("utf-8").splitlines()[1].removeprefix("# ")
    assert "shellcheck" not in done.stdout
