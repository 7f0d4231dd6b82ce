"""Real programs, small ones: all their output, bounded; a deadline that holds; nothing left behind."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ivdocker.clock import Deadline
from ivdocker.process import run as run_module
from ivdocker.process import tree
from ivdocker.process.run import Cancelled, Child, ProgramNotFound, ProgramNotStarted, ProgramTimeout, Result


def run(*argv: str, seconds: float = 20) -> Result:
    return run_module.run(argv, deadline=Deadline.after(seconds))


def shell(script: str, seconds: float = 20) -> Result:
    return run("/bin/sh", "-c", script, seconds=seconds)


def is_gone(pid: int) -> bool:
    """Within two seconds; a zombie that somebody else must reap counts as gone."""
    end = time.monotonic() + 2
    while time.monotonic() < end:
        if tree.started(pid) is None:
            return True
        threading.Event().wait(0.01)
    return False


def pids_in(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()]


def test_a_program_leaves_its_exit_code_and_both_streams() -> None:
    found = shell("echo out; echo err >&2; exit 3")
    assert (found.returncode, found.stdout, found.stderr) == (3, b"out\n", b"err\n")
    assert found.error_text == "err"


def test_an_exit_code_of_a_signal_is_negative() -> None:
    assert shell("kill -TERM $$").returncode == -15


def test_twenty_thousand_short_lines_are_all_there() -> None:
    found = shell("i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done")
    assert found.stdout.split() == [str(n).encode() for n in range(20_000)]


def test_bytes_that_are_no_utf8_come_through() -> None:
    found = shell(r"printf '\377\376\000x'; printf '\377' >&2")
    assert found.stdout == b"\xff\xfe\x00x"
    assert found.error_text == "�"


def test_output_beyond_the_bound_is_dropped_and_the_program_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "CAPTURE_LIMIT", 1000)
    found = shell("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; echo end >&2; exit 5")
    assert (found.returncode, len(found.stdout), len(found.stderr)) == (5, 1000, 1000)


@pytest.mark.parametrize("text", ["ü 模型 🙂", "a b", 'the "best"', "two\nlines", "$HOME `x` ;", "", "-x"])
def test_an_argument_arrives_as_it_is(text: str) -> None:
    assert run("/usr/bin/printf", "%s", text).stdout.decode() == text


def test_a_variable_is_added_to_the_environment_and_the_rest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVDOCKER_TEST_KEPT", "kept")
    found = run_module.run(
        ["/bin/sh", "-c", 'printf "%s|%s" "$IVDOCKER_TEST_KEPT" "$IVDOCKER_TEST_ADDED"'],
        deadline=Deadline.after(20),
        env={"IVDOCKER_TEST_ADDED": "ü\nx"},
    )
    assert found.stdout.decode() == "kept|ü\nx"
    assert "IVDOCKER_TEST_ADDED" not in os.environ


def test_a_program_is_in_a_session_of_its_own_and_has_no_input() -> None:
    found = shell("cat; ps -o sid= -p $$ 2>/dev/null || cut -d' ' -f6 /proc/$$/stat; echo $$")
    session, pid = found.stdout.split()
    assert session == pid


def test_output_is_no_terminal() -> None:
    assert shell("test -t 0 || test -t 1 || test -t 2 || echo none").stdout == b"none\n"


@pytest.mark.parametrize("program", ["no-such-program-anywhere", "/no/such/path", "/etc/passwd", "/"])
def test_a_program_that_is_not_there_is_named(program: str) -> None:
    with pytest.raises(ProgramNotFound, match=program):
        run(program)


@pytest.mark.parametrize("argv", [["/bin/echo", "a\0b"], ["/bin/echo", "\udcff"]], ids=["NUL", "surrogate"])
def test_an_argument_that_no_program_can_be_given_is_told(argv: list[str]) -> None:
    with pytest.raises(ProgramNotStarted):
        run(*argv)


def test_a_file_that_is_no_program_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "docker"
    broken.write_bytes(b"not really a program")
    broken.chmod(0o755)
    with pytest.raises(ProgramNotStarted, match="docker"):
        run(str(broken))


def test_a_program_is_killed_with_all_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! >>{pids}; setsid sleep 60 & echo $! >>{pids}; echo $$ >>{pids}; echo ready; wait"
    child = Child.spawn(["/bin/sh", "-c", script])
    cancel = threading.Event()
    with pytest.raises(Cancelled):
        child.pump(lambda _ready: cancel.set(), lambda _chunk: None, Deadline.after(20), cancel)
    assert len(pids_in(pids)) == 3
    assert all(is_gone(pid) for pid in pids_in(pids))


def test_a_deadline_is_kept_by_a_program_that_ignores_signals() -> None:
    started = time.monotonic()
    with pytest.raises(ProgramTimeout):
        shell("trap '' TERM INT HUP; echo x; sleep 60 & wait", seconds=0.1)
    assert time.monotonic() - started < 3


def test_a_deadline_is_kept_while_output_pours_in() -> None:
    with pytest.raises(ProgramTimeout):
        shell("while :; do echo x; done", seconds=0.1)


def test_a_deadline_is_kept_by_a_program_that_closed_its_output() -> None:
    with pytest.raises(ProgramTimeout):
        shell("exec >&- 2>&-; sleep 60", seconds=0.2)


def test_a_program_that_closed_its_output_still_has_its_exit_code() -> None:
    assert shell("exec >&- 2>&-; exit 7").returncode == 7


def test_a_cancel_event_that_is_set_beforehand_ends_the_program_at_once() -> None:
    cancel = threading.Event()
    cancel.set()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        run_module.run(["/bin/sleep", "60"], deadline=Deadline.after(20), cancel=cancel)
    assert time.monotonic() - started < 3


def test_a_cancel_event_ends_a_program_from_another_thread() -> None:
    cancel = threading.Event()
    timer = threading.Timer(0.1, cancel.set)
    timer.start()
    with pytest.raises(Cancelled):
        run_module.run(["/bin/sleep", "60"], deadline=Deadline.after(20), cancel=cancel)
    timer.join()


def test_a_grandchild_that_holds_the_output_does_not_hold_us(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    started = time.monotonic()
    found = shell(f"sleep 5 & echo $! >{pids}; echo done")
    assert (found.returncode, found.stdout) == (0, b"done\n")
    assert time.monotonic() - started < 3
    os.kill(pids_in(pids)[0], 9)


def test_a_grandchild_that_goes_on_writing_does_not_hold_us(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"(trap '' PIPE; while echo x; do :; done) & echo $! >{pids}; exit 4"
    try:
        assert shell(script, seconds=1).returncode == 4
    finally:
        for pid in pids_in(pids):
            if not is_gone(pid):
                os.kill(pid, 9)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_exception_while_reading_kills_the_program_and_goes_on(error: type[BaseException], tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    def explode(_chunk: bytes) -> None:
        raise error

    child = Child.spawn(["/bin/sh", "-c", f"sleep 60 & echo $! $$ >{pids}; echo ready; wait"])
    with pytest.raises(error):
        child.pump(explode, explode, Deadline.after(20))
    assert all(is_gone(pid) for pid in pids_in(pids))


def test_a_program_may_be_killed_twice() -> None:
    child = Child.spawn(["/bin/sleep", "60"])
    assert child.alive
    assert child.kill() == child.kill() == -9
    assert not child.alive


def count_fds() -> int:
    return len(os.listdir("/dev/fd"))


def fails_to_start() -> None:
    with pytest.raises(ProgramNotStarted):
        run("/bin/echo", "\0")


def times_out() -> None:
    with pytest.raises(ProgramTimeout):
        run("/bin/sleep", "60", seconds=0)


@pytest.mark.parametrize("action", [lambda: shell("echo x"), times_out, fails_to_start])
def test_no_descriptor_is_left_over_many_calls(action: Callable[[], object]) -> None:
    action()
    before = count_fds()
    for _ in range(5):
        action()
    assert count_fds() <= before


def test_no_thread_is_left_after_a_call() -> None:
    before = set(threading.enumerate())
    shell("echo x")
    for thread in set(threading.enumerate()) - before:
        thread.join(2)
    assert set(threading.enumerate()) <= before


def test_the_commands_that_are_run_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING"):
        shell("true # hunter2")
    assert "hunter2" not in caplog.text


def test_python_itself_is_found_by_its_path() -> None:
    assert run(sys.executable, "-c", "print(1)").stdout == b"1\n"
