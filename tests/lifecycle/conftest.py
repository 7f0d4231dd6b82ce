"""An ivdocker of which every trace can be found: its words, its containers, the processes that it started."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from tests.conftest import Engine, wait_until

REAL = [pytest.mark.engine, pytest.mark.parametrize("engine", ["docker"], indirect=True)]
FAKE = [pytest.mark.parametrize("engine", ["fake"], indirect=True)]
"""Where the runs of others would tidy up behind us, or we behind them."""

NOTHING_LEFT_S = 15.0
_MARKER = "IVDOCKER_TEST"


class Started:
    """An ivdocker that runs, in a process group of its own; its helpers inherit its marker."""

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        args: Sequence[str | Path],
        env: Mapping[str, str],
        program: Sequence[str] = (sys.executable, "-m", "ivdocker"),
    ) -> None:
        self.folder = folder
        self._engine = engine
        self._marker = secrets.token_hex(8)
        with open(folder / "stdout", "wb") as stdout, open(folder / "stderr", "wb") as stderr:
            self.process = subprocess.Popen(
                [*program, *map(str, args)],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=folder,
                env={**os.environ, **env, _MARKER: self._marker},
                start_new_session=True,
            )

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout").read_text("utf-8", "replace")

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_text("utf-8", "replace")

    def wait_for(self, text: str) -> None:
        """Until it has said so; a stage is said when it is done."""
        wait_until(lambda: text in self.stderr or self.process.poll() is not None)
        assert text in self.stderr

    def wait_for_call(self, verb: str) -> None:
        wait_until(lambda: self._engine.calls(verb) or self.process.poll() is not None)
        assert self.process.poll() is None, self.stderr

    @property
    def threads(self) -> int:
        return psutil.Process(self.process.pid).num_threads()

    def helpers(self, word: str = "") -> list[psutil.Process]:
        """Its living processes with that word in their command line, but for itself and a fake engine's servers."""
        found = []
        for pid in psutil.pids():
            try:
                each = psutil.Process(pid)
                line = " ".join(each.cmdline())
                is_ours = pid != self.process.pid and each.environ().get(_MARKER) == self._marker
                if is_ours and word in line and "tensorflow_model_server" not in line:
                    found.append(each)
            except psutil.Error:
                continue
        return found

    def signal(self, signum: int, group: bool = False) -> None:
        (os.killpg if group else os.kill)(self.process.pid, signum)

    def exit_code(self, seconds: float = 30) -> int:
        """As a shell calls it; the process ends within that time."""
        code = self.process.wait(seconds)
        return code if code >= 0 else 128 - code

    def kill_with_watchdog(self) -> None:
        """As a power cut would: nobody is left to tidy up."""
        for helper in self.helpers("watchdog.sh"):
            helper.kill()
        self.signal(signal.SIGKILL, group=True)
        self.process.wait(10)

    def containers(self) -> list[str]:
        return self._engine.containers()

    def traces(self) -> list[str]:
        """Its containers and helpers that are there now."""
        return [*self.containers(), *map(str, self.helpers())]

    def left(self, seconds: float = NOTHING_LEFT_S) -> list[str]:
        """What is still there when the time for removing it is over."""
        deadline = time.monotonic() + seconds
        while (left := self.traces()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left

    def end(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGKILL, group=True)
        self.process.wait(10)
        for helper in self.helpers():
            # The watchdog tidies up; what is neither it nor waited for has failed a test already.
            if "watchdog.sh" not in " ".join(helper.cmdline()):
                helper.kill()


class Start(Protocol):
    def __call__(self, *args: str | Path, env: Mapping[str, str] | None = None) -> Started: ...


@pytest.fixture
def start(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts ivdocker and does not wait."""
    made: list[Started] = []

    def begin(*args: str | Path, env: Mapping[str, str] | None = None) -> Started:
        made.append(Started(tmp_path_factory.mktemp("run"), engine, args, env or {}))
        return made[-1]

    yield begin
    for each in made:
        each.end()


@pytest.fixture
def one_request(tmp_path: Path) -> str:
    file = tmp_path / "one.jsonl"
    file.write_text('{"request": {"instances": [1.0, 2.0, 5.0]}, "expect": {"predictions": [2.5, 3.0, 4.5]}}\n')
    return f"--requests={file}"
