"""A server made with the real KServe package, on the real engine."""

from __future__ import annotations

from pathlib import Path

import pytest

import ivdocker
from tests.conftest import Cli
from tests.integration.servers import EXAMPLES, blessed_run, failure_of, how_it_stopped, linear_model, requests_file

IMAGE = "ivdocker/kserve:0.21.0"
MODELS = EXAMPLES / "kserve"
REQUEST = {"instances": [[4.0, 1.0]]}

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("server_image")]


def test_the_example_is_blessed_with_right_answers_by_both_protocols(cli: Cli) -> None:
    run = blessed_run(cli, MODELS / "linear", IMAGE, "--requests", MODELS / "linear-requests.jsonl")
    assert run["server"] == "kserve"
    assert (run["requests"]["sent"], run["requests"]["failed"], run["requests"]["mismatched"]) == (2, 0, 0)
    assert set(run["endpoints"]) == {"http", "grpc"}


def test_an_exception_while_loading_is_told_in_its_words(cli: Cli) -> None:
    done = cli("validate", MODELS / "broken", "--image", IMAGE)
    assert done.returncode == 1
    assert "NOT BLESSED  broken" in done.stderr
    assert "KeyError: 'bias'" in done.stderr


def test_a_missing_file_is_told_with_its_name(tmp_path: Path) -> None:
    model = linear_model(tmp_path / "empty")
    (model / "weights.json").unlink()
    failure = failure_of(model, IMAGE)
    assert failure.code == "model-load-failed"
    assert "/mnt/models/weights.json" in failure.message
    assert failure.exit_code == 1


def test_a_model_that_does_not_say_that_it_is_ready_is_told(tmp_path: Path) -> None:
    failure = failure_of(linear_model(tmp_path / "unready", ready=False), IMAGE)
    assert failure.code == "model-load-failed"
    assert "no model that is ready" in failure.message


def test_a_model_that_loads_slowly_is_asked_only_when_it_is_ready(tmp_path: Path) -> None:
    model = linear_model(tmp_path / "slow", load_seconds=3)
    report = ivdocker.validate(model, images=[IMAGE], requests=requests_file(tmp_path, REQUEST), timeout_s=60)
    assert report.blessed, report.runs[0].failure


def test_a_model_that_never_loads_is_a_timeout_with_its_name(tmp_path: Path) -> None:
    failure = failure_of(linear_model(tmp_path / "stuck", load_seconds=3600), IMAGE, timeout_s=5)
    assert failure.code == "load-timeout"
    assert "'stuck' was not ready" in failure.message


def test_an_exception_while_predicting_fails_the_request_with_its_text(tmp_path: Path) -> None:
    requests = requests_file(tmp_path, REQUEST, {"instances": [[1.0, 2.0, 3.0]]})
    failure = failure_of(MODELS / "linear", IMAGE, requests=requests)
    assert failure.code == "request-failed"
    assert "requests.jsonl:2: HTTP 500" in failure.message
    assert "ValueError" in failure.message


def test_it_stops_at_the_first_signal(tmp_path: Path) -> None:
    signals, code = how_it_stopped(MODELS / "linear", IMAGE, tmp_path)
    assert signals == ["15"]
    assert code == "0"
