"""The command line: what is wrong is said in one line, and what is not needed is not imported."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ivdocker
from ivdocker.cli.main import main

HEAVY = ("sh", "psutil", "asyncio")


def python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=30, check=False)


def exit_code(*argv: str) -> int:
    """The command's, whether it returns or leaves by SystemExit."""
    handlers = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGHUP)}
    code: object = None
    try:
        code = main(argv)
    except SystemExit as left:
        code = left.code
    finally:
        # main is the whole program's: it leaves its handlers, and its process ends after it.
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
    assert isinstance(code, int)
    return code


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "saved_model.pb").touch()
    return str(tmp_path / "m")


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--version") == 0
    assert capsys.readouterr().out == f"ivdocker {ivdocker.__version__}\n"


def test_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--help") == 0
    text = capsys.readouterr().out
    for word in ("validate", "serve", "doctor", "0 blessed", "1 not blessed", "2 usage", "3 no verdict", "130 or 143"):
        assert word in text


@pytest.mark.parametrize("command", ["validate", "serve", "doctor"])
def test_every_command_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(command, "--help") == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: ivdocker {command}")
    assert "--engine" in text


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ((), "no command given"),
        (("frobnicate",), "frobnicate"),
        (("--frobnicate",), "ivdocker"),
        (("validate",), "MODEL"),
        (("validate", "m", "--frobnicate"), "--frobnicate"),
        (("validate", "m", "--tim", "5"), "--tim"),
        (("validate", "m", "--timeout", "soon"), "--timeout"),
        (("validate", "m", "--jobs", "1.5"), "--jobs"),
        (("validate", "m", "--pull", "often"), "--pull"),
        (("validate", "m", "-v", "-q"), "not allowed with"),
        (("serve", "m"), "--image"),
        (("doctor", "extra"), "extra"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    argv: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("ivdocker")
    assert "error: " in err
    assert words in err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("validate", "/no/such/model", "--image", "tensorflow/serving"), "no such model: '/no/such/model'"),
        (("validate", "MODEL"), "say on which images"),
        (("validate", "MODEL", "--image", "x", "--spec", "SPEC"), "not both"),
        (("validate", "MODEL", "--image", "-x", "--server", "triton"), "expected one argument"),
        (("validate", "MODEL", "--image=-x", "--server", "triton"), "'-x' is no name of an image"),
        (("validate", "MODEL", "--image", "a b"), "'a b' is no name of an image"),
        (("validate", "MODEL", "--image", "x", "--server", "tritn"), "unknown server 'tritn'"),
        (("validate", "MODEL", "--image", "x", "--requests", "/no/file"), "cannot read requests file '/no/file'"),
        (("validate", "MODEL", "--image", "x", "--requests", "EMPTY"), "is empty"),
        (("validate", "MODEL", "--spec", "/no/spec"), "cannot read --spec '/no/spec'"),
        (("validate", "MODEL", "--spec", "SPEC"), "unknown key 'tensorflow'"),
        (("validate", "MODEL", "--image", "x", "--env", "=x"), "--env '=x'"),
        (("validate", "MODEL", "--image", "x", "--env", "IVDOCKER_NOT_SET"), "IVDOCKER_NOT_SET: not set"),
        (("validate", "MODEL", "--image", "x", "--env-file", "/no/env"), "--env-file '/no/env': no such file"),
        (("validate", "MODEL", "--image", "x", "--timeout", "0"), "timeout must be more than 0 seconds"),
        (("validate", "MODEL", "--image", "x", "--timeout", "nan"), "timeout must be more than 0 seconds"),
        (("validate", "MODEL", "--image", "x", "--jobs", "0"), "must be at least 1, not 0"),
        (("serve", "MODEL", "--image", "x", "--timeout", "-1"), "timeout must be more than 0 seconds"),
        (("validate", "MODEL", "--image", "x", "--network", "none"), "--network none leaves no way"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_and_exit_code_2(
    argv: tuple[str, ...], words: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spec.json").write_text('{"tensorflow": {}}')
    (tmp_path / "empty").touch()
    places = {"MODEL": model, "SPEC": str(tmp_path / "spec.json"), "EMPTY": str(tmp_path / "empty")}
    assert exit_code(*(places.get(word, word) for word in argv)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith("ivdocker")]
    assert len(lines) == 1


def test_a_machine_without_docker_is_no_verdict_and_exit_code_3(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("validate", model, "--image", "x", "--engine", "/no/such/docker") == 3
    err = capsys.readouterr().err
    assert "NO VERDICT  m on x: engine-missing" in err
    assert "to do: install docker's command line" in err


def test_doctor_without_docker_says_what_to_do_and_exits_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("doctor", "--engine", "no-such-docker") == 3
    out = capsys.readouterr().out
    assert "FAIL  program    no-such-docker: not found on PATH" in out
    assert "to do: install docker's command line" in out


@pytest.mark.parametrize("argv", ["--version", "--help", "validate --help", "validate", "serve --frobnicate", ""])
def test_what_needs_no_engine_imports_nothing_heavy(argv: str) -> None:
    code = (
        "import sys\nfrom ivdocker.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', *[name for name in {HEAVY} if name in sys.modules])\n"
    )
    assert python(code, *argv.split()).stdout.splitlines()[-1] == "heavy:"


def test_importing_the_package_imports_none_of_its_modules() -> None:
    found = python("import sys, ivdocker; print(*[name for name in sys.modules if name.startswith('ivdocker.')])")
    assert found.stdout.split() == []


def test_the_package_runs_as_a_module() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "ivdocker", "--version"], capture_output=True, text=True, timeout=30, check=False
    )
    assert (found.returncode, found.stdout) == (0, f"ivdocker {ivdocker.__version__}\n")


def test_a_wrong_command_line_is_exit_code_2_of_the_process_too() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "ivdocker", "frobnicate"], capture_output=True, text=True, timeout=30, check=False
    )
    assert (found.returncode, found.stdout, len(found.stderr.splitlines())) == (2, "", 1)
