"""Output that fails: it changes neither the verdict, nor the result files, nor the exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli, Engine, Finished, ModelFactory, wait_until

PREDICT = {"instances": [1.0, 2.0, 5.0]}


def in_shell(script: str, folder: Path, *args: str | Path) -> int:
    """Run a shell script in which ``ivdocker`` is the command with these arguments; return ivdocker's exit code."""
    call = f'ivdocker() {{ "{sys.executable}" -m ivdocker "$@"; echo $? >exit-code; }}\n'
    done = subprocess.run(
        ["sh", "-c", call + script, "sh", *map(str, args)],
        cwd=folder, capture_output=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert b"Traceback" not in done.stdout + done.stderr, done
    return int((folder / "exit-code").read_text())


TERMINALS = {
    "first line": 'ivdocker "$@" 2>&1 | head -n 1',
    "search": 'ivdocker "$@" 2>&1 | grep -q start',
    "closed stderr": 'ivdocker "$@" 2>&-',
    "closed all": 'ivdocker "$@" <&- >&- 2>&-',
    "full disk": 'ivdocker "$@" 2>/dev/full',
    "nobody reads": 'ivdocker "$@" 2>&1 | true',
}


@pytest.mark.parametrize("script", TERMINALS.values(), ids=TERMINALS)
@pytest.mark.parametrize(("standin", "code"), [({}, 0), ({"exit_during_load": 3}, 1)], ids=["good", "bad"])
def test_a_terminal_that_takes_nothing_changes_no_result(
    script: str, standin: dict[str, Any], code: int, engine: Engine, model: ModelFactory, tmp_path: Path
) -> None:
    results = ("--json", "report.json", "--blessing", "blessing", "--evidence", "evidence")
    assert in_shell(script, tmp_path, "validate", model(**standin), "--image", engine.image, *results) == code
    verdict = "not_blessed" if code else "blessed"
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == verdict
    assert json.loads((tmp_path / "evidence" / "report.json").read_text())["verdict"] == verdict
    assert os.listdir(tmp_path / "blessing") == [f"INFRA_{verdict.upper()}"]
    assert engine.containers() == []


@pytest.mark.parametrize("script", ['ivdocker "$@" | head -c 0', 'ivdocker "$@" >&-', 'ivdocker "$@" >/dev/full'])
def test_a_report_that_nobody_takes_changes_no_result(
    script: str, engine: Engine, model: ModelFactory, tmp_path: Path
) -> None:
    options = ("--json", "-", "--blessing", "blessing")
    assert in_shell(script, tmp_path, "validate", model(), "--image", engine.image, *options) == 0
    assert os.listdir(tmp_path / "blessing") == ["INFRA_BLESSED"]


def test_a_report_that_did_not_fit_is_told(engine: Engine, model: ModelFactory, tmp_path: Path) -> None:
    script = 'ivdocker "$@" >/dev/full 2>said'
    assert in_shell(script, tmp_path, "validate", model(), "--image", engine.image, "--json", "-") == 0
    assert "cannot write the report to stdout: No space left on device" in (tmp_path / "said").read_text()


def test_a_stdout_of_another_encoding_gets_the_whole_report(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    folder = model()
    renamed = folder.rename(folder.parent / "mod\u00e8le")
    options = ("--model-name", "half_plus_two", "--json", "-")
    done = cli("validate", renamed, "--image", engine.image, *options, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == str(renamed)


@pytest.mark.parametrize("engine", ["fake"], indirect=True)
@pytest.mark.parametrize("words", [["--help"], ["--version"], ["ps"], ["doctor"], ["prune"], ["validate", "--help"]])
@pytest.mark.parametrize("script", ['ivdocker "$@" | head -c 0', 'ivdocker "$@" >&- 2>&-', 'ivdocker "$@" >/dev/full'])
def test_what_other_commands_print_changes_no_exit_code(
    script: str, words: list[str], engine: Engine, tmp_path: Path
) -> None:
    del engine
    assert in_shell(script, tmp_path, *words) == 0


def test_a_log_whose_reader_has_enough_is_no_failure(
    engine: Engine, model: ModelFactory, cli: Cli, tmp_path: Path
) -> None:
    with cli.start("serve", model(log_mb=4), "--image", engine.image) as server:
        assert server.stdout is not None
        server.stdout.readline()
        try:
            (name,) = engine.containers()
            assert in_shell('ivdocker "$@" 2>&1 | head -n 1', tmp_path, "logs", name) == 0
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=60)


# The places of results are checked before the run


def assert_not_started(done: Finished, engine: Engine, *words: str) -> None:
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert all(word in line for word in words), line
    assert engine.calls("run") == []


PLACES = {
    "--json=nosuch/report.json": ["--json", "nosuch", "make it first"],
    "--json=file/report.json": ["--json", "is a file"],
    "--json=.": ["--json", "is a folder"],
    "--record=nosuch/x.jsonl": ["--record", "nosuch", "make it first"],
    "--record=.": ["--record", "is a folder"],
    "--blessing=file": ["--blessing", "is a file"],
    "--blessing=file/blessing": ["--blessing", "is a file"],
    "--evidence=file/evidence": ["--evidence", "is a file"],
    "--warmup=file/warm": ["--warmup", "is a file"],
}


@pytest.mark.parametrize("engine", ["fake"], indirect=True)
@pytest.mark.parametrize(("option", "words"), PLACES.items(), ids=PLACES)
def test_a_result_that_cannot_be_written_is_told_before_the_run(
    option: str, words: list[str], engine: Engine, model: ModelFactory, cli: Cli
) -> None:
    (cli.folder / "file").touch()
    done = cli("validate", model(), "--image", engine.image, option, "--synthesize")
    assert_not_started(done, engine, *words)
    assert os.listdir(cli.folder) == ["file"]


@pytest.mark.parametrize("engine", ["fake"], indirect=True)
@pytest.mark.parametrize("command", ["validate", "serve"])
def test_a_working_folder_that_was_deleted_is_told_before_the_run(
    command: str, engine: Engine, model: ModelFactory, tmp_path: Path
) -> None:
    script = f'mkdir gone; cd gone; rmdir ../gone; "{sys.executable}" -m ivdocker "$@" 2>../said; echo $? >../exit-code'
    in_shell(script, tmp_path, command, model(), "--image", engine.image)
    assert (tmp_path / "exit-code").read_text() == "2\n"
    assert "the working folder cannot be used" in (tmp_path / "said").read_text()
    assert engine.calls("run") == []


def test_a_disk_that_fills_up_during_the_run_changes_no_verdict(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    done = cli("validate", model(), "--image", engine.image, "--json", "/dev/full", "--blessing", "blessing")
    assert done.returncode == 0
    assert "cannot write the report to '/dev/full': No space left on device; the verdict stands" in done.stderr
    assert os.listdir(cli.folder / "blessing") == ["INFRA_BLESSED"]


# A blessing of an earlier run

UNBLESSED = {
    "usage": (["--timeout", "0"], 2),
    "command line": (["--nosuch"], 2),
    "empty value": (["--memory="], 2),
    "no model": (["--requests", "nosuch"], 2),
    "no verdict": (["--engine", "/nowhere/docker"], 3),
}


@pytest.mark.parametrize("engine", ["fake"], indirect=True)
@pytest.mark.parametrize("blessing", [["--blessing", "blessing"], ["--blessing=blessing"]])
@pytest.mark.parametrize(("words", "code"), UNBLESSED.values(), ids=UNBLESSED)
def test_an_earlier_blessing_is_not_left_without_a_verdict(
    words: list[str], code: int, blessing: list[str], engine: Engine, model: ModelFactory, cli: Cli
) -> None:
    (cli.folder / "blessing").mkdir()
    (cli.folder / "blessing" / "INFRA_BLESSED").touch()
    done = cli("validate", model(), "--image", engine.image, *words, *blessing)
    assert done.returncode == code, done.stderr
    assert os.listdir(cli.folder / "blessing") == []


def test_an_earlier_blessing_is_not_left_by_a_run_that_was_killed(
    engine: Engine, model: ModelFactory, cli: Cli
) -> None:
    (cli.folder / "blessing").mkdir()
    (cli.folder / "blessing" / "INFRA_BLESSED").touch()
    words = ("validate", model(hang_load=True), "--image", engine.image, "--blessing", "blessing")
    with cli.start(*words) as process:
        wait_until(lambda: engine.calls("logs"))
        process.kill()
        process.communicate(timeout=60)
    assert os.listdir(cli.folder / "blessing") == []
    wait_until(lambda: not engine.containers())


def test_a_dry_run_leaves_an_earlier_blessing(cli: Cli, model: ModelFactory, engine: Engine) -> None:
    (cli.folder / "blessing").mkdir()
    (cli.folder / "blessing" / "INFRA_BLESSED").touch()
    assert cli("validate", model(), "--image", engine.image, "--dry-run", "--blessing=blessing").returncode == 0
    assert os.listdir(cli.folder / "blessing") == ["INFRA_BLESSED"]
