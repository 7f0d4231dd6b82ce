"""An ivdocker as a user has it, on a real engine, and a look at everything that it left."""

from __future__ import annotations

import functools
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.conftest import Engine, wait_until
from tests.fakes.verbs import IMAGE
from tests.lifecycle.conftest import Started

PROGRAM = os.environ.get("IVDOCKER_PROGRAM") or str(Path(sys.executable).with_name("ivdocker"))
"""The command under test; scripts/faults names the one of an installed wheel."""

EXAMPLES = Path(__file__).parents[2] / "docs/examples/tensorflow-serving"
MODEL = EXAMPLES / "half_plus_two"
REQUESTS = f"--requests={EXAMPLES / 'half_plus_two-requests.jsonl'}"

AT_ONCE_S = 3.0
"""Seconds in which a run ends that was asked to, where the server stops at once."""
_END_S = 60.0
_UTS = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"')


class Hung(AssertionError):
    """It did not end in time, and was killed."""


class Run(Started):
    """Its containers are known by a label of their own, its temporary files by their folder.

    It has a host name of its own, so that no other run takes its containers for orphans and tidies up behind it: what
    is removed then, it has removed itself, or its watchdog has. Runs that are to see each other share ``host``.
    """

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        args: Sequence[str | Path],
        env: Mapping[str, str],
        host: str | None = None,
    ) -> None:
        (folder / "tmp").mkdir()
        self._label = f"ivdocker-faults={secrets.token_hex(6)}"
        label = [f"--docker-arg=--label={self._label}"] if args[0] in ("validate", "serve") else []
        uts = [*_UTS, host or f"faults-{secrets.token_hex(6)}"] if _can_isolate() else []
        own = {"TMPDIR": str(folder / "tmp"), "NO_COLOR": "1", "PYTHONFAULTHANDLER": "1"}
        self.since = time.monotonic()
        self.seconds = 0.0
        """From ``since`` to its end."""
        super().__init__(
            folder, engine, [*args, *label], {**engine.env, **own, **env}, [*uts, *engine.wrapper, PROGRAM]
        )

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def exit_code(self, seconds: float = _END_S) -> int:
        """Where it hung, its threads' stacks are at the end of its stderr."""
        try:
            code = super().exit_code(seconds)
        except subprocess.TimeoutExpired as error:
            self.signal(signal.SIGABRT)
            self.process.wait(10)
            raise Hung(f"it did not end in {seconds:g} s: {self.stderr[-4000:]}") from error
        self.seconds = self.seconds or time.monotonic() - self.since
        return code

    def wait_for_moment(self, has_come: Callable[[Run], object]) -> None:
        wait_until(lambda: self.has_ended or has_come(self), _END_S)
        assert not self.has_ended, f"it ended before the moment: {self.stderr[-400:]}"

    def has_done(self, stage: str) -> bool:
        """Has it said that the stage is done?"""
        return re.search(rf"(?m)^(\S+  )?{stage} +[\d.]+ s", self.stderr) is not None

    def send(self, *signums: signal.Signals, group: bool = False) -> None:
        """Unless it has ended; ``seconds`` count from the first one."""
        self.since = time.monotonic()
        for number, signum in enumerate(signums):
            # Two signals of one kind at once are one to the kernel.
            time.sleep(0.3 if number else 0)
            if not self.has_ended:
                self.signal(signum, group)

    def report(self) -> Any:
        """Of --json=report.json; empty when there is none."""
        file = self.folder / "report.json"
        return json.loads(file.read_text("utf-8")) if file.exists() else {}

    def codes(self) -> list[str]:
        """The failure codes of its runs; - where there is none."""
        return [run["failure"]["code"] if run["failure"] else "-" for run in self.report().get("runs", [])]

    def outcome(self) -> str:
        return " ".join([str(self.exit_code()), *self.codes()])

    def assert_outcome(self, *wanted: str, seconds: float = 150) -> None:
        """``3 engine-missing``: the exit code and the failure codes are one of these."""
        self.exit_code(seconds)
        assert self.outcome() in wanted, self.stderr[-1000:]

    def assert_ended_within(self, seconds: float) -> None:
        limit = seconds * slack()
        assert self.seconds <= limit, f"it took {self.seconds:.1f} s, more than {limit:.1f} s"

    def containers(self) -> list[str]:
        return self._engine.labelled(self._label)

    def traces(self) -> list[str]:
        return [*super().traces(), *sorted(str(path) for path in (self.folder / "tmp").rglob("*"))]

    def end(self) -> None:
        """The next fault begins with nothing."""
        super().end()
        for name in self.containers():
            self._engine.docker("rm", "--force", "--volumes", name)


def validate(model: Path, *args: str | Path) -> list[str | Path]:
    """On the stand-in's image, unless there is another one among the arguments."""
    image = [] if any(str(arg).startswith(("--image=", "--spec=")) for arg in args) else [f"--image={IMAGE}"]
    return ["validate", model, "--json=report.json", *image, *args]


def slack() -> float:
    """By how much this machine is slower than an idle one: others use it too."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@functools.cache
def _can_isolate() -> bool:
    return os.geteuid() == 0 and shutil.which("unshare") is not None
