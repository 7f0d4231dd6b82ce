"""Amazon's real serving software for SageMaker, on the real engine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import ivdocker
from tests.conftest import Cli
from tests.integration.servers import EXAMPLES, blessed_run, failure_of, how_it_stopped, requests_file

IMAGE = "ivdocker/multi-model-server:1.1.11"
MODELS = EXAMPLES / "sagemaker"
REQUEST = {"instances": [[4.0, 1.0]]}

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("server_image")]


def copy(folder: Path, model_fn: str = "") -> Path:
    """The example; ``model_fn`` are lines that it runs first."""
    shutil.copytree(MODELS / "linear", folder)
    code = folder / "code/inference.py"
    head = "def model_fn(model_dir):\n"
    assert head in code.read_text()
    code.write_text(code.read_text().replace(head, head + model_fn))
    return folder


def test_the_example_is_blessed_with_right_answers_and_known_by_the_images_label(cli: Cli) -> None:
    run = blessed_run(cli, MODELS / "linear", IMAGE, "--requests", MODELS / "linear-requests.jsonl")
    assert run["server"] == "sagemaker"
    assert run["server_reason"].startswith("the image has the label com.amazonaws.sagemaker.")
    assert (run["requests"]["sent"], run["requests"]["failed"], run["requests"]["mismatched"]) == (1, 0, 0)


def test_an_exception_while_loading_is_told_in_its_words_though_the_server_says_that_it_is_well(cli: Cli) -> None:
    done = cli("validate", MODELS / "broken", "--image", IMAGE, timeout=60)
    assert done.returncode == 1
    assert "NOT BLESSED  broken" in done.stderr
    assert "model-load-failed" in done.stderr
    assert "KeyError: 'bias'" in done.stderr


def test_a_missing_file_is_told_with_its_name(tmp_path: Path) -> None:
    model = copy(tmp_path / "empty")
    (model / "weights.json").unlink()
    failure = failure_of(model, IMAGE)
    assert failure.code == "model-load-failed"
    assert "/opt/ml/model/weights.json" in failure.message


def test_a_model_without_code_is_told(tmp_path: Path) -> None:
    model = copy(tmp_path / "plain")
    shutil.rmtree(model / "code")
    failure = failure_of(model, IMAGE)
    assert failure.code == "model-load-failed"
    assert "model_fn" in failure.message


def test_a_model_that_loads_slowly_is_ready_only_when_it_is_loaded(tmp_path: Path) -> None:
    model = copy(tmp_path / "slow", "    import time\n    time.sleep(4)\n")
    report = ivdocker.validate(model, images=[IMAGE], timeout_s=60)
    assert report.blessed, report.runs[0].failure
    assert report.runs[0].stages["load"] > 4


def test_an_exception_while_predicting_fails_the_request_with_its_text(tmp_path: Path) -> None:
    requests = requests_file(tmp_path, REQUEST, {"rows": [[1.0, 2.0]]})
    failure = failure_of(MODELS / "linear", IMAGE, requests=requests)
    assert failure.code == "request-failed"
    assert "requests.jsonl:2: HTTP 500" in failure.message
    assert "'instances'" in failure.message


def test_it_stops_at_the_first_signal(tmp_path: Path) -> None:
    signals, code = how_it_stopped(MODELS / "linear", IMAGE, tmp_path)
    assert signals == ["15"]
    assert code == "0"
