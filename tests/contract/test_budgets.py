"""What a run took is measured on every engine, and a budget that it exceeds is a verdict."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ivdocker import Budgets, Checks, validate
from tests.conftest import Cli, Engine, ModelFactory

MEGABYTE = 1 << 20


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    file = tmp_path / "requests.jsonl"
    line = '{"request": {"instances": [1.0]}, "expect": {"predictions": [2.5]}}\n'
    file.write_text(line * 10)
    return file


def test_every_report_has_the_figures(engine: Engine, model: ModelFactory, requests: Path) -> None:
    slow = model(request_seconds=0.05)
    run = validate(slow, images=[engine.image], requests=requests, checks=Checks(repeat=3, concurrency=2)).runs[0]
    assert run.failure is None
    assert run.requests.sent == 30
    assert run.requests.error_rate == 0
    assert run.requests.first_ms is not None
    assert run.requests.first_ms >= 50
    assert run.requests.p50_ms is not None
    assert run.requests.p99_ms is not None
    assert 50 <= run.requests.p50_ms <= run.requests.p99_ms
    assert run.load_seconds is not None
    assert run.log_errors == 0
    assert run.resources.peak_memory_bytes is not None
    assert run.resources.peak_memory_bytes > MEGABYTE


@pytest.mark.parametrize(
    ("budgets", "words"),
    [
        (Budgets(load_seconds=0.001), "loading took"),
        (Budgets(p95_ms=0.001), "the p95 latency was"),
        (Budgets(memory_bytes=MEGABYTE), "peak memory was"),
    ],
)
def test_a_run_that_exceeds_a_budget_is_not_blessed(
    budgets: Budgets, words: str, engine: Engine, model: ModelFactory, requests: Path
) -> None:
    report = validate(model(), images=[engine.image], requests=requests, budgets=budgets)
    assert report.verdict == "not_blessed"
    failure = report.runs[0].failure
    assert failure is not None
    assert failure.code == "budget-exceeded"
    assert failure.message.startswith(words)
    assert failure.log_tail == (), "the log tells nothing of it"


def test_wrong_answers_within_the_error_rate_are_borne(engine: Engine, model: ModelFactory, requests: Path) -> None:
    flaky = model(flaky=True)
    borne = validate(flaky, images=[engine.image], requests=requests, budgets=Budgets(error_rate=0.6))
    assert borne.blessed
    assert borne.runs[0].requests.mismatched == 5
    too_many = validate(flaky, images=[engine.image], requests=requests, budgets=Budgets(error_rate=0.4))
    assert too_many.runs[0].failure is not None
    assert too_many.runs[0].failure.message == "the error rate was 0.5, at most 0.4 was allowed"


def test_an_error_in_the_log_of_a_server_that_is_ready_at_once_counts(
    engine: Engine, model: ModelFactory, requests: Path
) -> None:
    failing = model(log_errors=2)
    report = validate(failing, images=[engine.image], requests=requests, budgets=Budgets(log_errors=1))
    assert report.runs[0].failure is not None
    assert report.runs[0].failure.message == "errors in the server's log: 2, at most 1 was allowed"
    assert validate(failing, images=[engine.image], budgets=Budgets(log_errors=2)).blessed
    known = Budgets(log_errors=0, ignore_log_errors=["no reason to stop"])
    assert validate(failing, images=[engine.image], budgets=known).blessed
    told = report.runs[0].failure
    assert told is not None
    assert len(told.log_tail) == 2
    assert all("something that is no reason to stop" in line for line in told.log_tail)


def test_budgets_on_the_command_line(cli: Cli, engine: Engine, model: ModelFactory, requests: Path) -> None:
    budgets = ["--max-p99-ms=60000", "--max-memory=1m", "--max-log-errors=0"]
    done = cli("validate", model(), f"--image={engine.image}", f"--requests={requests}", *budgets, "--json=-")
    assert done.returncode == 1
    (run,) = json.loads(done.stdout)["runs"]
    assert run["failure"]["code"] == "budget-exceeded"
    assert run["failure"]["message"].startswith("peak memory was ")
    assert run["resources"]["peak_memory_bytes"] > MEGABYTE
    assert run["requests"]["error_rate"] == 0
    assert "measured" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-p95-ms=10"], "without requests to send"),
        (["--max-memory=lots"], "'lots' is not a size"),
        (["--max-load-seconds=-1"], "at least 0"),
        (["--repeat=0"], "repeat must be at least 1"),
        (["--concurrency=0"], "concurrency must be at least 1"),
    ],
)
def test_budgets_that_cannot_be_are_one_line(
    arguments: list[str], words: str, cli: Cli, engine: Engine, model: ModelFactory
) -> None:
    done = cli("validate", model(), f"--image={engine.image}", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_load_that_has_used_its_budget_up_is_not_waited_for(engine: Engine, model: ModelFactory) -> None:
    report = validate(model(load_seconds=600), images=[engine.image], budgets=Budgets(load_seconds=1), timeout_s=500)
    (run,) = report.runs
    assert report.verdict == "not_blessed"
    assert run.failure is not None
    assert run.failure.code == "budget-exceeded"
    assert run.failure.message.startswith("loading took more than 1 s, which was allowed (model ")
    assert report.seconds < 100
