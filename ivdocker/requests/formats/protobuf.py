"""Protocol Buffers' wire format, as much of it as tf.Example and a warm-up request need. Pure.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

_VARINT_BYTES = 10
_FIXED = {FIXED64: 8, FIXED32: 4}


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Number, wire type and value of each field: an int for a varint, else the bytes. Raises ValueError."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise ValueError(f"there is no field number {number}")
        if kind == VARINT:
            value, at = read_varint(data, at)
            yield number, kind, value
            continue
        if kind == LENGTH:
            size, at = read_varint(data, at)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError(f"field {number} has the wire type {kind}")
        if at + size > len(data):
            raise ValueError(f"field {number} is cut short")
        yield number, kind, data[at : at + size]
        at += size


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned number that begins there, and where it ends. Raises ValueError."""
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
    """An int64 of the varint that stands for it."""
    return value - (1 << 64) if value >> 63 else value


def varint(value: int) -> bytes:
    """``value``: an int64 or a uint64."""
    value &= 0xFFFFFFFFFFFFFFFF
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3 | VARINT) + varint(value)


def bytes_field(number: int, data: bytes) -> bytes:
    """Of a string, of bytes, of a message, or of packed numbers."""
    return varint(number << 3 | LENGTH) + varint(len(data)) + data


def packed_floats(values: Iterable[float], code: str) -> bytes:
    """``code`` as in struct: ``f`` or ``d``. Raises OverflowError for a number beyond it."""
    found = list(values)
    return struct.pack(f"<{len(found)}{code}", *found)
