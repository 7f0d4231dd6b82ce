"""TFRecord, held against an independent one: the package tfrecord."""

from __future__ import annotations

import contextlib
import gzip
import io
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecord import TFRecordWriter, iterator_utils, tfrecord_iterator  # type: ignore[import-untyped]

from ivdocker.errors import UsageError
from ivdocker.requests.formats import tfrecord
from ivdocker.requests.formats.crc32c import masked_crc32c
from ivdocker.requests.formats.protobuf import bytes_field
from ivdocker.requests.read.files import load
from ivdocker.requests.read.source import PIECE_LIMIT
from ivdocker.requests.read.tf_example import features
from tests.unit.requests.helpers import example

assert iterator_utils


def framed(*records: bytes) -> bytes:
    stream = io.BytesIO()
    for record in records:
        tfrecord.write_record(stream, record)
    return stream.getvalue()


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
