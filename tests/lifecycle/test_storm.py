"""A small signal storm; scripts/faults has the large one, and the catalogue of faults."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Engine
from tests.faults.storm import Storm
from tests.lifecycle.conftest import REAL

pytestmark = REAL

_OF_EACH = 6
_SEED = 20


def test_signals_at_random_moments_leave_nothing(engine: Engine, tmp_path: Path) -> None:
    """SIGTERM, SIGINT, SIGKILL, SIGKILL of the group, at random moments of the whole run."""
    storm = Storm(engine, tmp_path, _OF_EACH, _SEED, print)
    storm.rage()
    assert len(storm.hits) == 4 * _OF_EACH
    assert storm.trouble == []
    assert engine.containers() == []
