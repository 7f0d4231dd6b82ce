"""tf.Example, held against an independent one: the package protobuf."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecord import example_pb2  # type: ignore[import-untyped]

from ivdocker.requests.formats.protobuf import bytes_field, fields, number_field, varint
from ivdocker.requests.read.tf_example import features
from tests.unit.requests.helpers import example

FEATURES = st.dictionaries(
    st.text(max_size=5),
    st.lists(st.binary(max_size=5), min_size=1)
    | st.lists(st.floats(width=32, allow_nan=False), min_size=1)
    | st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
    max_size=4,
)


@given(FEATURES)
@settings(max_examples=100, deadline=None, database=None)
def test_an_example_that_protobuf_wrote_has_its_values(values: dict[str, list[Any]]) -> None:
    assert features(example(**values).SerializeToString()) == values


def test_numbers_may_stand_unpacked_too() -> None:
    """As proto2 writers leave them; parsers must take both."""
    floats = b"".join(varint(1 << 3 | 5) + struct.pack("<f", value) for value in (1.0, 2.5))
    numbers = number_field(1, 3) + number_field(1, -4)
    entry = [
        bytes_field(1, bytes_field(1, name) + bytes_field(2, feature))
        for name, feature in ((b"f", bytes_field(2, floats)), (b"n", bytes_field(3, numbers)))
    ]
    data = bytes_field(1, b"".join(entry))
    assert features(data) == {"f": [1.0, 2.5], "n": [3, -4]}
    assert example_pb2.Example.FromString(data) == example(f=[1.0, 2.5], n=[3, -4])


def test_fields_that_are_not_known_are_passed_over_and_the_last_value_holds() -> None:
    first, second = example(x=[1.0]), example(x=[2.0])
    data = number_field(9, 5) + first.SerializeToString() + second.SerializeToString() + bytes_field(15, b"?")
    assert features(data) == {"x": [2.0]}


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None, database=None)
def test_any_bytes_are_fields_or_a_value_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert all(0 < number < 1 << 29 for number, _, _ in fields(data))
    with contextlib.suppress(ValueError):
        assert isinstance(features(data), dict)
