"""The catalogue of faults: ``-m faults`` asks for it, and scripts/faults does so on an installed wheel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from tests.conftest import Engine, require_engine
from tests.fakes.verbs import IMAGE
from tests.faults.run import Run
from tests.faults.second_engine import SecondEngine, why_none
from tests.lifecycle.conftest import one_request

__all__ = ["one_request"]

_STORM = 6
_ROW = "{:<62} {:<24} {:>7}  {}"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--only", default="", metavar="WORD", help="the faults whose name holds WORD")
    group.addoption("--storm", type=int, default=_STORM, metavar="N", help=f"each signal N times (default {_STORM})")
    group.addoption("--seed", type=int, default=None, metavar="N", help="of the storm (default: random)")


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """They take long, and what they do to a machine is rough: only ``-m faults`` has them."""
    return None if "faults" in config.option.markexpr else True


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    word = config.getoption("--only", default="")
    other = [item for item in items if item.get_closest_marker("faults") and word not in name_of(item.nodeid)]
    items[:] = [item for item in items if item not in other]
    config.hook.pytest_deselected(items=other)


def name_of(nodeid: str) -> str:
    """``signals: SIGTERM, load`` of ``tests/faults/test_signals.py::test_a_signal[SIGTERM, load]``."""
    file, _, test = nodeid.partition("@")[0].partition("::")
    words = test.partition("[")[2].removesuffix("]") or test.removeprefix("test_").replace("_", " ")
    return f"{Path(file).stem.removeprefix('test_')}: {words}"


# What came of them


class Row(NamedTuple):
    outcome: str
    seconds: float
    left: str


_rows: dict[str, Row] = {}
_trouble: set[str] = set()
_not_tried: set[str] = set()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for key, value in report.user_properties:
        if key == "fault":
            _rows[report.nodeid] = Row(*value)  # type: ignore[misc]
    if report.failed:
        _trouble.add(report.nodeid)
    if report.skipped:
        _not_tried.add(report.nodeid)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line for each fault, and how many held."""
    if not _rows:
        return
    write = terminalreporter.write_line
    write(_ROW.format("fault", "outcome", "seconds", "left behind"))
    for nodeid, row in sorted(_rows.items()):
        write(_ROW.format(name_of(nodeid), row.outcome, f"{row.seconds:.1f}", row.left))
    for nodeid in sorted(_trouble):
        write(f"DID NOT HOLD: {name_of(nodeid)}")
    tried = _rows.keys() | _trouble
    write(f"{len(tried - _trouble)} of {len(tried)} held" + f", {len(_not_tried)} not tried" * bool(_not_tried))


# What they work with


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """The real one, with nothing before it."""
    require_engine()
    return Engine("docker", IMAGE, tmp_path)


@pytest.fixture(scope="session")
def second_engine() -> Iterator[SecondEngine]:
    """An engine of our own, to be frozen and killed; it runs when a test begins and when it ends."""
    if trouble := why_none():
        pytest.skip(trouble)
    with SecondEngine() as made:
        made.start()
        made.load_image()
        yield made


class Start(Protocol):
    def __call__(
        self, *args: str | Path, on: Engine | None = None, env: Mapping[str, str] | None = None, host: str | None = None
    ) -> Run: ...


@pytest.fixture
def start(engine: Engine, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Starts ivdocker and does not wait; nothing may be left of it after the test. The first makes the table's row."""
    made: list[Run] = []

    def begin(
        *args: str | Path, on: Engine | None = None, env: Mapping[str, str] | None = None, host: str | None = None
    ) -> Run:
        made.append(Run(tmp_path_factory.mktemp("run"), on or engine, args, env or {}, host))
        return made[-1]

    yield begin
    left = [trace for run in made if run.has_ended for trace in run.left()]
    if made and made[0].has_ended:
        row = (made[0].outcome(), made[0].seconds, ", ".join(left) or "nothing")
        request.node.user_properties.append(("fault", row))
    for run in made:
        run.end()
    assert not left, f"left behind: {left}"
