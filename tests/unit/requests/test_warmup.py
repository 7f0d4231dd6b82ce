"""The folder with the warm-up file: what is taken down, and when there is none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tfrecord import tfrecord_iterator  # type: ignore[import-untyped]

from ivdocker.errors import Failure, UsageError
from ivdocker.model_path import ModelPath
from ivdocker.requests.model import Request
from ivdocker.requests.send import RequestResult
from ivdocker.requests.warmup import FILE, MAX_RECORDS, Warmup, warmup
from ivdocker.servers.records import Tensor
from ivdocker.servers.tensorflow_serving import TensorFlowServing, TensorFlowServingClient
from ivdocker.servers.triton import Triton
from tests.unit.requests.helpers import X
from tests.unit.requests.prediction_log_message import decoded


class Described(TensorFlowServingClient):
    def inputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        del model_name, signature
        return [X]


CLIENT = Described("127.0.0.1:1", "m")


@pytest.fixture
def model(tmp_path: Path) -> ModelPath:
    for version in ("2", "10"):
        folder = tmp_path / "m" / version
        (folder / "assets.extra").mkdir(parents=True)
        (folder / "saved_model.pb").write_text(version)
        (folder / "assets.extra" / "tf_serving_warmup_requests").write_text("older")
        (folder / "assets.extra" / "other").write_text("kept")
    return ModelPath(str(tmp_path / "m"))


def asked_for(folder: Path, model: ModelPath) -> Warmup:
    return warmup(folder, model, [TensorFlowServing("tensorflow/serving:1")])


def take(taken: Warmup, requests: Iterable[Request]) -> None:
    """As an attempt does."""
    taken.begin(CLIENT)
    for request in requests:
        taken.add(RequestResult(request))


def records(folder: Path) -> list[bytes]:
    return [bytes(record) for record in tfrecord_iterator(str(folder / FILE))]


def body(value: float) -> dict[str, Any]:
    return {"instances": [value]}


@pytest.mark.parametrize("is_there", [True, False])
def test_the_folder_is_a_copy_of_the_served_version_with_its_requests(
    tmp_path: Path, model: ModelPath, is_there: bool
) -> None:
    folder = tmp_path / "out" / "3"
    if is_there:
        folder.mkdir(parents=True)
    with asked_for(folder, model) as taken:
        take(taken, [Request(body(1), "f:1"), Request({"inputs": {"x": [2.0]}}, "f:2", values={"x": [2.0]})])
        taken.write()
    assert (folder / "saved_model.pb").read_text() == "10"
    assert (folder / "assets.extra" / "other").read_text() == "kept"
    values = [list(decoded(record).inputs[0].value.float_val) for record in records(folder)]
    assert values == [[1.0], [2.0]]
    assert os.listdir(tmp_path / "out") == ["3"]
    assert (Path(model.location) / "10" / FILE).read_text() == "older"


def test_what_another_try_takes_down_replaces_the_former(tmp_path: Path, model: ModelPath) -> None:
    with asked_for(tmp_path / "out", model) as taken:
        take(taken, [Request(body(n), "f:1") for n in range(5)])
        take(taken, [Request(body(7), "f:1")])
        taken.write()
    assert len(records(tmp_path / "out")) == 1


def test_no_more_records_are_written_than_the_server_takes(tmp_path: Path, model: ModelPath) -> None:
    with asked_for(tmp_path / "out", model) as taken:
        take(taken, [Request(body(1), "f:1")] * 1500)
        taken.write()
    assert len(records(tmp_path / "out")) == MAX_RECORDS == 1000


def test_only_predictions_by_this_model_that_succeed_are_taken(tmp_path: Path, model: ModelPath) -> None:
    requests = [
        Request(body(1), "f:1", status=400),
        Request(body(2), "f:2", model_name="other"),
        Request(body(3), "f:3", version="1"),
        Request(b"bytes", "f:4"),
        Request({"examples": []}, "f:5"),
        Request(body(6), "f:6", status=200, model_name="m", signature="s"),
    ]
    with asked_for(tmp_path / "out", model) as taken:
        take(taken, requests)
        # With --max-error-rate some may fail.
        taken.add(RequestResult(Request(body(9), "f:9"), failure=Failure("response-mismatch", "wrong")))
        taken.write()
    (record,) = records(tmp_path / "out")
    assert decoded(record).model_spec.signature_name == "s"
    assert list(decoded(record).inputs[0].value.float_val) == [6.0]


@pytest.mark.parametrize(
    ("requests", "words"),
    [
        ([Request(b"bytes", "f:1")], "none of the requests is a prediction by this model"),
        (
            [Request({"inputs": ["a"]}, "f:1")],
            "f:1 cannot be a warm-up request: input 'x' has a value that is not a number",
        ),
    ],
)
def test_without_a_record_there_is_no_folder(
    tmp_path: Path, model: ModelPath, requests: list[Request], words: str
) -> None:
    with asked_for(tmp_path / "out", model) as taken:
        take(taken, requests)
        with pytest.raises(UsageError, match=re.escape(words)):
            taken.write()
    assert not (tmp_path / "out").exists()


def test_a_folder_that_was_filled_meanwhile_stays(tmp_path: Path, model: ModelPath) -> None:
    with asked_for(tmp_path / "out" / "1", model) as taken:
        take(taken, [Request(body(1), "f:1")])
        (tmp_path / "out" / "1").mkdir(parents=True)
        (tmp_path / "out" / "1" / "mine").touch()
        with pytest.raises(UsageError, match="cannot write the warm-up folder"):
            taken.write()
    assert os.listdir(tmp_path / "out") == ["1"]
    assert os.listdir(tmp_path / "out" / "1") == ["mine"]


def test_a_model_that_cannot_be_copied_leaves_nothing(tmp_path: Path, model: ModelPath) -> None:
    (Path(model.location) / "10" / "dangling").symlink_to("nowhere")
    with asked_for(tmp_path / "out" / "1", model) as taken:
        take(taken, [Request(body(1), "f:1")])
        with pytest.raises(UsageError, match="dangling"):
            taken.write()
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("full", "is not empty"),
        ("full/file", "is not a folder"),
        ("m/10/out", "is inside the model"),
        ("m/10", "not empty"),
    ],
)
def test_a_folder_that_cannot_be_is_refused_at_once(tmp_path: Path, model: ModelPath, folder: str, words: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UsageError, match=words):
        asked_for(tmp_path / folder, model)


def test_a_model_or_server_that_has_no_warm_up_is_refused_at_once(tmp_path: Path, model: ModelPath) -> None:
    served = [TensorFlowServing("tensorflow/serving:1")]
    with pytest.raises(UsageError, match="tritonserver is triton; only TensorFlow Serving"):
        warmup(tmp_path / "out", model, [*served, Triton("tritonserver")])
    with pytest.raises(UsageError, match="gs://bucket/m is not on this machine"):
        warmup(tmp_path / "out", ModelPath("gs://bucket/m", is_uri=True), served)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no saved_model\.pb"):
        warmup(tmp_path / "out", ModelPath(str(tmp_path / "empty")), served)
