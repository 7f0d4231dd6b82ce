"""The faults that need but one engine: signals at each stage, the server's own faults, memory, secrets, evidence."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from faults_lab import HERE, IMAGE, REQUESTS, Left, Missed, Place, Run, make_model, wait_until
from faults_registry import Behaviour, Registry

END_S = 60.0
_AT_ONCE_S = 3.0
"""Seconds in which a run ends that was asked to, where the server stops at once."""
_GRACE_S = 10.0
MEMORY_MB = 64


@dataclass
class RequestResult:
    """What came of a fault; ``wrong`` says what should have been otherwise."""

    got: str
    seconds: float
    left: Left = field(default_factory=Left)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Fault:
    """A line of the table."""

    group: str
    name: str
    moment: str
    check: Callable[[], RequestResult]

    @property
    def line(self) -> str:
        return f"{self.group}: {self.name} {self.moment}"


def slack() -> float:
    """By how much this machine is slower than an idle one: others use it too."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ivdocker-faults-model-") as path:
        yield Path(path)


@contextlib.contextmanager
def started(
    place: Place, args: list[object], env: Mapping[str, str] | None = None, host: str | None = None
) -> Iterator[Run]:
    run = Run(place, args, dict(env or {}), host)
    try:
        yield run
    finally:
        run.clean()


def validate(model: Path, *args: object) -> list[object]:
    return ["validate", model, f"--image={IMAGE}", "--json=report.json", *args]


def completed(run: Run, stage: str) -> bool:
    """Has it said that the stage is done?"""
    return re.search(rf"(?m)^(\S+  )?{stage} +[\d.]+ s", run.stderr) is not None


# Signals


@dataclass(frozen=True)
class Stage:
    """A moment of a run, and the server whose fault makes it last."""

    name: str
    reached: Callable[[Run], bool]
    standin: Mapping[str, object] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    at_most_s: float = _AT_ONCE_S


_ASKING = (f"--requests={REQUESTS}",)
_STAGES = (
    Stage("start (docker run)", lambda run: run.runs("run", "--detach"), {"load_seconds": 30}),
    Stage("running", lambda run: completed(run, "start"), {"load_seconds": 30}),
    Stage("load (slow)", lambda run: completed(run, "running"), {"load_seconds": 30}),
    Stage("query (hangs)", lambda run: completed(run, "load"), {"hang_requests": True}, _ASKING),
    Stage(
        "stop (SIGTERM ignored)",
        lambda run: run.runs("docker", "stop"),
        {"ignore_sigterm": True},
        at_most_s=_GRACE_S + _AT_ONCE_S,
    ),
    Stage(
        "three images, --jobs 2",
        lambda run: len(run.containers()) == 2,
        {"load_seconds": 30},
        (f"--image={IMAGE}", f"--image={IMAGE}", "--jobs=2"),
    ),
)
_SIGNALS = (
    ("SIGTERM", signal.SIGTERM, False, 143),
    ("SIGINT", signal.SIGINT, False, 130),
    ("SIGHUP", signal.SIGHUP, False, 129),
    ("SIGKILL", signal.SIGKILL, False, 137),
    ("SIGKILL of the group", signal.SIGKILL, True, 137),
)


def signal_faults() -> Iterator[Fault]:
    for stage in _STAGES:
        for name, signum, group, code in _SIGNALS:
            yield Fault("signal", name, stage.name, partial(_signalled, stage, [signum], group, code))
    stop = replace(_STAGES[4], at_most_s=_AT_ONCE_S)
    yield Fault("signal", "SIGTERM twice", stop.name, partial(_signalled, stop, [signal.SIGTERM] * 2, False, 143))
    yield Fault("signal", "SIGINT twice", stop.name, partial(_signalled, stop, [signal.SIGINT] * 2, False, 130))
    both = [signal.SIGTERM, signal.SIGKILL]
    yield Fault("signal", "SIGTERM, then SIGKILL", stop.name, partial(_signalled, stop, both, False, 137))
    load = _STAGES[2]
    many = [signal.SIGTERM] * 5
    yield Fault("signal", "SIGTERM five times", load.name, partial(_signalled, load, many, False, 143))
    for name, signum, group, code in _SIGNALS:
        yield Fault("signal", name, "pull (drips)", partial(_pull_signalled, signum, group, code))


def _signalled(stage: Stage, signums: list[signal.Signals], group: bool, code: int) -> RequestResult:
    with folder() as path, started(HERE, validate(make_model(path, stage.standin), *stage.args)) as run:
        wait_until(lambda: run.ended or stage.reached(run), END_S, stage.name, pause=0.005)
        return _send_and_look(run, signums, group, code, stage.at_most_s)


def _send_and_look(run: Run, signums: list[signal.Signals], group: bool, code: int, at_most_s: float) -> RequestResult:
    if run.ended:
        return RequestResult(str(run.exit_code), 0, wrong=[f"it ended before the signal: {run.stderr[-300:]}"])
    sent = time.monotonic()
    for number, signum in enumerate(signums):
        # Two signals of one kind at once are one to the kernel.
        time.sleep(0.3 if number else 0)
        run.send(signum, group)
    run.wait(END_S)
    seconds = time.monotonic() - sent
    outcome = RequestResult(str(run.exit_code), seconds, run.wait_for_nothing())
    if run.exit_code != code:
        outcome.wrong.append(f"exit code {run.exit_code}, not {code}: {run.stderr[-300:]}")
    limit = at_most_s * slack()
    if seconds > limit:
        outcome.wrong.append(f"it took {seconds:.1f} s, more than {limit:.1f} s")
    return outcome


def _pull_signalled(signum: signal.Signals, group: bool, code: int) -> RequestResult:
    with folder() as path, Registry("drip") as registry, started(HERE, pulling(make_model(path), registry)) as run:
        wait_until(lambda: run.ended or registry.dripping, END_S, "the pull")
        outcome = _send_and_look(run, [signum], group, code, _AT_ONCE_S)
        try:
            wait_until(lambda: not registry.dripping, 15, "the end of the engine's pull")
        except Missed as error:
            outcome.wrong.append(str(error))
        return outcome


# The server's own faults


@dataclass(frozen=True)
class Verdict:
    """A fault of the model or its server, and the verdict that it deserves."""

    name: str
    code: str
    standin: Mapping[str, object] = field(default_factory=dict)
    content: bytes | None = b"half_plus_two\n"
    args: tuple[str, ...] = ()
    exit_code: int = 1
    moment: str = "load"


_SHORT = ("--timeout=4",)
_NO_IMAGE = ("--image=ivdocker/tensorflow-serving-none:1", "--pull=never")
_NO_REGISTRY = ("--image=127.0.0.1:1/tensorflow-serving:1",)
_OTHER_PLATFORM = ("--platform=linux/arm64", "--pull=never")
_DIES = {"die_after_seconds": 1, "request_seconds": 5}
_VERDICTS = (
    Verdict("none", "-", exit_code=0, args=_ASKING, moment="-"),
    Verdict("saved_model.pb is missing", "model-load-failed", {"log_mb": 0}, content=None),
    Verdict("saved_model.pb is corrupt", "model-load-failed", content=b"corrupt"),
    Verdict("saved_model.pb is empty", "model-load-failed", content=b""),
    Verdict("an operation that is not known", "model-load-failed", content=b"op:FancyOp"),
    Verdict("wrong MODEL_BASE_PATH", "model-not-found", args=("--env=MODEL_BASE_PATH=/nowhere",)),
    Verdict("the REST port is taken inside", "not-listening", {"rest_port_taken": True}),
    Verdict("listens on 127.0.0.1 only", "not-listening", {"listen_host": "127.0.0.1"}),
    Verdict("accepts and says nothing", "load-timeout", {"listen_first_hang": True}, args=_SHORT),
    Verdict("exit 3", "container-exited", {"exit_during_load": 3}),
    Verdict("exit 0", "container-exited", {"exit_during_load": 0}),
    Verdict("SIGILL", "illegal-instruction", {"signal_during_load": 4}),
    Verdict("SIGSEGV", "container-exited", {"signal_during_load": 11}),
    Verdict("SIGKILL of the server (137, no OOM)", "container-exited", {"signal_during_load": 9}),
    Verdict("200 MB in --memory 64m", "out-of-memory", {"allocate_mb_during_load": 200}, args=("--memory=64m",)),
    Verdict("loading never ends", "load-timeout", {"hang_load": True}, args=_SHORT),
    Verdict("status END", "model-load-failed", {"state": "END", "error": "gone"}),
    Verdict("status is HTML", "load-timeout", {"status_html": True}, args=_SHORT),
    Verdict("HTTP 500", "request-failed", {"http_status": 500, "error": "boom"}, args=_ASKING, moment="query"),
    Verdict("HTML", "request-failed", {"html": True}, args=_ASKING, moment="query"),
    Verdict("an error with HTTP 200", "request-failed", {"error_in_200": True}, args=_ASKING, moment="query"),
    Verdict("accepted, never answered", "request-timeout", {"hang_requests": True}, moment="query"),
    Verdict("an answer of a byte a second", "request-timeout", {"drip_requests": True}, moment="query"),
    Verdict("an answer of 10 GB", "request-failed", {"answer_bytes": 10**10}, moment="query"),
    Verdict("closes half-way", "request-failed", {"close_halfway": True}, args=_ASKING, moment="query"),
    Verdict("dies at the third request", "container-exited", {"exit_after_requests": 2}, args=_ASKING, moment="query"),
    Verdict("wrong by 1", "response-mismatch", {"add": 1}, args=_ASKING, moment="query"),
    Verdict("NaN", "response-mismatch", {"nan": True}, args=_ASKING, moment="query"),
    Verdict("every second answer wrong", "response-mismatch", {"flaky": True}, args=_ASKING, moment="query"),
    Verdict(
        "dies after 1 s",
        "container-exited",
        {"die_after_seconds": 1, "request_seconds": 5},
        args=_ASKING,
        moment="query",
    ),
    Verdict("takes 5 MB of binary log", "-", {"log_mb": 5, "log_binary": True}, exit_code=0),
    Verdict("image not there, --pull never", "image-not-found", args=_NO_IMAGE, exit_code=3, moment="start"),
    Verdict("registry cannot be reached", "image-not-found", args=_NO_REGISTRY, exit_code=3, moment="pull"),
    Verdict("image of another platform", "platform-mismatch", args=_OTHER_PLATFORM, exit_code=3, moment="start"),
    Verdict("no such GPU", "gpu-unavailable", args=("--gpus=all",), exit_code=3, moment="start"),
)


def verdict_faults() -> Iterator[Fault]:
    for row in _VERDICTS:
        yield Fault("server", row.name, row.moment, partial(_judged, row))
    yield Fault("server", "no folder with a number", "load", _no_version)
    refusals: tuple[tuple[Behaviour, str, str], ...] = (
        (401, "registry-denied", "does not allow us to pull"),
        (403, "registry-denied", "does not allow us to pull"),
        (404, "image-not-found", "the image was not found"),
        (429, "registry-denied", "rate limit"),
        ("429 as HTML", "registry-denied", "rate limit"),
    )
    for behaviour, code, words in refusals:
        yield Fault("server", f"registry answers {behaviour}", "pull", partial(_bad_pull, behaviour, code, words))
    yield Fault("server", "registry stalls", "pull (120 s)", partial(_bad_pull, "stall", "pull-stalled", "no progress"))


def _judged(row: Verdict) -> RequestResult:
    with folder() as path:
        model = make_model(path, row.standin, row.content)
        args = list(row.args)
        if row.code == "request-timeout" or "answer_bytes" in row.standin:
            # One request: each costs a minute.
            (path / "one.jsonl").write_text('{"instances": [1.0]}\n')
            args.append(f"--requests={path / 'one.jsonl'}")
        base = ["validate", model, "--json=report.json"]
        image = [] if any(arg.startswith("--image=") for arg in args) else [f"--image={IMAGE}"]
        return expect([*base, *image, *args], row.exit_code, row.code)


def expect(
    args: list[object],
    exit_code: int,
    code: str,
    place: Place = HERE,
    env: Mapping[str, str] | None = None,
    seconds: float = 150,
) -> RequestResult:
    """Run it to its end."""
    with started(place, args, env) as run:
        run.wait(seconds)
        return judged(run, exit_code, code)


def judged(run: Run, exit_code: int, code: str, words: str = "") -> RequestResult:
    """What came of a run that has ended; ``words`` must be in what it said."""
    outcome = RequestResult(f"{run.exit_code} {' '.join(run.codes())}", run.seconds, run.wait_for_nothing())
    if run.exit_code != exit_code or set(run.codes()) != {code} or words not in run.stderr:
        outcome.wrong.append(f"not {exit_code} {code} {words}: {run.stderr[-400:]}")
    return outcome


def _no_version() -> RequestResult:
    with folder() as path:
        model = make_model(path)
        (model / "1").rename(model / "one")
        return expect(validate(model), 1, "model-load-failed")


def _bad_pull(behaviour: Behaviour, code: str, words: str) -> RequestResult:
    with folder() as path, Registry(behaviour) as registry, started(HERE, pulling(make_model(path), registry)) as run:
        run.wait(200)
        return judged(run, 3, code, words)


def pulling(model: Path, registry: Registry) -> list[object]:
    return ["validate", model, f"--image={registry.image}", "--server=tensorflow-serving", "--json=report.json"]


# Memory, secrets, evidence


def other_faults() -> Iterator[Fault]:
    yield Fault("memory", "a log of 1 GB", "load", partial(_memory, {"log_mb": 1000}, 0, "-"))
    yield Fault("memory", "an answer of 1 GB", "query", partial(_memory, {"answer_bytes": 10**9}, 1, "request-failed"))
    yield Fault("secret", "--env TOKEN and --env-file", "the whole run", partial(_secret, {}, 0))
    yield Fault("secret", "the same, server dies", "the whole run", partial(_secret, {"exit_during_load": 3}, 1))
    for name, group in (("SIGKILL", False), ("SIGKILL of the group", True)):
        yield Fault("evidence", name, "query (hangs)", partial(_evidence, signal.SIGKILL, group, 137))
    yield Fault("evidence", "SIGTERM", "query (hangs)", partial(_evidence, signal.SIGTERM, False, 143))


def _memory(standin: Mapping[str, object], exit_code: int, code: str) -> RequestResult:
    with folder() as path:
        (path / "one.jsonl").write_text('{"instances": [1.0]}\n')
        args = validate(make_model(path, standin), f"--requests={path / 'one.jsonl'}")
        with started(HERE, args) as run:
            run.wait(240)
            got = f"{run.exit_code} {' '.join(run.codes())}, {run.peak_mb:.0f} MB"
            outcome = RequestResult(got, run.seconds, run.wait_for_nothing())
            if run.peak_mb > MEMORY_MB:
                outcome.wrong.append(f"{run.peak_mb:.0f} MB, more than {MEMORY_MB}")
            if run.exit_code != exit_code or run.codes() != [code]:
                outcome.wrong.append(f"not {exit_code} {code}: {run.stderr[-300:]}")
            return outcome


def _secret(standin: Mapping[str, object], exit_code: int) -> RequestResult:
    token, in_file = f"token-{secrets.token_hex(8)}", f"file-{secrets.token_hex(8)}"
    with folder() as path:
        (path / "env").write_text(f"PASSWORD={in_file}\n")
        args = validate(make_model(path, standin), *_ASKING, "--env=TOKEN", f"--env-file={path / 'env'}")
        args += ["--evidence=evidence", "--verbose"]
        with started(HERE, args, {"TOKEN": token}) as run:
            in_argv = False
            while not run.ended and time.monotonic() - run.started < END_S:
                in_argv |= _in_any_command_line((token, in_file))
                time.sleep(0.01)
            outcome = RequestResult(f"{run.exit_code} {' '.join(run.codes())}", run.seconds, run.wait_for_nothing())
            if in_argv:
                outcome.wrong.append("a secret stood in a command line")
            for file in run.folder.rglob("*"):
                if file.is_file() and any(text.encode() in file.read_bytes() for text in (token, in_file)):
                    outcome.wrong.append(f"a secret stands in {file.relative_to(run.folder)}")
            if run.exit_code != exit_code or not (run.folder / "evidence/report.json").exists():
                outcome.wrong.append(f"not {exit_code}, or no evidence: {run.stderr[-300:]}")
            return outcome


def _in_any_command_line(texts: tuple[str, ...]) -> bool:
    found = False
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            line = Path("/proc", entry, "cmdline").read_bytes() if entry.isdigit() else b""
            found |= any(text.encode() in line for text in texts)
    return found


def _evidence(signum: signal.Signals, group: bool, code: int) -> RequestResult:
    with folder() as path:
        args = validate(make_model(path, {"hang_requests": True}), *_ASKING, "--evidence=evidence")
        with started(HERE, args) as run:
            wait_until(lambda: run.ended or completed(run, "load"), END_S, "the query")
            evidence = run.folder / "evidence"
            wait_until(lambda: any(evidence.glob("*/version.json")), END_S, "version.json")
            outcome = _send_and_look(run, [signum], group, code, _AT_ONCE_S)
            outcome.wrong += _evidence_missing(next(evidence.iterdir()))
            return outcome


def _evidence_missing(evidence: Path) -> list[str]:
    wanted = {
        "command.txt": "docker run",
        "server.stderr.log": "Exporting HTTP/REST API",
        "events.jsonl": '"start"',
        "version.json": "Server",
    }
    missing = []
    for name, text in wanted.items():
        file = evidence / name
        if not file.exists() or text not in file.read_text("utf-8", "replace"):
            missing.append(f"evidence: no {text!r} in {name}")
    for line in (evidence / "events.jsonl").read_text("utf-8").splitlines():
        json.loads(line)
    return missing
