"""Models of other shapes than one tensor in, one out, on the real Triton: batches, two inputs, two models."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

import ivdocker
from ivdocker.server import Server
from ivdocker.serving.client import Message
from tests.conftest import Cli

IMAGE = "ivdocker/triton:24.10"
EXAMPLES = Path(__file__).parents[2] / "docs/examples/triton"

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("server_image")]


def requests_of(name: str) -> Path:
    return EXAMPLES / f"{name}-requests.jsonl"


@pytest.mark.parametrize("name", ["batched", "two_inputs"])
def test_an_example_is_blessed_with_right_answers(cli: Cli, name: str) -> None:
    done = cli("validate", EXAMPLES / name, "--image", IMAGE, "--requests", requests_of(name), "--json", "-")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)["runs"][0]
    assert (run["verdict"], run["requests"]["sent"], run["requests"]["mismatched"]) == ("blessed", 2, 0)
    assert "2 of 2 requests answered as they should be" in done.stderr


def test_a_batch_beyond_max_batch_size_fails_with_tritons_words(tmp_path: Path) -> None:
    rows = [[1.0, 2.0, 3.0]] * 5
    body = {"inputs": [{"name": "x", "shape": [5, 3], "datatype": "FP32", "data": rows}]}
    failure = failure_of("batched", body, tmp_path)
    assert failure.code == "request-failed"
    assert "HTTP 400" in failure.message
    assert "batch-size must be <= 4" in failure.message


def test_a_row_without_the_batch_dimension_fails_with_tritons_words(tmp_path: Path) -> None:
    body = {"inputs": [{"name": "x", "shape": [3], "datatype": "FP32", "data": [1.0, 2.0, 3.0]}]}
    failure = failure_of("batched", body, tmp_path)
    assert failure.code == "request-failed"
    assert "shape" in failure.message


def test_a_request_that_lacks_one_of_two_inputs_fails_with_its_name(tmp_path: Path) -> None:
    body = {"inputs": [{"name": "price", "shape": [1], "datatype": "FP64", "data": [1.0]}]}
    failure = failure_of("two_inputs", body, tmp_path)
    assert failure.code == "request-failed"
    assert "amount" in failure.message


def test_a_request_made_from_the_metadata_is_answered() -> None:
    with ivdocker.serve(EXAMPLES / "batched", image=IMAGE) as server:
        batch = server.predict(example(server))
    with ivdocker.serve(EXAMPLES / "two_inputs", image=IMAGE) as server:
        pair = server.predict(example(server))
    assert (batch["outputs"][0]["shape"], batch["outputs"][0]["data"]) == ([1, 1], [0.0])
    assert (pair["outputs"][0]["name"], pair["outputs"][0]["data"]) == ("cost", [0.0])


def test_each_model_of_a_repository_answers_under_its_name(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    for name in ("batched", "two_inputs"):
        shutil.copytree(EXAMPLES / name, repository / name)
    with ivdocker.serve(repository, image=IMAGE) as server:
        answers = {
            name: server.predict(Message(json.loads(first_line(name))["request"], model_name=name, version="1"))
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


def failure_of(name: str, body: Any, folder: Path) -> ivdocker.Failure:
    """Why the example is not blessed with that request."""
    requests = folder / "requests.jsonl"
    requests.write_text(json.dumps(body))
    (run,) = ivdocker.validate(EXAMPLES / name, images=[IMAGE], requests=requests).runs
    assert run.failure is not None
    return run.failure


def example(server: Server) -> Any:
    """The body of the curl line that ``serve`` prints."""
    words = shlex.split(server.curl())
    return json.loads(words[words.index("--data") + 1])


def first_line(name: str) -> str:
    return requests_of(name).read_text().splitlines()[0]
