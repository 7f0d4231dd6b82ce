"""The warm-up file, read again by Google's own protobuf from descriptors made here from the .proto files' numbers."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecord import tfrecord_iterator  # type: ignore[import-untyped]

from ivdocker.errors import Failure, UsageError
from ivdocker.model_path import ModelPath
from ivdocker.requests.model import Request
from ivdocker.requests.prediction_log import prediction_log
from ivdocker.requests.send import RequestResult
from ivdocker.requests.warmup import FILE, MAX_RECORDS, Warmup, warmup
from ivdocker.servers.client import Tensor
from ivdocker.servers.tensorflow_serving import TensorFlowServing, TensorFlowServingClient
from ivdocker.servers.triton import Triton
from tests.unit.test_parse import JSON_VALUES

# tensorflow_serving/apis/{prediction_log,predict,model}.proto, tensorflow/core/framework/{tensor,tensor_shape}.proto:
# message -> field -> number, type, whether repeated. A capital letter is a message.
MESSAGES: dict[str, dict[str, tuple[int, str, bool]]] = {
    "PredictionLog": {"predict_log": (6, "PredictLog", False)},
    "PredictLog": {"request": (1, "PredictRequest", False)},
    "PredictRequest": {"model_spec": (1, "ModelSpec", False), "inputs": (2, "InputsEntry", True)},
    "ModelSpec": {"name": (1, "string", False), "signature_name": (3, "string", False)},
    "InputsEntry": {"key": (1, "string", False), "value": (2, "TensorProto", False)},
    "TensorProto": {
        "dtype": (1, "int32", False),
        "tensor_shape": (2, "TensorShapeProto", False),
        "float_val": (5, "float", True),
        "double_val": (6, "double", True),
        "int_val": (7, "int32", True),
        "string_val": (8, "bytes", True),
        "int64_val": (10, "int64", True),
        "bool_val": (11, "bool", True),
        "uint32_val": (16, "uint32", True),
        "uint64_val": (17, "uint64", True),
    },
    "TensorShapeProto": {"dim": (2, "Dim", True)},
    "Dim": {"size": (1, "int64", False), "name": (2, "string", False)},
}


def _prediction_log_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="warmup_test.proto", package="warmup_test", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind, repeated) in fields.items():
            is_message = kind[0].isupper()
            message.field.add(
                name=field,
                number=number,
                label=Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL,
                type=Field.TYPE_MESSAGE if is_message else getattr(Field, f"TYPE_{kind.upper()}"),
                type_name=f".warmup_test.{kind}" if is_message else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)  # type: ignore[no-untyped-call, unused-ignore]
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("warmup_test.PredictionLog"))


PREDICTION_LOG = _prediction_log_class()


def decoded(data: bytes) -> Any:
    """The request; fails where a field has a number that the .proto files do not have."""
    log = PREDICTION_LOG.FromString(data)
    waiting = [log]
    while waiting:
        message = waiting.pop()
        assert len(UnknownFieldSet(message)) == 0
        for field, value in message.ListFields():
            if field.type == Field.TYPE_MESSAGE:
                waiting += value if field.is_repeated else [value]
    return log.predict_log.request


def tensors(body: Any, *inputs: Tensor, signature: str = "") -> dict[str, tuple[int, list[int], list[Any]]]:
    """Of the decoded request: data type, shape and values by input name."""
    request = decoded(prediction_log("m", signature, body, list(inputs)))
    assert (request.model_spec.name, request.model_spec.signature_name) == ("m", signature)
    found = {}
    for entry in request.inputs:
        proto = entry.value
        values = [list(value) for field, value in proto.ListFields() if field.name.endswith("_val")]
        assert len(values) <= 1
        found[entry.key] = (
            proto.dtype,
            [dim.size for dim in proto.tensor_shape.dim],
            [item for value in values for item in value],
        )
    return found


X = Tensor("x", "DT_FLOAT", (-1,))


@pytest.mark.parametrize(
    ("datatype", "number", "values"),
    [
        ("DT_FLOAT", 1, [0.5, -2, float("inf")]),
        ("DT_DOUBLE", 2, [0.1, -2.0]),
        ("DT_INT32", 3, [1, -(2**31)]),
        ("DT_UINT8", 4, [0, 255]),
        ("DT_INT16", 5, [-3]),
        ("DT_INT8", 6, [-3]),
        ("DT_INT64", 9, [2**63 - 1, -(2**63)]),
        ("DT_BOOL", 10, [True, False]),
        ("DT_UINT32", 22, [2**32 - 1]),
        ("DT_UINT64", 23, [2**64 - 1, 0]),
    ],
)
def test_each_type_has_its_number_and_its_field(datatype: str, number: int, values: list[Any]) -> None:
    found = tensors({"inputs": {"x": values}}, Tensor("x", datatype, (-1,)))
    assert found == {"x": (number, [len(values)], values)}


def test_strings_may_be_text_or_base64() -> None:
    found = tensors({"inputs": [["ü", {"b64": "/w=="}]]}, Tensor("s", "DT_STRING", (-1, 2)))
    assert found == {"s": (7, [1, 2], ["ü".encode(), b"\xff"])}


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ({"instances": [1.0, 2.0]}, [2]),
        ({"instances": [[1.0], [2.0]]}, [2, 1]),
        ({"instances": [{"x": [1.0, 2.0]}]}, [1, 2]),
        ({"inputs": [1.0, 2.0]}, [2]),
        ({"inputs": {"x": [[1.0, 2.0]]}}, [1, 2]),
        ({"inputs": {"x": [[1.0, 2.0]], "free": 5}}, [1, 2]),
    ],
)
def test_rows_and_columns_have_the_shape_that_they_show(body: Any, shape: list[int]) -> None:
    assert tensors(body, X) == {"x": (1, shape, [1.0, 2.0])}


def test_a_scalar_and_an_empty_tensor() -> None:
    assert tensors({"inputs": 1.5}, X) == {"x": (1, [], [1.5])}
    assert tensors({"inputs": []}, X) == {"x": (1, [0], [])}


def test_several_inputs_are_named_in_rows_and_in_columns() -> None:
    y = Tensor("y", "DT_INT32", (-1,))
    expected = {"x": (1, [2], [1.0, 2.0]), "y": (3, [2], [3, 4])}
    assert tensors({"instances": [{"x": 1, "y": 3}, {"x": 2, "y": 4}]}, X, y) == expected
    assert tensors({"inputs": {"x": [1, 2], "y": [3, 4]}}, X, y) == expected


def test_the_signature_is_named() -> None:
    assert tensors({"inputs": [1.0]}, X, signature="other")


@pytest.mark.parametrize(
    ("body", "inputs", "words"),
    [
        ({"inputs": [1]}, [], "does not report the types"),
        (
            {"inputs": [1]},
            [X, Tensor("y", "DT_FLOAT", ())],
            "the values have no names, but the model has several inputs: x, y",
        ),
        ({"inputs": {"z": [1]}}, [X], "no value for the input 'x'"),
        ({"instances": []}, [X], "'instances' must be a list with at least one item"),
        ({"instances": [{"x": 1}, 2]}, [X], "no value for the input 'x'"),
        ({"inputs": [[1], [2, 3]]}, [X], "lists have different lengths"),
        ({"inputs": [1, [2]]}, [X], "lists have different depths"),
        ({"inputs": json.loads("[" * 900 + "1" + "]" * 900)}, [X], "more than 254 dimensions"),
        ({"inputs": ["a"]}, [X], "has a value that is not a number"),
        ({"inputs": [1e300]}, [X], "has a value that is not DT_FLOAT"),
        ({"inputs": [1]}, [Tensor("x", "DT_HALF", ())], "DT_HALF, which a REST request cannot hold"),
        ({"inputs": [5]}, [Tensor("x", "DT_STRING", ())], "5 is not a string"),
        ({"inputs": [{"b64": "x"}]}, [Tensor("x", "DT_STRING", ())], "the value of b64 is not base64"),
    ],
)
def test_a_request_that_is_none_is_named(body: Any, inputs: list[Tensor], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        prediction_log("m", "", body, inputs)


@given(JSON_VALUES, st.sampled_from(["inputs", "instances"]), st.sampled_from(["DT_FLOAT", "DT_INT64", "DT_STRING"]))
@settings(max_examples=100, deadline=None, database=None)
def test_any_body_is_a_log_or_a_value_error(value: Any, key: str, datatype: str) -> None:
    try:
        data = prediction_log("m", "", {key: value}, [Tensor("x", datatype, (-1,))])
    except ValueError as error:
        assert str(error)  # noqa: PT017
    else:
        assert decoded(data).inputs[0].key == "x"


# The folder


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
