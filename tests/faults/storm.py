"""A signal storm: runs that get a signal at a random moment, several at a time, and what is left of them."""

from __future__ import annotations

import random
import signal
import statistics
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import Engine
from tests.faults.run import MODEL, REQUESTS, Hung, Run, validate

_AT_A_TIME = 3
_MEASURED = 6
_MEASURE_EVERY = 12
_UNTIL = 1.3
_NO_PYTHON_YET = "before Python had started (exit code 1, its own)"
_TOO_LATE = "too late"
_END_S = 40.0
_PATIENCE_S = 60.0
"""Seconds in which we look on what was left too long: late, or for ever?"""


@dataclass(frozen=True)
class Shot:
    """One signal at one moment, in medians of a whole run. ``code``: the exit code that is right; 0 is right too, if
    the verdict was out already."""

    kind: str
    signum: signal.Signals
    group: bool
    code: int
    moment: float = 0.0


KINDS = (
    Shot("SIGTERM", signal.SIGTERM, False, 143),
    Shot("SIGINT", signal.SIGINT, False, 130),
    Shot("SIGKILL", signal.SIGKILL, False, 137),
    Shot("SIGKILL of the group", signal.SIGKILL, True, 137),
)


@dataclass(frozen=True)
class Hit:
    """What came of it."""

    shot: Shot
    stage: str
    exit_code: int | None
    seconds_to_end: float
    seconds_to_nothing: float = 0.0
    left: list[str] = field(default_factory=list)
    trouble: str = ""

    def __str__(self) -> str:
        return f"{self.shot.kind} at {self.shot.moment:.3f}, {self.stage}: {self.trouble}"


class Storm:
    """``number`` signals of each kind, the moments by ``seed``; ``say`` gets a line now and then, at last figures."""

    def __init__(self, engine: Engine, folder: Path, number: int, seed: int, say: Callable[[str], None]) -> None:
        self._engine, self._folder, self._say = engine, folder, say
        self._shots, self._seed = _planned(number, seed), seed
        self._lock = threading.Lock()
        self._runs = 0
        self._undisturbed: deque[float] = deque(maxlen=_MEASURED)
        """Seconds of runs without a signal: the machine is not ours alone, so they are measured again and again."""
        self.hits: list[Hit] = []

    def rage(self) -> None:
        began = time.monotonic()
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            list(pool.map(lambda _: self._measure(), range(_MEASURED)))
            self._say(
                f"signal storm: {len(self._shots)} runs, {_AT_A_TIME} at a time, seed {self._seed},"
                f" at 0 to {_UNTIL} of the median run (at first {self._median():.2f} s)"
            )
            list(pool.map(self._shoot, range(len(self._shots))))
        for line in _figures(self.hits):
            self._say(line)
        self._say(f"seed {self._seed}, {time.monotonic() - began:.0f} s")

    @property
    def trouble(self) -> list[str]:
        return [str(hit) for hit in self.hits if hit.trouble]

    def _median(self) -> float:
        return statistics.median(list(self._undisturbed))

    def _measure(self) -> None:
        with self._run() as run:
            assert run.exit_code() == 0, run.stderr
            self._undisturbed.append(run.seconds)

    def _shoot(self, index: int) -> None:
        if index % _MEASURE_EVERY == 0:
            self._measure()
        hit = self._fire(self._shots[index])
        with self._lock:
            self.hits.append(hit)
            if hit.trouble:
                self._say(f"  DID NOT HOLD  {hit}")
            if len(self.hits) % 50 == 0:
                self._say(f"  {len(self.hits)} of {len(self._shots)}, median {self._median():.2f} s")

    def _fire(self, shot: Shot) -> Hit:
        """Start a run, signal it at that moment, and look what came of it."""
        with self._run() as run:
            time.sleep(max(0.0, shot.moment * self._median() - (time.monotonic() - run.since)))
            stage = _stage(run)
            run.send(shot.signum, group=shot.group)
            try:
                code = run.exit_code(_END_S)
            except Hung as error:
                return Hit(shot, stage, None, _END_S, left=run.traces(), trouble=str(error))
            left = run.left()
            to_nothing = time.monotonic() - run.since
            if code == 1 and _is_pythons_own(run.stderr):
                return Hit(shot, _NO_PYTHON_YET, code, run.seconds, to_nothing, left, _what_stays(run, left))
            trouble = _what_stays(run, left) or _wrong_end(run, code, shot)
            return Hit(shot, stage, code, run.seconds, to_nothing, left, trouble)

    @contextmanager
    def _run(self) -> Iterator[Run]:
        with self._lock:
            self._runs += 1
            folder = self._folder / f"run-{self._runs}"
        folder.mkdir()
        run = Run(folder, self._engine, validate(MODEL, REQUESTS), {})
        try:
            yield run
        finally:
            run.end()


def _planned(number: int, seed: int) -> list[Shot]:
    dice = random.Random(seed)
    shots = [
        Shot(kind.kind, kind.signum, kind.group, kind.code, dice.uniform(0, _UNTIL))
        for kind in KINDS
        for _ in range(number)
    ]
    dice.shuffle(shots)
    return shots


def _stage(run: Run) -> str:
    """Where it is, as far as it has said."""
    if run.has_ended:
        return _TOO_LATE
    done = [stage for stage in ("start", "running", "load", "query", "stop") if run.has_done(stage)]
    if not done and run.helpers("run --detach"):
        return "in docker run"
    return f"after {done[-1]}" if done else "before docker run"


def _is_pythons_own(stderr: str) -> bool:
    """A Ctrl-C while Python itself starts ends it with 1, before the first line of ivdocker."""
    return stderr.startswith("Fatal Python error") and "/ivdocker/" not in stderr


def _what_stays(run: Run, left: list[str]) -> str:
    if not left:
        return ""
    return f"left {left} (after {_PATIENCE_S:.0f} s more: {run.left(_PATIENCE_S)})"


def _wrong_end(run: Run, code: int, shot: Shot) -> str:
    is_over = code == 0 and "BLESSED" in run.stderr
    words = " / ".join(run.stderr.splitlines()[-4:])
    return "" if is_over or code == shot.code else f"exit code {code}: {words}"


def _figures(hits: list[Hit]) -> Iterator[str]:
    for kind in KINDS:
        yield _summary(kind.kind, [hit for hit in hits if hit.shot.kind == kind.kind])
    stages = Counter(hit.stage for hit in hits)
    yield "  the signal came " + ", ".join(f"{stage} {number}" for stage, number in stages.most_common())
    yield f"left behind: {sum(bool(hit.left) for hit in hits)} of {len(hits)}"
    wrong = sum(bool(hit.trouble) and not hit.left for hit in hits)
    yield f"ended otherwise than designed: {wrong} of {len(hits)}"


def _summary(kind: str, hits: list[Hit]) -> str:
    codes = Counter(hit.exit_code for hit in hits)
    seen = ", ".join(f"{count} x {code}" for code, count in sorted(codes.items(), key=str))
    ends = sorted(hit.seconds_to_end for hit in hits if hit.stage != _TOO_LATE) or [0.0]
    gone = max(hit.seconds_to_nothing for hit in hits)
    held = sum(not hit.trouble for hit in hits)
    return (
        f"  {kind:<21} {held} of {len(hits)} held; exit codes {seen}; ended after median"
        f" {statistics.median(ends):.2f} s, at most {ends[-1]:.2f} s; all gone at most {gone:.1f} s"
    )
