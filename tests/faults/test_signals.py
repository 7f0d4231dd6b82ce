"""Every signal at each stage of a run: the exit code is the signal's, at once, and nothing is left."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from typing import NamedTuple

import pytest

from tests.conftest import ModelFactory
from tests.fakes.verbs import IMAGE
from tests.faults.conftest import Start
from tests.faults.run import AT_ONCE_S, REQUESTS, Run, validate

pytestmark = pytest.mark.faults

_GRACE_S = 10.0


class Stage(NamedTuple):
    """A moment of a run, and the server whose fault makes it last."""

    name: str
    has_come: Callable[[Run], object]
    standin: Mapping[str, object]
    args: tuple[str, ...] = ()
    at_most_s: float = AT_ONCE_S


class Sent(NamedTuple):
    """What is sent, to the process or to its group, and the exit code that comes of it."""

    name: str
    signums: tuple[signal.Signals, ...]
    group: bool
    code: int


SLOW = {"load_seconds": 30}
LOAD = Stage("load (slow)", lambda run: run.has_done("running"), SLOW)
STOP = Stage(
    "stop (SIGTERM ignored)",
    lambda run: run.helpers("docker stop"),
    {"ignore_sigterm": True},
    at_most_s=_GRACE_S + AT_ONCE_S,
)
STAGES = (
    Stage("start (docker run)", lambda run: run.helpers("run --detach"), SLOW),
    Stage("running", lambda run: run.has_done("start"), SLOW),
    LOAD,
    Stage("query (hangs)", lambda run: run.has_done("load"), {"hang_requests": True}, (REQUESTS,)),
    STOP,
    Stage(
        "three images, --jobs 2",
        lambda run: len(run.containers()) == 2,
        SLOW,
        (f"--image={IMAGE}", f"--image={IMAGE}", f"--image={IMAGE}", "--jobs=2"),
    ),
)
SIGNALS = (
    Sent("SIGTERM", (signal.SIGTERM,), False, 143),
    Sent("SIGINT", (signal.SIGINT,), False, 130),
    Sent("SIGHUP", (signal.SIGHUP,), False, 129),
    Sent("SIGKILL", (signal.SIGKILL,), False, 137),
    Sent("SIGKILL of the group", (signal.SIGKILL,), True, 137),
)
SEVERAL = (
    (Sent("SIGTERM twice", (signal.SIGTERM,) * 2, False, 143), STOP._replace(at_most_s=AT_ONCE_S)),
    (Sent("SIGINT twice", (signal.SIGINT,) * 2, False, 130), STOP._replace(at_most_s=AT_ONCE_S)),
    (Sent("SIGTERM, then SIGKILL", (signal.SIGTERM, signal.SIGKILL), False, 137), STOP._replace(at_most_s=AT_ONCE_S)),
    (Sent("SIGTERM five times", (signal.SIGTERM,) * 5, False, 143), LOAD),
)
CASES = [*((sent, stage) for stage in STAGES for sent in SIGNALS), *SEVERAL]


@pytest.mark.parametrize(
    ("sent", "stage"), [pytest.param(*case, id=f"{case[0].name}, {case[1].name}") for case in CASES]
)
def test_a_signal_ends_the_run_at_once_and_leaves_nothing(
    sent: Sent, stage: Stage, start: Start, model: ModelFactory
) -> None:
    run = start(*validate(model(**stage.standin), *stage.args))
    run.wait_for_moment(stage.has_come)
    run.send(*sent.signums, group=sent.group)
    assert run.exit_code() == sent.code, run.stderr
    run.assert_ended_within(stage.at_most_s)
