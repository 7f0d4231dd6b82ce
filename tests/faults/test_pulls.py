"""Pulling from a registry that refuses, stalls or drips."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import ModelFactory, wait_until
from tests.faults.conftest import Start
from tests.faults.registry import Behaviour, Registry
from tests.faults.run import AT_ONCE_S, Run, validate
from tests.faults.test_signals import SIGNALS, Sent

pytestmark = pytest.mark.faults


@contextmanager
def pulling(behaviour: Behaviour, start: Start, model: ModelFactory) -> Iterator[tuple[Run, Registry]]:
    with Registry(behaviour) as registry:
        yield start(*validate(model(), f"--image={registry.image}", "--server=tensorflow-serving")), registry


@pytest.mark.parametrize(
    ("behaviour", "outcome", "words"),
    [
        pytest.param("stall", "3 pull-stalled", "no progress", id="registry stalls (120 s)"),
        pytest.param(401, "3 registry-denied", "does not allow us to pull", id="registry answers 401"),
        pytest.param(403, "3 registry-denied", "does not allow us to pull", id="registry answers 403"),
        pytest.param(404, "3 image-not-found", "the image was not found", id="registry answers 404"),
        pytest.param(429, "3 registry-denied", "rate limit", id="registry answers 429"),
        pytest.param("429 as HTML", "3 registry-denied", "rate limit", id="registry answers 429 as HTML"),
    ],
)
def test_a_registry_that_refuses_is_no_verdict(
    behaviour: Behaviour, outcome: str, words: str, start: Start, model: ModelFactory
) -> None:
    with pulling(behaviour, start, model) as (run, _):
        run.assert_outcome(outcome, seconds=200)
        assert words in run.stderr


@pytest.mark.parametrize("sent", [pytest.param(sent, id=f"{sent.name}, pull (drips)") for sent in SIGNALS])
def test_a_signal_ends_the_pull_at_once_and_the_engines_too(sent: Sent, start: Start, model: ModelFactory) -> None:
    with pulling("drip", start, model) as (run, registry):
        run.wait_for_moment(lambda _: registry.dripping)
        run.send(*sent.signums, group=sent.group)
        assert run.exit_code() == sent.code, run.stderr
        run.assert_ended_within(AT_ONCE_S)
        wait_until(lambda: not registry.dripping, 15)
