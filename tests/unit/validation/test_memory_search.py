"""The search for the smallest memory limit ends, whatever the model takes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ivdocker.container.options import RunOptions
from ivdocker.errors import Failure
from ivdocker.report.observer import Observer
from ivdocker.report.verdict import RunReport
from ivdocker.validation import memory_search
from ivdocker.validation.plan import Job

MIB = 1 << 20


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Search for a model that takes so many bytes, and return what was found and the limits that were tried."""

    def find(needed: int, peak: int | None) -> tuple[int | None, list[int]]:
        def run_one(job: Any, _binary: Any) -> RunReport:
            run = RunReport("image", "http")
            if int(job.options.memory.rstrip("b")) < needed:
                run.failure = Failure("out-of-memory", "the server ran out of memory")
            return run

        monkeypatch.setattr(memory_search, "run_one", run_one)
        nothing: Any = [None] * len(Job._fields)
        job = Job._make(nothing)._replace(options=RunOptions(), observer=Observer())
        report = RunReport("image", "http")
        report.resources = SimpleNamespace(peak_memory_bytes=peak)  # type: ignore[assignment]
        memory_search.find_memory(job, SimpleNamespace(image="image"), report)  # type: ignore[arg-type]
        assert report.memory_search is not None
        return report.memory_search.smallest_bytes, [each.limit_bytes for each in report.memory_search.tries]

    return find


@pytest.mark.parametrize("needed", [1, 8 * MIB, 9 * MIB, 100 * MIB, 5000 * MIB])
@pytest.mark.parametrize("peak", [None, MIB, 80 * MIB, 40_000 * MIB])
def test_the_limit_is_found_to_5_percent_or_4_mib(search: Any, needed: int, peak: int | None) -> None:
    found, tried = search(needed, peak)
    assert needed <= found <= max(needed * 1.06, needed + 5 * MIB, 8 * MIB)
    assert len(tried) == len(set(tried)) < 25
