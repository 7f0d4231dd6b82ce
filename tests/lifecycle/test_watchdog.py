"""watchdog.sh by itself, with a docker, a timeout and a sleep of our own on PATH: what it does and how long; and a run
that cannot start it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

import ivdocker
from tests.conftest import Cli, Engine, ModelFactory, wait_until

SCRIPT = Path(ivdocker.__file__).parent / "container" / "watchdog.sh"
LABEL = "ivdocker.session=abc"

DOCKER = """#!/bin/sh
printf '%s\\n' "$*" >>"$STATE/calls"
case $1 in
ps)
    calls=$(grep -c '^ps' "$STATE/calls")
    if [ "$calls" -eq "${LATE:-0}" ]; then echo late >>"$STATE/ids"; fi
    if [ "$calls" -le "${REFUSED:-0}" ]; then exit 1; fi
    if [ -n "${HANG:-}" ]; then exec "$SLEEP" 1000; fi
    cat "$STATE/ids"
    ;;
rm)
    printf '' >"$STATE/ids"
    ;;
esac
"""


class Watchdog:
    """The script under test; its pauses last 10 ms, and its docker calls ``limit`` seconds at most instead of 30."""

    def __init__(self, folder: Path, limit: float = 10, **env: str) -> None:
        self.folder = folder
        sleep, limited = shutil.which("sleep"), f'{shutil.which("timeout")} -k 1 "$LIMIT"'
        programs = {
            "docker": DOCKER,
            "sleep": f"#!/bin/sh\nexec {sleep} 0.01\n",
            "timeout": f'#!/bin/sh\n[ "$1 $2 $3" = "-k 1 30" ] || exit 99\nshift 3\nexec {limited} "$@"\n',
        }
        for name, text in programs.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        for name in ("calls", "ids"):
            (folder / name).touch()
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        self.process = subprocess.Popen(
            ["sh", str(SCRIPT), LABEL, "docker"],
            stdin=subprocess.PIPE,
            env={**os.environ, "PATH": path, "STATE": str(folder), "SLEEP": str(sleep), "LIMIT": str(limit), **env},
            start_new_session=True,
        )

    def say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def hang_up(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def calls(self, verb: str = "") -> list[str]:
        return [line for line in (self.folder / "calls").read_text().splitlines() if line.startswith(verb)]

    def holds(self, *names: str) -> None:
        (self.folder / "ids").write_text("".join(f"{name}\n" for name in names))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if shutil.which("timeout") is None:
        pytest.skip("no timeout(1) here, and the script does without")
    return tmp_path


def test_done_ends_it_without_any_docker_call(folder: Path) -> None:
    watchdog = Watchdog(folder)
    watchdog.say("done\n")
    assert watchdog.process.wait(30) == 0
    watchdog.hang_up()
    assert watchdog.calls() == []


@pytest.mark.parametrize("last_words", ["", "something else\n", "don"], ids=["nothing", "other words", "half a word"])
def test_an_end_without_done_removes_what_there_is(last_words: str, folder: Path) -> None:
    watchdog = Watchdog(folder)
    watchdog.holds("one", "two")
    watchdog.say(last_words)
    watchdog.hang_up()
    assert watchdog.process.wait(30) == 0
    assert watchdog.calls("rm") == ["rm --force --volumes one two"]
    assert set(watchdog.calls("ps")) == {f"ps --all --quiet --no-trunc --filter=label={LABEL}"}


def test_a_container_that_appears_later_goes_too(folder: Path) -> None:
    watchdog = Watchdog(folder, LATE="6")
    watchdog.hang_up()
    assert watchdog.process.wait(30) == 0
    assert watchdog.calls("rm") == ["rm --force --volumes late"]
    assert len(watchdog.calls("ps")) == 6 + 10


def test_it_ends_once_it_has_seen_nothing_for_a_while(folder: Path) -> None:
    watchdog = Watchdog(folder)
    watchdog.hang_up()
    assert watchdog.process.wait(30) == 0
    assert len(watchdog.calls("ps")) == 10
    assert watchdog.calls("rm") == []


def test_an_engine_that_answers_again_is_waited_for(folder: Path) -> None:
    watchdog = Watchdog(folder, REFUSED="20")
    watchdog.holds("one")
    watchdog.hang_up()
    assert watchdog.process.wait(30) == 0
    assert watchdog.calls("rm") == ["rm --force --volumes one"]


def test_an_engine_that_never_answers_does_not_keep_it(folder: Path) -> None:
    watchdog = Watchdog(folder, REFUSED="1000")
    watchdog.hang_up()
    assert watchdog.process.wait(30) == 0
    assert len(watchdog.calls("ps")) == 60


def test_a_docker_that_hangs_does_not_keep_it(folder: Path) -> None:
    watchdog = Watchdog(folder, limit=0.02, HANG="yes")
    watchdog.hang_up()
    assert watchdog.process.wait(30) == 0
    assert watchdog.calls("rm") == []


@pytest.mark.parametrize("signum", [1, 2, 15], ids=["SIGHUP", "SIGINT", "SIGTERM"])
def test_a_signal_does_not_end_it(signum: int, folder: Path) -> None:
    """A container's or a session's end reaches it too, and that is when it is needed."""
    watchdog = Watchdog(folder)
    watchdog.holds("one")
    # It must have come to its trap first.
    wait_until(lambda: ignores(watchdog.process.pid, signum), 10)
    watchdog.process.send_signal(signum)
    with pytest.raises(subprocess.TimeoutExpired):
        watchdog.process.wait(0.2)
    watchdog.hang_up()
    assert watchdog.process.wait(30) == 0
    assert watchdog.calls("rm") == ["rm --force --volumes one"]


def ignores(pid: int, signum: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        time.sleep(0.5)
        return True
    mask = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("SigIgn"))
    return bool(int(mask, 16) >> (signum - 1) & 1)


def test_a_machine_without_a_shell_is_told_of_and_no_reason_to_fail(
    engine: Engine, cli: Cli, model: ModelFactory
) -> None:
    docker_alone = os.environ["PATH"].partition(os.pathsep)[0]
    done = cli("validate", model(), f"--image={engine.image}", env={"PATH": docker_alone})
    assert (done.returncode, done.stderr.count("no watchdog: ")) == (0, 1), done.stderr
    assert "after a SIGKILL the next run removes what is left (sh)" in done.stderr
