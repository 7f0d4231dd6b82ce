"""The real Triton Inference Server, on the real engine."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import ivdocker
from tests.conftest import Cli

IMAGE = "ivdocker/triton:24.10"
EXAMPLES = Path(__file__).parents[2] / "docs/examples/triton"
INPUT = {"name": "x", "shape": [3], "datatype": "FP32", "data": [1.0, 2.0, 5.0]}

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("server_image")]


def copy(name: str, target: Path) -> Path:
    """A copy of an example under another name, with that name in its configuration."""
    shutil.copytree(EXAMPLES / name, target)
    config = target / "config.pbtxt"
    config.write_text(config.read_text().replace(f'name: "{name}"', f'name: "{target.name}"'))
    return target


def failure_of(model: Path, **what: object) -> ivdocker.Failure:
    report = ivdocker.validate(model, images=[IMAGE], **what)  # type: ignore[arg-type]
    assert report.verdict == "not_blessed"
    failure = report.runs[0].failure
    assert failure is not None
    return failure


def test_the_example_is_blessed_with_five_right_answers(cli: Cli) -> None:
    requests = EXAMPLES / "linear-requests.jsonl"
    done = cli("validate", EXAMPLES / "linear", "--image", IMAGE, "--requests", requests, "--json", "-")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)["runs"][0]
    assert run["verdict"] == "blessed"
    assert run["requests"]["sent"] == 5
    assert run["requests"]["mismatched"] == 0
    assert set(run["endpoints"]) == {"http", "grpc", "metrics"}
    assert list(run["stages"]) == ["start", "running", "load", "query", "stop"]


def test_a_model_whose_code_raises_is_named_with_the_exception(cli: Cli) -> None:
    done = cli("validate", EXAMPLES / "broken", "--image", IMAGE)
    assert done.returncode == 1
    assert "NOT BLESSED  broken" in done.stderr
    assert "model-load-failed" in done.stderr
    assert "FileNotFoundError: [Errno 2] No such file or directory: '/models/broken/1/weights.npy'" in done.stderr


def test_a_missing_model_py_is_told_though_triton_hangs_in_silence(tmp_path: Path) -> None:
    model = copy("linear", tmp_path / "no_code")
    (model / "1" / "model.py").unlink()
    failure = failure_of(model, timeout_s=60)
    assert failure.code == "model-load-failed"
    assert "no model.py" in failure.message


def test_a_configuration_that_does_not_parse_is_told_with_its_line(tmp_path: Path) -> None:
    model = copy("linear", tmp_path / "typo")
    (model / "config.pbtxt").write_text('name: "typo"\nbackend python\n')
    failure = failure_of(model)
    assert failure.code == "model-load-failed"
    assert "config.pbtxt cannot be parsed: 2:9" in failure.message
    assert failure.exit_code == 1


def test_a_model_without_a_version_folder_is_told(tmp_path: Path) -> None:
    model = copy("linear", tmp_path / "empty")
    shutil.rmtree(model / "1")
    assert "no numbered version folder" in failure_of(model).message


def test_a_backend_that_the_image_does_not_have_is_told(tmp_path: Path) -> None:
    model = copy("linear", tmp_path / "onnx")
    config = model / "config.pbtxt"
    config.write_text(config.read_text().replace('backend: "python"', 'backend: "onnxruntime"'))
    assert "no backend 'onnxruntime'" in failure_of(model).message


def test_a_wrong_answer_is_told_with_its_place(tmp_path: Path) -> None:
    requests = tmp_path / "requests.jsonl"
    line = {"request": {"inputs": [INPUT]}, "expect": {"outputs": [{"name": "y", "data": [2.5, 3.0, 4.6]}]}}
    requests.write_text(json.dumps(line))
    failure = failure_of(EXAMPLES / "linear", requests=requests)
    assert failure.code == "response-mismatch"
    assert "requests.jsonl:1" in failure.message
    assert "$.outputs[0].data[2]: number differs: expected 4.6, got 4.5" in failure.message


def test_a_path_of_any_shape_is_mounted_as_it_is(tmp_path: Path) -> None:
    place = tmp_path / "we ird, \"näme\" 'x' = $HOME"
    place.mkdir()
    assert ivdocker.validate(copy("linear", place / "linear"), images=[IMAGE]).blessed


def test_a_repository_of_two_models_and_a_version_folder_are_models_too(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    copy("linear", repository / "first")
    copy("linear", repository / "second")
    with ivdocker.serve(repository, image=IMAGE) as server:
        assert server.model_name == "first"
        assert server.predict({"inputs": [INPUT]})["outputs"][0]["data"] == [2.5, 3.0, 4.5]
    assert ivdocker.validate(repository / "second" / "1", images=[IMAGE]).blessed


def test_one_bad_model_of_a_repository_is_enough(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    copy("linear", repository / "good")
    copy("broken", repository / "wrong")
    failure = failure_of(repository)
    assert "'wrong'" in failure.message


def test_the_printed_curl_line_gets_the_right_answer() -> None:
    with ivdocker.serve(EXAMPLES / "linear", image=IMAGE) as server:
        line = server.curl()
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=20, check=True)
    words = shlex.split(line)
    (sent,) = json.loads(words[words.index("--data") + 1])["inputs"]
    assert json.loads(done.stdout)["outputs"][0]["data"] == pytest.approx([0.5 * x + 2 for x in sent["data"]])
