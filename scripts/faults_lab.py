"""What scripts/faults works with: an ivdocker that can be found again, and a look at everything that it left."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
IMAGE = "ivdocker/tensorflow-serving-standin:1"
MODEL = ROOT / "docs/examples/tensorflow-serving/half_plus_two"
REQUESTS = ROOT / "docs/examples/tensorflow-serving/half_plus_two-requests.jsonl"
IVDOCKER = str(Path(sys.executable).with_name("ivdocker"))

LABEL = "ivdocker-faults"
MARKER = "IVDOCKER_FAULTS"
LEFT_S = 15.0
"""Seconds after the end of ivdocker in which everything must be gone."""
_RUNS_A_CONTAINER = ("validate", "serve")
_UTS = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"')


class Missed(Exception):
    """A condition did not come true in time."""


def wait_until(condition: Callable[[], object], seconds: float, what: str, pause: float = 0.02) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Missed(f"{what}: not in {seconds:g} s")
        time.sleep(pause)


@dataclass(frozen=True)
class Left:
    """What is there of a run that has ended."""

    containers: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.containers or self.processes or self.files)

    def __str__(self) -> str:
        parts = [f"container {name}" for name in self.containers]
        parts += [*self.processes, *(f"file {name}" for name in self.files)]
        return ", ".join(parts) or "nothing"


@dataclass(frozen=True)
class Place:
    """Where commands run: which engine they see, through which wrapper (a network namespace)."""

    wrapper: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)

    def docker(self, *words: str, timeout: float = 60, check: bool = True) -> str:
        done = subprocess.run(
            [*self.wrapper, "docker", *words],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=check,
            env={**os.environ, **self.env},
        )
        return done.stdout

    def containers(self, label: str) -> list[dict[str, Any]]:
        listed = self.docker("ps", "--all", "--no-trunc", f"--filter=label={label}", "--format={{json .}}")
        return [json.loads(line) for line in listed.splitlines()]

    def remove(self, label: str) -> None:
        names = [str(container["Names"]) for container in self.containers(label)]
        if names:
            self.docker("rm", "--force", "--volumes", *names, check=False)


HERE = Place()


class Run:
    """An ivdocker process, marked: its containers by a label, its processes by an environment variable.

    It runs under a host name of its own, so that no other run takes its containers for orphans and tidies up behind
    it: what is removed then, its own Stop() or its own watchdog has removed. Runs that are to see each other share
    ``host``.
    """

    def __init__(
        self, place: Place, args: Sequence[object], env: dict[str, str] | None = None, host: str | None = None
    ) -> None:
        self.place = place
        self.marker = secrets.token_hex(6)
        self.folder = Path(tempfile.mkdtemp(prefix="ivdocker-faults-"))
        (self.folder / "tmp").mkdir()
        words = [str(word) for word in args]
        if words[0] in _RUNS_A_CONTAINER:
            words.append(f"--docker-arg=--label={LABEL}={self.marker}")
        uts = [*_UTS, host or f"faults-{self.marker}"] if can_isolate() else []
        self.command = [*uts, *place.wrapper, IVDOCKER, *words]
        own = {MARKER: self.marker, "TMPDIR": str(self.folder / "tmp"), "NO_COLOR": "1", "PYTHONFAULTHANDLER": "1"}
        with open(self.folder / "out", "wb") as out, open(self.folder / "err", "wb") as err:
            self.started = time.monotonic()
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.folder,
                env={**os.environ, **place.env, **own, **(env or {})},
                start_new_session=True,
            )
        self.exit_code: int | None = None
        self.peak_mb = 0.0
        """Of its own memory, not of its children's."""
        self.seconds = 0.0

    @property
    def ended(self) -> bool:
        if self.exit_code is None:
            self.peak_mb = max(self.peak_mb, _peak_mb(self.process.pid))
            pid, status = os.waitpid(self.process.pid, os.WNOHANG)
            if pid:
                self.seconds = time.monotonic() - self.started
                code = os.waitstatus_to_exitcode(status)
                self.process.returncode = code
                self.exit_code = code if code >= 0 else 128 - code
        return self.exit_code is not None

    @property
    def stderr(self) -> str:
        return (self.folder / "err").read_text("utf-8", "replace")

    @property
    def stdout(self) -> str:
        return (self.folder / "out").read_text("utf-8", "replace")

    def wait(self, seconds: float) -> None:
        """Raises Missed, and then it is killed; where it hung, its threads' stacks are at the end of its stderr."""
        try:
            wait_until(lambda: self.ended, seconds, "the end of ivdocker")
        except Missed:
            self.send(signal.SIGABRT)
            wait_until(lambda: self.ended, 5, "the end of a killed ivdocker")
            raise

    def send(self, signum: int, group: bool = False) -> None:
        if not self.ended:
            (os.killpg if group else os.kill)(self.process.pid, signum)

    def processes(self) -> dict[int, str]:
        """Its helpers that live, by pid, with their command lines; not itself."""
        found = marked_processes(self.marker)
        found.pop(self.process.pid, None)
        return found

    def runs(self, *words: str) -> bool:
        """Does it have a helper with these words in its command line, side by side?"""
        return any(" ".join(words) in line for line in self.processes().values())

    def containers(self) -> list[dict[str, Any]]:
        return self.place.containers(f"{LABEL}={self.marker}")

    def left(self) -> Left:
        files = tuple(sorted(str(path) for path in (self.folder / "tmp").rglob("*")))
        processes = tuple(_short(line) for line in self.processes().values())
        return Left(tuple(str(found["Names"]) for found in self.containers()), processes, files)

    def wait_for_nothing(self, seconds: float = LEFT_S) -> Left:
        """What is still there of it after that time."""
        deadline = time.monotonic() + seconds
        while (left := self.left()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return left

    def report(self) -> dict[str, Any]:
        """Of --json report.json; empty when there is none."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "report.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def codes(self) -> list[str]:
        """The failure codes of its runs."""
        return [run["failure"]["code"] if run["failure"] else "-" for run in self.report().get("runs", [])]

    def clean(self) -> None:
        """End and remove whatever it left, so that the next fault begins with nothing."""
        self.send(signal.SIGKILL, group=True)
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.place.remove(f"{LABEL}={self.marker}")
        shutil.rmtree(self.folder, ignore_errors=True)


def marked_processes(marker: str) -> dict[int, str]:
    """Those whose environment holds the marker: it is handed down to whatever a process starts."""
    wanted = f"{MARKER}={marker}".encode()
    found: dict[int, str] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            if wanted in Path("/proc", entry, "environ").read_bytes():
                found[int(entry)] = Path("/proc", entry, "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue
    return found


def _peak_mb(pid: int) -> float:
    """wait4 would count the docker clients too."""
    try:
        status = Path("/proc", str(pid), "status").read_text("utf-8", "replace")
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def make_model(
    folder: Path, standin: Mapping[str, object] | None = None, content: bytes | None = b"half_plus_two\n"
) -> Path:
    """A model for the stand-in; ``standin`` are its scripted faults."""
    version = folder / "half_plus_two" / "1"
    version.mkdir(parents=True, exist_ok=True)
    if content is not None:
        (version / "saved_model.pb").write_bytes(content)
    if standin:
        (version / "standin.json").write_text(json.dumps(dict(standin)))
    return version.parent


def can_isolate() -> bool:
    return os.geteuid() == 0 and shutil.which("unshare") is not None


def default_signals() -> None:
    """A shell's & and nohup have us ignore signals, and our children would inherit that; a handler they do not."""
    for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(signum) == signal.SIG_IGN:
            signal.signal(signum, signal.default_int_handler)


def _short(command_line: str) -> str:
    words = command_line.split()
    if any(word.endswith("watchdog.sh") for word in words):
        return "watchdog.sh"
    return shlex.join(words[:3])
