"""TFRecord files of tf.Example.

The messages are defined in tensorflow/core/example/example.proto and feature.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ivdocker.errors import UsageError
from ivdocker.requests.formats import tfrecord
from ivdocker.requests.formats.protobuf import FIXED32, LENGTH, VARINT, fields, read_varint, to_signed
from ivdocker.requests.model import Request
from ivdocker.requests.read.source import Source, open_unpacked

Feature = list[bytes] | list[float] | list[int]

_EXAMPLE_FEATURES = _FEATURES_ENTRY = _ENTRY_KEY = _LIST_VALUE = 1
_ENTRY_VALUE = 2
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3


def read(source: Source) -> Iterator[Request]:
    """Yield one request per record. Raises UsageError, which names the record's number."""
    with open_unpacked(source) as stream:
        for where, record in tfrecord.read_records(stream, source.name):
            try:
                found = features(record)
            except ValueError as error:
                raise UsageError(f"{where}: not a tf.Example ({error})") from None
            if not found:
                raise UsageError(f"{where}: not a tf.Example, or a tf.Example without features")
            yield Request(None, where, example=record)


def features(example: bytes) -> dict[str, Feature]:
    """Return the values of a serialized tf.Example by feature name. Raises ValueError.

    As every parser of Protocol Buffers does, it skips unknown fields, and of two values for one key it takes the last.
    """
    found: dict[str, Feature] = {}
    for message in _messages(example, _EXAMPLE_FEATURES):
        for entry in _messages(message, _FEATURES_ENTRY):
            keys = list(_messages(entry, _ENTRY_KEY))
            values = list(_messages(entry, _ENTRY_VALUE))
            found[keys[-1].decode() if keys else ""] = _feature(values[-1]) if values else []
    return found


def _messages(data: bytes, wanted: int) -> Iterator[bytes]:
    """Yield the content of each field with this number. Raises ValueError for a field that is a number."""
    for number, kind, value in fields(data):
        if number == wanted:
            yield _content(number, kind, value)


def _content(number: int, kind: int, value: int | bytes) -> bytes:
    if kind != LENGTH or not isinstance(value, bytes):
        raise ValueError(f"field {number} has the wire type {kind} instead of {LENGTH}")
    return value


def _feature(data: bytes) -> Feature:
    found: Feature = []
    for number, kind, value in fields(data):
        if number in _LISTS:
            found = _LISTS[number](_content(number, kind, value))
    return found


def _bytes_list(data: bytes) -> Feature:
    return list(_messages(data, _LIST_VALUE))


def _float_list(data: bytes) -> Feature:
    found: list[float] = []
    for number, kind, value in fields(data):
        if number != _LIST_VALUE:
            continue
        if kind not in (LENGTH, FIXED32) or not isinstance(value, bytes) or len(value) % 4:
            raise ValueError("a float_list holds a value that is not a float")
        found.extend(struct.unpack(f"<{len(value) // 4}f", value))
    return found


def _int64_list(data: bytes) -> Feature:
    found: list[int] = []
    for number, kind, value in fields(data):
        if number != _LIST_VALUE:
            continue
        if kind == VARINT and isinstance(value, int):
            found.append(to_signed(value))
        elif kind == LENGTH and isinstance(value, bytes):
            at = 0
            while at < len(value):
                one, at = read_varint(value, at)
                found.append(to_signed(one))
        else:
            raise ValueError("an int64_list holds a value that is not an integer")
    return found


_LISTS = {_BYTES_LIST: _bytes_list, _FLOAT_LIST: _float_list, _INT64_LIST: _int64_list}
