"""Signals at random moments of a whole run: ``--storm N`` of each kind, ``--seed N`` for the same moments again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.conftest import Engine
from tests.faults.storm import Storm

pytestmark = pytest.mark.faults


def test_a_storm_of_signals_leaves_nothing(
    engine: Engine, tmp_path: Path, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    number, seed = pytestconfig.getoption("--storm"), pytestconfig.getoption("--seed")
    if not number:
        pytest.skip("--storm 0")

    def say(text: str) -> None:
        with capsys.disabled():
            print(text, flush=True)

    say("")
    storm = Storm(engine, tmp_path, number, random.randrange(10**6) if seed is None else seed, say)
    storm.rage()
    assert len(storm.hits) == 4 * number
    assert storm.trouble == []
