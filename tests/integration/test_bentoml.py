"""The real BentoML, on the real engine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import ivdocker
from tests.conftest import Cli
from tests.integration.servers import EXAMPLES, blessed_run, failure_of, how_it_stopped, requests_file

IMAGE = "ivdocker/bentoml:1.4.39"
MODELS = EXAMPLES / "bentoml"
REQUEST = {"a": 4.0, "b": 1.0}

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("server_image")]


def copy(folder: Path, old: str, new: str) -> Path:
    """The example with a change in its code."""
    shutil.copytree(MODELS / "linear", folder)
    code = folder / "service.py"
    text = code.read_text()
    assert old in text
    code.write_text(text.replace(old, new, 1))
    return folder


def test_the_example_is_blessed_with_right_answers(cli: Cli) -> None:
    run = blessed_run(cli, MODELS / "linear", IMAGE, "--requests", MODELS / "linear-requests.jsonl")
    assert run["server"] == "bentoml"
    assert (run["requests"]["sent"], run["requests"]["failed"], run["requests"]["mismatched"]) == (2, 0, 0)
    assert set(run["endpoints"]) == {"http"}


def test_made_up_requests_are_answered(cli: Cli) -> None:
    run = blessed_run(cli, MODELS / "linear", IMAGE, "--synthesize", "5")
    assert (run["requests"]["sent"], run["requests"]["failed"]) == (5, 0)


def test_a_missing_file_is_told_with_its_name_though_bentoml_tries_for_ever(cli: Cli) -> None:
    done = cli("validate", MODELS / "broken", "--image", IMAGE)
    assert done.returncode == 1
    assert "NOT BLESSED  broken" in done.stderr
    assert "model-load-failed" in done.stderr
    assert "cannot find the file /models/broken/weights.json" in done.stderr


def test_a_module_that_the_image_does_not_have_is_named(tmp_path: Path) -> None:
    failure = failure_of(copy(tmp_path / "forest", "import bentoml", "import bentoml\nimport sklearn"), IMAGE)
    assert failure.code == "model-load-failed"
    assert "'sklearn'" in failure.message


def test_a_service_that_starts_slowly_is_asked_only_when_it_is_ready(tmp_path: Path) -> None:
    model = copy(tmp_path / "slow", "        model =", "        __import__('time').sleep(3)\n        model =")
    report = ivdocker.validate(model, images=[IMAGE], requests=requests_file(tmp_path, REQUEST), timeout_s=60)
    assert report.blessed, report.runs[0].failure


def test_a_request_that_the_schema_refuses_fails_with_bentomls_words(tmp_path: Path) -> None:
    requests = requests_file(tmp_path, REQUEST, {"a": "four", "b": 1.0})
    failure = failure_of(MODELS / "linear", IMAGE, requests=requests)
    assert failure.code == "request-failed"
    assert "requests.jsonl:2: HTTP 400" in failure.message


def test_it_stops_at_the_first_signal(tmp_path: Path) -> None:
    signals, code = how_it_stopped(MODELS / "linear", IMAGE, tmp_path)
    assert signals == ["15"]
    assert code == "0"
