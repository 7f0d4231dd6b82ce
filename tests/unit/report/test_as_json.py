"""The report for machines."""

from __future__ import annotations

import json

import pytest

from ivdocker.errors import Failure
from ivdocker.report.as_json import as_dict, as_json
from ivdocker.report.verdict import Report
from tests.unit.report.samples import FAILURE, report


def test_the_json_report_has_the_keys_of_its_schema() -> None:
    record = json.loads(as_json(report(FAILURE)))
    assert record["schema"] == "ivdocker/report/v1"
    assert {"schema", "verdict", "model", "engine", "seconds", "runs"} <= set(record)
    (run,) = record["runs"]
    assert {
        "image", "image_id", "server", "verdict", "attempts", "stages", "endpoints", "requests", "failure"
    } <= set(run)  # fmt: skip
    assert {"sent", "failed", "mismatched", "p50_ms", "p95_ms", "p99_ms"} <= set(run["requests"])
    assert {
        "code", "message", "hint", "stage", "exit_code", "signal", "oom_killed", "log_tail", "command"
    } <= set(run["failure"])  # fmt: skip
    assert {"name", "client", "server", "api", "platform"} <= set(record["engine"])


def test_the_json_report_has_its_values() -> None:
    record = as_dict(report(FAILURE))
    assert (record["verdict"], record["model"], record["seconds"]) == ("not_blessed", "/models/m", 2.123)
    run = record["runs"][0]
    assert (run["verdict"], run["image"], run["server"], run["attempts"]) == ("not_blessed", "image:1", "triton", 1)
    assert run["stages"] == {"start": 0.28, "running": 0.01, "load": 1.5, "stop": 0.18}
    assert run["endpoints"] == {"http": "127.0.0.1:1"}
    assert run["failure"]["code"] == "model-load-failed"
    assert list(run["failure"]["log_tail"]) == ["one", "two"]


def test_the_json_report_of_a_blessing_has_no_failure() -> None:
    record = json.loads(as_json(report(None)))
    assert record["verdict"] == record["runs"][0]["verdict"] == "blessed"
    assert record["runs"][0]["failure"] is None


def test_the_json_report_without_an_engine_says_null() -> None:
    assert json.loads(as_json(Report("/m", 1.0, [])))["engine"] is None


@pytest.mark.parametrize("text", ["ü 模型 🙂", 'a "quote"', "half \ud83d a character", "bell \a"])
def test_the_json_report_can_be_written_whatever_a_server_said(text: str) -> None:
    written = as_json(report(Failure("request-failed", text))).encode()
    assert json.loads(written)["runs"][0]["failure"]["message"] == text
