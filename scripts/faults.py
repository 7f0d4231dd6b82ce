"""Runs a catalogue of faults and a signal storm on a real engine, through the ivdocker command. Run by scripts/faults.

Each line: the fault, the moment, what came of it (exit code, failure.code), the seconds, what was left behind. Exit
code 0 when all of it held, 1 when something did not. What needs a second engine needs root.
"""

from __future__ import annotations

import argparse
import random
import signal
import statistics
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from faults_catalogue import Fault, RequestResult, completed, other_faults, signal_faults, verdict_faults
from faults_elsewhere import elsewhere_faults
from faults_engine import SecondEngine, can_have_one, engine_faults, orphan_faults, without_engine_faults
from faults_lab import HERE, IMAGE, MODEL, REQUESTS, Left, Missed, Run, default_signals

_WORKERS = 3
_MEASURED = 6
_MEASURE_EVERY = 12
_UNTIL = 1.3
_NO_PYTHON_YET = "before Python had started (exit code 1, its own)"
_STAGES = (
    _NO_PYTHON_YET,
    "before docker run",
    "in docker run",
    "after start",
    "after running",
    "after load",
    "after query",
    "after stop",
    "too late",
)
_END_S = 40.0
_PATIENCE_S = 60.0
"""Seconds in which we look on what was left too long: late, or for ever?"""
_lock = threading.Lock()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the storm (default: random)")
    parser.add_argument("--storm", type=int, default=100, help="how often each signal is sent (default 100; 0: none)")
    parser.add_argument("--only", default="", metavar="WORD", help="the faults whose line holds WORD; storm: only it")
    arguments = parser.parse_args()
    default_signals()
    held = [] if arguments.only == "storm" else list(catalogue(arguments.only))
    if held:
        say(f"{sum(held)} of {len(held)} held")
    elif arguments.only != "storm":
        parser.error(f"no fault's line holds {arguments.only!r}")
    if arguments.storm and arguments.only in ("", "storm"):
        held.append(storm(arguments.storm, arguments.seed))
    return 0 if all(held) else 1


def catalogue(word: str) -> Iterator[bool]:
    """Whether each fault held, its line printed."""
    say(f"{'fault':<46} {'moment':<23} {'outcome':<24} {'seconds':>7}  left behind")
    faults = [*without_engine_faults(), *signal_faults(), *verdict_faults(), *other_faults()]
    yield from several_at_a_time([fault for fault in faults if word in fault.line])
    if not can_have_one():
        say("not root, or no dockerd: the faults of the engine and the orphans were NOT TRIED")
        return
    yield from (tried(fault) for fault in elsewhere_faults() if word in fault.line)
    # They are made before there is an engine, to see whether there need be one.
    with closing(SecondEngine()) as engine:
        chosen = [fault for fault in [*orphan_faults(engine), *engine_faults(engine)] if word in fault.line]
        if chosen:
            engine.start()
            engine.load_image()
            yield from (tried(fault) for fault in chosen)


def several_at_a_time(faults: Iterable[Fault]) -> Iterator[bool]:
    with ThreadPoolExecutor(_WORKERS) as pool:
        yield from pool.map(tried, faults)


def tried(fault: Fault) -> bool:
    began = time.monotonic()
    try:
        outcome = fault.check()
    except Exception as error:  # noqa: BLE001  (one broken fault must not hide the others)
        outcome = RequestResult("?", time.monotonic() - began, wrong=[f"{type(error).__name__}: {error}"])
    held = not outcome.wrong and not outcome.left
    name = f"{fault.group}: {fault.name}"
    line = f"{name:<46} {fault.moment:<23} {outcome.got:<24} {outcome.seconds:7.1f}  {outcome.left}"
    with _lock:
        say(line)
        if not held:
            say(f"    DID NOT HOLD: {'; '.join(outcome.wrong) or 'something was left behind'}")
    return held


def say(text: str) -> None:
    print(text, flush=True)


# The storm


@dataclass(frozen=True)
class Shot:
    """One signal at one moment, in medians of a whole run. ``code``: the exit code that is right; 0 is right too, if
    the verdict was out already."""

    kind: str
    signum: int
    moment: float
    group: bool
    code: int


@dataclass(frozen=True)
class Hit:
    """What came of it."""

    shot: Shot
    stage: str
    exit_code: int | None
    seconds_to_end: float
    seconds_to_nothing: float
    left: Left
    trouble: str


class SendOptions:
    """How long an undisturbed run takes at present, as many at a time as in the storm: the machine is not ours alone,
    so it is measured again and again."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_MEASURED)
        with ThreadPoolExecutor(_WORKERS) as pool:
            self._seconds.extend(pool.map(lambda _: _undisturbed(), range(_MEASURED)))

    @property
    def median(self) -> float:
        return statistics.median(list(self._seconds))

    def measure(self) -> None:
        self._seconds.append(_undisturbed())


def storm(number: int, seed: int) -> bool:
    """``number`` of each kind; True when nothing was left and every exit code was right."""
    watch = time.monotonic()
    pace, shots = SendOptions(), planned(number, seed)
    say(
        f"signal storm: {len(shots)} runs, {_WORKERS} at a time, seed {seed}, at 0 to {_UNTIL} of the median run"
        f" (at first {pace.median:.2f} s)"
    )
    lock = threading.Lock()
    hits: list[Hit] = []

    def shoot(numbered: tuple[int, Shot]) -> None:
        index, shot = numbered
        if index % _MEASURE_EVERY == 0:
            pace.measure()
        hit = fire(shot, shot.moment * pace.median)
        with lock:
            hits.append(hit)
            if hit.trouble:
                say(f"  DID NOT HOLD  {shot.kind} at {shot.moment:.3f}, {hit.stage}: {hit.trouble}")
            if len(hits) % 50 == 0:
                say(f"  {len(hits)} of {len(shots)}, {time.monotonic() - watch:.0f} s, median {pace.median:.2f} s")

    with ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(shoot, enumerate(shots)))
    for kind in dict.fromkeys(shot.kind for shot in shots):
        say(_summary(kind, [hit for hit in hits if hit.shot.kind == kind]))
    stages = Counter(hit.stage for hit in hits)
    say("  the signal came " + ", ".join(f"{stage} {stages[stage]}" for stage in _STAGES if stages[stage]))
    left = sum(bool(hit.left) for hit in hits)
    wrong = sum(bool(hit.trouble) and not hit.left for hit in hits)
    say(f"left behind: {left} of {len(hits)}")
    say(f"ended otherwise than designed: {wrong} of {len(hits)} (seed {seed}, {time.monotonic() - watch:.0f} s)")
    return not left and not wrong


def planned(number: int, seed: int) -> list[Shot]:
    dice = random.Random(seed)
    kinds = (
        ("SIGTERM", signal.SIGTERM, False, 143),
        ("SIGINT", signal.SIGINT, False, 130),
        ("SIGKILL", signal.SIGKILL, False, 137),
        ("SIGKILL of the group", signal.SIGKILL, True, 137),
    )
    shots = [
        Shot(kind, signum, dice.uniform(0, _UNTIL), group, code)
        for kind, signum, group, code in kinds
        for _ in range(number)
    ]
    dice.shuffle(shots)
    return shots


def fire(shot: Shot, seconds: float) -> Hit:
    """Start a run, signal it after that time, and look what came of it."""
    run = _start()
    try:
        time.sleep(max(0.0, seconds - (time.monotonic() - run.started)))
        stage = _stage(run)
        sent = time.monotonic()
        run.send(shot.signum, shot.group)
        try:
            run.wait(_END_S)
        except Missed as error:
            return Hit(shot, stage, None, _END_S, 0.0, run.left(), f"{error}; left {run.left()}\n{run.stderr[-4000:]}")
        to_end = time.monotonic() - sent
        left = run.wait_for_nothing()
        to_nothing = time.monotonic() - sent
        trouble = f"left {left}" if left else ""
        if left:
            later = run.wait_for_nothing(_PATIENCE_S)
            trouble += f" (after {time.monotonic() - sent:.0f} s: {later})"
        is_over = run.exit_code == 0 and "BLESSED" in run.stderr
        if _is_pythons_own(run):
            stage = _NO_PYTHON_YET
        elif run.exit_code != shot.code and not is_over:
            words = " / ".join(run.stderr.splitlines()[-4:])
            trouble = f"{trouble} exit code {run.exit_code}: {words}".strip()
        return Hit(shot, stage, run.exit_code, to_end, to_nothing, left, trouble)
    finally:
        run.clean()


def _is_pythons_own(run: Run) -> bool:
    """A Ctrl-C while Python itself starts ends it with 1, before the first line of ivdocker."""
    return run.exit_code == 1 and run.stderr.startswith("Fatal Python error") and "/ivdocker/" not in run.stderr


def _stage(run: Run) -> str:
    """Where it is, as far as it has said."""
    if run.ended:
        return _STAGES[-1]
    said = [stage for stage in ("start", "running", "load", "query", "stop") if completed(run, stage)]
    if not said and run.runs("run", "--detach"):
        return "in docker run"
    return f"after {said[-1]}" if said else "before docker run"


def _start() -> Run:
    return Run(HERE, ["validate", MODEL, f"--image={IMAGE}", f"--requests={REQUESTS}"])


def _undisturbed() -> float:
    run = _start()
    try:
        run.wait(60)
        if run.exit_code != 0:
            raise SystemExit(f"an undisturbed run gave exit code {run.exit_code}: {run.stderr}")
        return run.seconds
    finally:
        run.clean()


def _summary(kind: str, hits: list[Hit]) -> str:
    codes = Counter(hit.exit_code for hit in hits)
    seen = ", ".join(f"{count} x {code}" for code, count in sorted(codes.items(), key=str))
    ends = sorted(hit.seconds_to_end for hit in hits if hit.stage != _STAGES[-1]) or [0.0]
    gone = sorted(hit.seconds_to_nothing for hit in hits)
    held = sum(not hit.trouble for hit in hits)
    return (
        f"  {kind:<21} {held} of {len(hits)} held; exit codes {seen}; ended after median"
        f" {statistics.median(ends):.2f} s, at most {ends[-1]:.2f} s; all gone at most {gone[-1]:.1f} s"
    )


if __name__ == "__main__":
    raise SystemExit(main())
