"""The wire format of Protocol Buffers, as far as tf.Example and warm-up requests need it.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

_VARINT_BYTES = 10
_FIXED = {FIXED64: 8, FIXED32: 4}


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield number, wire type and value of each field. The value is an int for a varint, otherwise the bytes.

    Raises ValueError when the data are not a message.
    """
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise ValueError(f"field number {number} does not exist")
        if kind == VARINT:
            value, at = read_varint(data, at)
            yield number, kind, value
            continue
        if kind == LENGTH:
            size, at = read_varint(data, at)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError(f"field {number} has the unknown wire type {kind}")
        if at + size > len(data):
            raise ValueError(f"field {number} is cut short")
        yield number, kind, data[at : at + size]
        at += size


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the unsigned number that begins at ``at``, and the position after it. Raises ValueError."""
    value = 0
    for index in range(_VARINT_BYTES):
        if at + index >= len(data):
            raise ValueError("a number is cut short")
        byte = data[at + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at + index + 1
    raise ValueError("a number is longer than 64 bits")


def to_signed(value: int) -> int:
    """Return the int64 that an unsigned varint stands for."""
    return value - (1 << 64) if value >> 63 else value


def varint(value: int) -> bytes:
    """Return the varint of an int64 or a uint64."""
    value &= 0xFFFFFFFFFFFFFFFF
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def number_field(number: int, value: int) -> bytes:
    """Return a field that holds a number."""
    return varint(number << 3 | VARINT) + varint(value)


def bytes_field(number: int, data: bytes) -> bytes:
    """Return a field that holds a string, bytes, a message or packed numbers."""
    return varint(number << 3 | LENGTH) + varint(len(data)) + data


def packed_floats(values: Iterable[float], code: str) -> bytes:
    """Return the numbers as floats (``code`` is ``f``) or doubles (``d``), without a field number.

    Raises OverflowError for a number that does not fit the type.
    """
    found = list(values)
    return struct.pack(f"<{len(found)}{code}", *found)
