"""Models of other shapes than one tensor in, one out, on the real Triton: batches, two inputs, two models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import ivdocker
from ivdocker.servers.records import RequestBody
from tests.conftest import Cli
from tests.integration import servers
from tests.integration.servers import blessed_run, failure_of, requests_file

IMAGE = "ivdocker/triton:24.10"
EXAMPLES = servers.EXAMPLES / "triton"

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("server_image")]


def requests_of(name: str) -> Path:
    return EXAMPLES / f"{name}-requests.jsonl"


@pytest.mark.parametrize("name", ["batched", "two_inputs"])
def test_an_example_is_blessed_with_right_answers(cli: Cli, name: str) -> None:
    run = blessed_run(cli, EXAMPLES / name, IMAGE, "--requests", requests_of(name))
    assert (run["requests"]["sent"], run["requests"]["failed"], run["requests"]["mismatched"]) == (2, 0, 0)


def test_a_batch_beyond_max_batch_size_fails_with_tritons_words(tmp_path: Path) -> None:
    rows = [[1.0, 2.0, 3.0]] * 5
    body = {"inputs": [{"name": "x", "shape": [5, 3], "datatype": "FP32", "data": rows}]}
    failure = failure_of(EXAMPLES / "batched", IMAGE, requests=requests_file(tmp_path, body))
    assert failure.code == "request-failed"
    assert "HTTP 400" in failure.message
    assert "batch-size must be <= 4" in failure.message


def test_a_row_without_the_batch_dimension_fails_with_tritons_words(tmp_path: Path) -> None:
    body = {"inputs": [{"name": "x", "shape": [3], "datatype": "FP32", "data": [1.0, 2.0, 3.0]}]}
    failure = failure_of(EXAMPLES / "batched", IMAGE, requests=requests_file(tmp_path, body))
    assert failure.code == "request-failed"
    assert "shape" in failure.message


def test_a_request_that_lacks_one_of_two_inputs_fails_with_its_name(tmp_path: Path) -> None:
    body = {"inputs": [{"name": "price", "shape": [1], "datatype": "FP64", "data": [1.0]}]}
    failure = failure_of(EXAMPLES / "two_inputs", IMAGE, requests=requests_file(tmp_path, body))
    assert failure.code == "request-failed"
    assert "amount" in failure.message


@pytest.mark.parametrize("name", ["batched", "two_inputs"])
def test_made_up_requests_are_answered(cli: Cli, name: str) -> None:
    run = blessed_run(cli, EXAMPLES / name, IMAGE, "--synthesize", "5")
    assert (run["requests"]["sent"], run["requests"]["failed"]) == (5, 0)


def test_each_model_of_a_repository_answers_under_its_name(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    for name in ("batched", "two_inputs"):
        shutil.copytree(EXAMPLES / name, repository / name)
    with ivdocker.serve(repository, image=IMAGE) as server:
        answers = {
            name: server.predict(RequestBody(json.loads(first_line(name))["request"], model_name=name, version="1"))
            for name in ("batched", "two_inputs")
        }
    found = {name: (answer["model_name"], answer["outputs"][0]["data"]) for name, answer in answers.items()}
    assert found == {"batched": ("batched", [6.5]), "two_inputs": ("two_inputs", [2.0, 4.5])}


def test_the_model_of_a_repository_is_named_by_its_option(cli: Cli, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    for name in ("batched", "two_inputs"):
        shutil.copytree(EXAMPLES / name, repository / name)
    requests = requests_of("two_inputs")
    done = cli("validate", repository, "--image", IMAGE, "--requests", requests, "--model-name", "two_inputs")
    assert done.returncode == 0, done.stderr
    assert "BLESSED" in done.stderr
    assert "2 requests answered" in done.stderr


def first_line(name: str) -> str:
    return requests_of(name).read_text().splitlines()[0]
