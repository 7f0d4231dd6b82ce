"""Made-up requests, recordings and comparisons with the real Triton."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ivdocker
from ivdocker.requests.read import files
from tests.conftest import Cli
from tests.integration.test_triton import EXAMPLES, IMAGE, copy

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("server_image")]


def test_made_up_requests_are_answered_recorded_and_answered_again(cli: Cli) -> None:
    arguments = ("validate", EXAMPLES / "linear", "--image", IMAGE)
    done = cli(*arguments, "--synthesize", "3", "--deterministic", "--record", "recorded.jsonl")
    assert done.returncode == 0, done.stderr
    assert "3 of 3 requests answered, 0 compared with an expected answer" in done.stderr
    recorded = list(files.load(cli.folder / "recorded.jsonl"))
    assert [request.expect["outputs"][0]["shape"] for request in recorded] == [[1], [2], [8]]
    assert cli(*arguments, "--requests", "recorded.jsonl").returncode == 0


MANY = """name: "many"
backend: "python"
max_batch_size: 4
input [
  { name: "s", data_type: TYPE_STRING, dims: [ 1 ] }, { name: "b", data_type: TYPE_BOOL, dims: [ 2 ] },
  { name: "i", data_type: TYPE_INT64, dims: [ -1 ] }, { name: "u", data_type: TYPE_UINT8, dims: [ 2, 2 ] },
  { name: "f", data_type: TYPE_FP64, dims: [ 3 ] }
]
output [ { name: "y", data_type: TYPE_FP32, dims: [ 1 ] } ]
"""
CODE = """import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", self.answer(r))]) for r in requests]

    def answer(self, request):
        values = {n: pb_utils.get_input_tensor_by_name(request, n).as_numpy() for n in "sbiuf"}
        assert all(text.decode() for text in values["s"].ravel())
        size = len(values["f"])
        assert {len(value) for value in values.values()} == {size}
        return np.full((SIZE, 1), values["f"].sum(), "float32")
"""


@pytest.mark.parametrize(
    ("size", "words"), [("size", None), ("1", "at $.outputs: output 'y' has the batch size 1, but the request has 2")]
)
def test_every_kind_of_input_and_a_batch_within_the_models_limit(tmp_path: Path, size: str, words: str | None) -> None:
    model = copy("linear", tmp_path / "many")
    (model / "config.pbtxt").write_text(MANY)
    (model / "1" / "model.py").write_text(CODE.replace("SIZE", size))
    evidence = tmp_path / "evidence"
    options = ivdocker.RunOptions(evidence=evidence)
    (run,) = ivdocker.validate(model, images=[IMAGE], synthesize=3, options=options).runs
    assert (run.failure.message.partition(": wrong response ")[2] if run.failure else None) == words
    (file,) = evidence.glob("*/requests.jsonl")
    sent = [json.loads(line)["request"] for line in file.read_text("utf-8").splitlines()]
    assert [body["inputs"][0]["shape"] for body in sent] == [[1, 1], [2, 1], [4, 1]]


def test_a_type_that_triton_takes_in_no_json_gives_no_verdict(tmp_path: Path) -> None:
    model = copy("linear", tmp_path / "half")
    config = model / "config.pbtxt"
    config.write_text(config.read_text().replace("TYPE_FP32", "TYPE_FP16"))
    (run,) = ivdocker.validate(model, images=[IMAGE], synthesize=1).runs
    assert run.failure is not None
    assert (run.verdict, run.failure.code) == ("no_verdict", "no-request")
    assert "Triton takes no FP16 in JSON, the type of the input 'x'" in run.failure.message


def test_an_image_answers_as_itself(cli: Cli) -> None:
    images = ("--image", IMAGE, "--against", IMAGE)
    done = cli("validate", EXAMPLES / "linear", *images, "--synthesize", "1", "--json", "-")
    assert [run["verdict"] for run in json.loads(done.stdout)["runs"]] == ["blessed", "blessed"]
