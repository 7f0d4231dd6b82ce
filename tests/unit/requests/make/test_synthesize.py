"""Requests are made up for a model's inputs: valid ones, and the same ones every time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivdocker.errors import EnvironmentFailed, JobAborted, UsageError
from ivdocker.model_path import ModelPath
from ivdocker.requests.make.synthesize import example, synthesize
from ivdocker.requests.model import Request
from ivdocker.servers.records import Endpoint, Tensor
from ivdocker.servers.tensorflow_serving import TensorFlowServing, TensorFlowServingClient
from ivdocker.servers.triton import Triton, TritonClient
from tests.unit.loopback import model_server
from tests.unit.servers.helpers import TRITON_CONFIG, TRITON_METADATA, v2_tensor

MODEL = ModelPath("/no/such/model")
TFS_METADATA = "GET /v1/models/m/metadata"


def tf_tensor(dtype: str, *sizes: int, unknown_rank: bool = False) -> dict[str, Any]:
    shape = {"dim": [{"size": str(size), "name": ""} for size in sizes], "unknown_rank": unknown_rank}
    return {"dtype": dtype, "tensor_shape": shape, "name": "any:0"}


def tf_metadata(inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> dict[str, Any]:
    signature = {"inputs": inputs, "outputs": outputs or {}, "method_name": "tensorflow/serving/predict"}
    return {"metadata": {"signature_def": {"signature_def": {"serving_default": signature}}}}


def tf_requests(metadata: Any, count: int = 3, seed: int = 0) -> list[Request]:
    with model_server() as server:
        server.on(TFS_METADATA, metadata)
        client = TensorFlowServingClient(server.endpoint, "m")
        return list(synthesize(client, TensorFlowServing("i"), MODEL, count, seed))


def triton_requests(
    *inputs: dict[str, Any], outputs: list[Any] | None = None, max_batch_size: int | None = None, count: int = 3
) -> list[Request]:
    with model_server() as server:
        server.on(TRITON_METADATA, {"inputs": list(inputs), "outputs": outputs or []})
        if max_batch_size is not None:
            server.on(TRITON_CONFIG, {"name": "m", "max_batch_size": max_batch_size})
        return list(synthesize(TritonClient(server.endpoint, "m"), Triton("i"), MODEL, count))


def leaves(value: Any) -> list[Any]:
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]


def shape(value: Any) -> tuple[int, ...]:
    return (len(value), *(shape(value[0]) if value else ())) if isinstance(value, list) else ()


def test_the_same_seed_makes_the_same_requests_on_every_python() -> None:
    metadata = tf_metadata(
        {"x": tf_tensor("DT_FLOAT", -1, 2), "n": tf_tensor("DT_INT64"), "s": tf_tensor("DT_STRING", -1)}
    )
    (first, *_) = tf_requests(metadata)
    assert first.body == {"inputs": {"n": 1, "s": ["東京 タワー"], "x": [[0.421875, 0.265625]]}}
    assert first.where == "synthesized request 1 (seed 0)"
    assert tf_requests(metadata) == tf_requests(metadata)
    assert tf_requests(metadata, seed=1) != tf_requests(metadata)
    assert tf_requests(metadata, count=5)[:3] == tf_requests(metadata)


def test_an_unknown_leading_dimension_is_a_batch_and_every_other_unknown_one_is_1() -> None:
    metadata = tf_metadata({"x": tf_tensor("DT_FLOAT", -1, -1, 3), "k": tf_tensor("DT_FLOAT", 2, -1)})
    found = tf_requests(metadata, count=5)
    assert [shape(request.body["inputs"]["x"]) for request in found] == [(n, 1, 3) for n in (1, 2, 8, 1, 2)]
    assert {shape(request.body["inputs"]["k"]) for request in found} == {(2, 1)}


def test_an_input_of_any_rank_is_a_batch_of_single_values() -> None:
    found = tf_requests(tf_metadata({"x": tf_tensor("DT_FLOAT", unknown_rank=True)}))
    assert [shape(request.body["inputs"]["x"]) for request in found] == [(1,), (2,), (8,)]


def test_a_triton_batch_is_no_larger_than_the_model_allows() -> None:
    found = triton_requests(v2_tensor("x", "FP32", -1, 2), max_batch_size=4)
    assert [request.body["inputs"][0]["shape"] for request in found] == [[1, 2], [2, 2], [4, 2]]
    assert [shape(request.body["inputs"][0]["data"]) for request in found] == [(1, 2), (2, 2), (4, 2)]


BATCHED = [v2_tensor("y", "FP32", -1, 2), v2_tensor("one", "FP32", 1)]


@pytest.mark.parametrize(
    ("max_batch_size", "inputs", "leading"),
    [
        (8, [v2_tensor("x", "FP32", -1)], {"y": 2}),
        (None, [v2_tensor("x", "FP32", -1)], {"y": 2}),
        (0, [v2_tensor("x", "FP32", -1)], {}),
        (None, [v2_tensor("x", "FP32", -1), v2_tensor("k", "FP32", 1)], {}),
        (None, [v2_tensor("x", "FP32", 3)], {}),
    ],
)
def test_outputs_are_held_to_the_batch_where_the_leading_dimension_is_one(
    max_batch_size: int | None, inputs: list[Any], leading: dict[str, int]
) -> None:
    found = triton_requests(*inputs, outputs=BATCHED, max_batch_size=max_batch_size)
    assert dict(found[1].leading) == leading


@pytest.mark.parametrize(
    ("dtype", "allowed"),
    [
        *((f"DT_{name}", int) for name in ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT32", "UINT64")),
        ("DT_FLOAT", float), ("DT_DOUBLE", float), ("DT_BOOL", bool), ("DT_STRING", str),
    ],
)  # fmt: skip
def test_every_type_of_tensorflow_serving_gets_values_of_its_own(dtype: str, allowed: type) -> None:
    found = tf_requests(tf_metadata({"x": tf_tensor(dtype, 40)}))
    assert_fits(leaves([request.body["inputs"]["x"] for request in found]), allowed)


@pytest.mark.parametrize(
    ("datatype", "allowed"),
    [
        *((f"{sign}INT{bits}", int) for sign in ("", "U") for bits in (8, 16, 32, 64)),
        ("FP32", float), ("FP64", float), ("BOOL", bool), ("BYTES", str),
    ],
)  # fmt: skip
def test_every_type_of_the_v2_protocol_gets_values_of_its_own(datatype: str, allowed: type) -> None:
    found = triton_requests(v2_tensor("x", datatype, 40))
    assert_fits(leaves([request.body["inputs"][0]["data"] for request in found]), allowed)
    assert {request.body["inputs"][0]["datatype"] for request in found} == {datatype}


def assert_fits(values: list[Any], allowed: type) -> None:
    assert len(values) == 120
    assert {type(value) for value in values} == {allowed}
    if allowed is str:
        assert all(values)
        assert any(" " in text for text in values)
        assert not all(text.isascii() for text in values)
    elif allowed is float:
        assert all(0 < value <= 1 for value in values)
    else:
        assert set(values) == {0, 1}


@pytest.mark.parametrize(
    "made",
    [
        lambda: triton_requests(v2_tensor("x", "FP16", -1)),
        lambda: triton_requests(v2_tensor("x", "BF16", -1)),
        lambda: tf_requests(tf_metadata({"x": tf_tensor("DT_HALF", -1)})),
        lambda: tf_requests(tf_metadata({"x": tf_tensor("DT_UINT16", -1)})),
        lambda: tf_requests(tf_metadata({"x": tf_tensor("DT_COMPLEX64", -1)})),
    ],
)
def test_a_type_that_the_server_takes_in_no_json_is_told_and_is_no_verdict_on_the_model(made: Any) -> None:
    with pytest.raises(EnvironmentFailed, match=r"takes no \w+.*'x'") as caught:
        made()
    assert caught.value.failure is not None
    assert (caught.value.failure.code, caught.value.failure.is_environment) == ("no-request", True)
    assert "--requests" in (caught.value.failure.hint or "")


@pytest.mark.parametrize("metadata", [b"", {"error": "what?"}, tf_metadata({})])
def test_inputs_that_are_not_told_are_no_guess(metadata: Any) -> None:
    with pytest.raises(
        EnvironmentFailed, match="the inputs of model 'm' are not known, because the server does not report"
    ):
        tf_requests(metadata)


def test_a_server_that_is_gone_is_told_rather_than_its_silence() -> None:
    def gone() -> None:
        raise JobAborted("the server ended")

    with pytest.raises(JobAborted, match="the server ended"):
        next(synthesize(TritonClient(Endpoint("127.0.0.1:1", check=gone), "m"), Triton("i"), MODEL, 1))


def test_a_large_input_is_sent_in_smaller_batches_and_a_huge_one_not_at_all() -> None:
    sizes = [
        len(request.body["inputs"]["x"])
        for request in tf_requests(tf_metadata({"x": tf_tensor("DT_BOOL", -1, 900_000)}))
    ]
    assert sizes == [1, 2, 1]
    with pytest.raises(EnvironmentFailed, match="have 3000000 values"):
        tf_requests(tf_metadata({"x": tf_tensor("DT_BOOL", -1, 3_000_000)}))


class Prepared(TensorFlowServing):
    """A server whose model's folder tells what the server does not."""

    def example_bodies(self, model: ModelPath) -> list[Any]:
        del model
        return [{"ready": 1}, {"ready": 2}]

    def inputs(self, model: ModelPath) -> list[Tensor]:
        del model
        return [Tensor("from_the_folder", "DT_BOOL", ())]


def test_bodies_that_lie_ready_come_first_and_the_folder_tells_what_the_server_does_not() -> None:
    with model_server() as server:
        client = TensorFlowServingClient(server.endpoint, "m")
        found = list(synthesize(client, Prepared("i"), MODEL, 3))
        assert [request.body for request in synthesize(client, Prepared("i"), MODEL, 1)] == [{"ready": 1}]
    assert [request.body for request in found[:2]] == [{"ready": 1}, {"ready": 2}]
    assert list(found[2].body["inputs"]) == ["from_the_folder"]
    assert found[0].where == "example 1 of the model's folder"


def test_an_example_is_the_first_request_and_none_where_none_can_be_made() -> None:
    with model_server() as server:
        server.on(TFS_METADATA, tf_metadata({"x": tf_tensor("DT_BOOL")}))
        found = example(TensorFlowServingClient(server.endpoint, "m"), TensorFlowServing("i"), MODEL)
        assert found is not None
        assert found.body in ({"inputs": {"x": True}}, {"inputs": {"x": False}})
        assert example(TritonClient(server.endpoint, "m"), Triton("i"), MODEL) is None


class Told(TensorFlowServingClient):
    """Its inputs and outputs are what a test says; it takes any values, or none."""

    def __init__(self, tensors: list[Tensor], takes: bool) -> None:
        super().__init__("127.0.0.1:1", "m")
        self.told, self.takes = tensors, takes

    def _tensors(self, key: str, model_name: str | None, signature: str | None) -> list[Tensor]:
        del key, model_name, signature
        return self.told

    def request_body(self, values: Mapping[str, Any], inputs: list[Tensor], model_name: str | None = None) -> Any:
        del model_name
        if not self.takes:
            raise UsageError(f"it takes none of {len(inputs)} inputs")
        return dict(values)


TENSORS = st.builds(
    Tensor,
    st.text(max_size=5),
    st.sampled_from(["DT_FLOAT", "BYTES", "INT8", "BOOL", "DT_VARIANT", ""]),
    st.lists(st.integers(-2, 4) | st.just(10**9), max_size=3).map(tuple),
)


@settings(max_examples=50, deadline=None, database=None)
@given(st.lists(TENSORS, max_size=3), st.booleans(), st.integers())
def test_whatever_a_server_tells_the_requests_fit_it_or_it_is_told(
    tensors: list[Tensor], takes: bool, seed: int
) -> None:
    found: list[Request] = []
    why = ""
    try:
        found = list(synthesize(Told(tensors, takes), TensorFlowServing("i"), MODEL, 3, seed))
    except EnvironmentFailed as error:
        why = str(error)
    assert len(found) == 3 or why.startswith("no request could be made up: ")
    for request in found:
        assert set(request.body) == {tensor.name for tensor in tensors}
        assert json.loads(json.dumps(request.body)) == request.body
