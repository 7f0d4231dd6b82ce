"""Models of other shapes than one tensor in, one out, on the real Triton: batches, two inputs, two models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import ivdocker
from ivdocker.servers.records import RequestBody
from tests.conftest import Cli
from tests.integration import servers
from tests.integration.servers import blessed_run, failure_of, requests_file

IMAGE = "ivdocker/triton:24.10"
EXAMPLES = servers.EXAMPLES / "triton"

WITHOUT_CONFIG = """
class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.add_input({"name": "x", "data_type": "TYPE_FP32", "dims": [1]})
        config.add_output({"name": "y", "data_type": "TYPE_FP32", "dims": [1]})
        return config

    def execute(self, requests):
        return []
"""

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


DECOUPLED = """import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            request.get_response_sender().send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
SEQUENCES = """
max_batch_size: 4
sequence_batching {
  control_input [
    { name: "START", control [ { kind: CONTROL_SEQUENCE_START, fp32_false_true: [ 0, 1 ] } ] },
    { name: "CORRID", control [ { kind: CONTROL_SEQUENCE_CORRID, data_type: TYPE_UINT64 } ] }
  ]
}
"""


def variant(folder: Path, config: str, code: str | None = None) -> Path:
    """The linear example with more in its config.pbtxt, and perhaps with another model.py."""
    shutil.copytree(EXAMPLES / "linear", folder)
    text = (folder / "config.pbtxt").read_text()
    (folder / "config.pbtxt").write_text(text.replace('name: "linear"', f'name: "{folder.name}"') + config)
    if code:
        (folder / "1" / "model.py").write_text(code)
    return folder


def decoupled(folder: Path) -> Path:
    return variant(folder, "model_transaction_policy { decoupled: true }\n", DECOUPLED)


@pytest.mark.parametrize("written", [False, True])
def test_a_decoupled_model_gets_no_verdict_from_requests(tmp_path: Path, written: bool) -> None:
    body = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}]}
    what: dict[str, Any] = {"requests": [body]} if written else {"synthesize": 1}
    report = ivdocker.validate(decoupled(tmp_path / "stream"), images=[IMAGE], **what)
    (run,) = report.runs
    assert run.failure is not None
    assert (run.verdict, run.failure.code) == ("no_verdict", "no-request")
    assert "decoupled" in run.failure.message


def test_a_model_with_sequences_gets_whole_ones(tmp_path: Path) -> None:
    report = ivdocker.validate(variant(tmp_path / "steps", SEQUENCES), images=[IMAGE], synthesize=3)
    assert report.blessed, report.runs[0].failure
    assert report.runs[0].requests.sent == 3


def test_every_model_of_a_repository_gets_requests_or_is_named(cli: Cli, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    for name in ("linear", "two_inputs"):
        shutil.copytree(EXAMPLES / name, repository / name)
    variant(repository / "steps", SEQUENCES)
    decoupled(repository / "stream")
    done = cli("validate", repository, "--image", IMAGE, "--synthesize", "2")
    assert done.returncode == 0, done.stderr
    assert "6 of 6 requests answered" in done.stderr
    assert "(loaded, 6 requests answered, 0 compared, no request for stream, " in done.stderr


def test_a_repository_without_config_files_is_one(cli: Cli, tmp_path: Path) -> None:
    for name in ("first", "second"):
        shutil.copytree(EXAMPLES / "linear" / "1", tmp_path / "repository" / name / "1")
        (tmp_path / "repository" / name / "1" / "model.py").write_text(WITHOUT_CONFIG)
    done = cli("validate", tmp_path / "repository", "--image", IMAGE, timeout=180)
    assert done.returncode == 0, done.stderr
    assert "models first, second are ready" in done.stderr


def test_a_hidden_folder_in_a_repository_is_named_as_what_it_is(cli: Cli, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "linear", tmp_path / "repository" / "linear")
    (tmp_path / "repository" / ".ipynb_checkpoints").mkdir()
    done = cli("validate", tmp_path / "repository", "--image", IMAGE, timeout=180)
    assert done.returncode == 1
    assert "the repository holds a hidden folder, .ipynb_checkpoints, which Triton takes for a model" in done.stderr


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("TYPE_FP32", "TYPE_FP64", "'y' is FP32, and the model's metadata declares FP64"),
        ("dims: [", "dims: [ 7, ", "and the model's metadata declares [7, "),
    ],
)
def test_an_answer_that_is_not_as_its_config_declares_is_wrong(was: str, now: str, words: str, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "linear", tmp_path / "linear")
    config = tmp_path / "linear" / "config.pbtxt"
    inputs, output, rest = config.read_text().partition("output")
    assert was in rest
    config.write_text(inputs + output + rest.replace(was, now))
    failure = failure_of(tmp_path / "linear", IMAGE, synthesize=1)
    assert failure.code == "response-mismatch"
    assert words in failure.message
