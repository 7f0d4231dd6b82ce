"""TFRecord, CRC-32C and tf.Example, held against independent ones: the packages tfrecord, crc32c, protobuf."""

from __future__ import annotations

import contextlib
import gzip
import io
import struct
from pathlib import Path
from typing import Any

import crc32c as reference_crc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecord import TFRecordWriter, example_pb2, iterator_utils, tfrecord_iterator  # type: ignore[import-untyped]

from ivdocker.errors import UsageError
from ivdocker.requests.formats import tfrecord
from ivdocker.requests.formats.crc32c import crc32c, masked_crc32c
from ivdocker.requests.formats.protobuf import bytes_field, fields, number_field, to_signed, varint
from ivdocker.requests.read.files import load
from ivdocker.requests.read.source import PIECE_LIMIT
from ivdocker.requests.read.tf_example import features

assert iterator_utils


def example(**values: Any) -> Any:
    made = example_pb2.Example()
    for name, value in values.items():
        feature = made.features.feature[name]
        kind = {bytes: feature.bytes_list, float: feature.float_list, int: feature.int64_list}[type(value[0])]
        kind.value.extend(value)
    return made


def framed(*records: bytes) -> bytes:
    stream = io.BytesIO()
    for record in records:
        tfrecord.write_record(stream, record)
    return stream.getvalue()


@given(st.binary(max_size=100))
@settings(max_examples=100, deadline=None, database=None)
def test_the_checksum_is_crc32c(data: bytes) -> None:
    assert crc32c(data) == reference_crc.crc32c(data)


def test_the_checksum_of_the_standards_own_example() -> None:
    """RFC 3720, appendix B.4."""
    assert crc32c(b"\0" * 32) == 0x8A9136AA
    assert crc32c(bytes(range(32))) == 0x46DD794E


def test_records_that_another_program_wrote_are_read(tmp_path: Path) -> None:
    path = tmp_path / "data.tfrecord"
    writer = TFRecordWriter(str(path))
    writer.write({"x": (1.5, "float"), "n": (7, "int"), "s": (b"abc", "byte")})
    writer.write({"x": ([1.0, 2.0], "float")})
    writer.close()
    found = list(load(path))
    assert [request.where for request in found] == [f"{path}: record 1", f"{path}: record 2"]
    assert [features(request.example or b"") for request in found] == [
        {"x": [1.5], "n": [7], "s": [b"abc"]},
        {"x": [1.0, 2.0]},
    ]


def test_records_that_we_wrote_are_read_by_another_program(tmp_path: Path) -> None:
    path = tmp_path / "data.tfrecord"
    path.write_bytes(framed(b"one", b"", b"three" * 1000))
    assert [bytes(record) for record in tfrecord_iterator(str(path))] == [b"one", b"", b"three" * 1000]


@pytest.mark.parametrize(
    "name", ["data.tfrecord.gz", "data_tfrecord-00000-of-00001.gz", "data-00000-of-00001", "x.bin"]
)
def test_a_tfrecord_file_is_known_by_its_name_or_its_beginning(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    data = framed(example(x=[1.0]).SerializeToString())
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    (found,) = load(path)
    assert features(found.example or b"") == {"x": [1.0]}


WHOLE = framed(example(x=[1.0]).SerializeToString(), example(x=[2.0]).SerializeToString())
HALF = len(WHOLE) // 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"short", "record 1: cut short, 5 of 12 bytes"),
        (WHOLE[:-1], f"record 2: cut short, {HALF - 1} of {HALF} bytes"),
        (WHOLE[: HALF + 12], f"record 2: cut short, 12 of {HALF} bytes"),
        (
            b"this is a text and no records",
            "record 1: wrong checksum of the record's length; this is not a TFRecord file",
        ),
        (WHOLE[:HALF] + b"\1" + WHOLE[HALF + 1 :], "record 2: wrong checksum of the record's length; the file is"),
        (WHOLE[:20] + b"\xff" + WHOLE[21:], "record 1: wrong checksum of the record's data"),
        (framed(b"\xff\xff"), "record 1: not a tf.Example (a number is cut short)"),
        (framed(b""), "record 1: not a tf.Example, or a tf.Example without features"),
        (framed(bytes_field(6, b"x")), "record 1: not a tf.Example, or a tf.Example without features"),
        (framed(b"\n\x7fshort"), "record 1: not a tf.Example (field 1 is cut short)"),
    ],
)
@pytest.mark.parametrize("is_packed", [False, True])
def test_what_is_wrong_in_a_tfrecord_file_is_named_with_its_record(
    tmp_path: Path, data: bytes, words: str, is_packed: bool
) -> None:
    path = tmp_path / "data.tfrecord"
    path.write_bytes(gzip.compress(data) if is_packed else data)
    with pytest.raises(UsageError) as caught:
        load(path)
    assert words in str(caught.value)
    assert "data.tfrecord" in str(caught.value)


def test_a_record_that_claims_to_be_huge_is_refused_before_it_is_read(tmp_path: Path) -> None:
    length = struct.pack("<Q", PIECE_LIMIT + 1)
    checksum = struct.pack("<I", masked_crc32c(length))
    (tmp_path / "x.tfrecord").write_bytes(length + checksum)
    with pytest.raises(UsageError, match="record 1: longer than 64 MiB"):
        load(tmp_path / "x.tfrecord")


@given(st.binary(max_size=80) | st.binary(max_size=60).map(framed))
@settings(max_examples=100, deadline=None, database=None)
def test_any_file_is_read_or_refused_with_a_usage_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.tfrecord"
    path.write_bytes(data)
    with contextlib.suppress(UsageError):
        assert len(load(path)) > 0


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


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_number_survives(value: int) -> None:
    ((_, _, found),) = fields(number_field(1, value))
    assert isinstance(found, int)
    assert to_signed(found) == value
