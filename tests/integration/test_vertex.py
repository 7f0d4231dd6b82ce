"""Google's real server for custom prediction routines on Vertex AI, on the real engine."""

from __future__ import annotations

from pathlib import Path

import pytest

import ivdocker
from ivdocker.container.options import RunOptions
from tests.conftest import Cli
from tests.integration.servers import EXAMPLES, blessed_run, failure_of, how_it_stopped, linear_model, requests_file

IMAGE = "ivdocker/vertex:2.7.0"
MODELS = EXAMPLES / "vertex"
REQUEST = {"instances": [[4.0, 1.0]]}

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("server_image")]


def test_the_example_is_blessed_with_right_answers_and_known_by_what_the_image_runs(cli: Cli) -> None:
    run = blessed_run(cli, MODELS / "linear", IMAGE, "--requests", MODELS / "linear-requests.jsonl")
    assert run["server"] == "vertex"
    assert run["server_reason"] == "the image runs 'google.cloud.aiplatform.prediction'"
    assert (run["requests"]["sent"], run["requests"]["failed"], run["requests"]["mismatched"]) == (1, 0, 0)


def test_an_exception_while_loading_is_told_in_its_words(cli: Cli) -> None:
    done = cli("validate", MODELS / "broken", "--image", IMAGE, timeout=60)
    assert done.returncode == 1
    assert "NOT BLESSED  broken" in done.stderr
    assert "(exit code 1); its last log line: KeyError: 'bias'" in done.stderr


def test_an_exception_of_processes_that_are_started_again_for_ever_is_told_in_its_words() -> None:
    options = RunOptions(env={"VERTEX_CPR_WEB_CONCURRENCY": "2"})
    failure = failure_of(MODELS / "broken", IMAGE, options=options)
    assert failure.code == "model-load-failed"
    assert "restarted endlessly: KeyError: 'bias'" in failure.message


def test_a_missing_file_is_told_with_its_name(tmp_path: Path) -> None:
    model = linear_model(tmp_path / "empty")
    (model / "weights.json").unlink()
    failure = failure_of(model, IMAGE)
    assert failure.code == "container-exited"
    assert "No such file or directory: 'weights.json'" in failure.message


def test_a_model_that_loads_slowly_is_asked_only_when_it_is_ready(tmp_path: Path) -> None:
    model = linear_model(tmp_path / "slow", load_seconds=3)
    report = ivdocker.validate(model, images=[IMAGE], requests=requests_file(tmp_path, REQUEST), timeout_s=60)
    assert report.blessed, report.runs[0].failure


def test_an_exception_while_predicting_fails_the_request_with_its_text(tmp_path: Path) -> None:
    requests = requests_file(tmp_path, REQUEST, {"rows": [[1.0, 2.0]]})
    failure = failure_of(MODELS / "linear", IMAGE, requests=requests)
    assert failure.code == "request-failed"
    assert "requests.jsonl:2: HTTP 500" in failure.message
    assert "KeyError" in failure.message


def test_it_stops_at_the_first_signal(tmp_path: Path) -> None:
    signals, code = how_it_stopped(MODELS / "linear", IMAGE, tmp_path)
    assert signals == ["15"]
    assert code == "143", "uvicorn raises the signal anew once it has shut down"
