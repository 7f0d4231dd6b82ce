"""TFRecord files. Each record is: length, checksum of the length, data, checksum of the data.

The length is a little-endian uint64, the checksums are masked CRC-32Cs as uint32
(tensorflow/core/lib/io/record_writer.h).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, BinaryIO

from ivdocker.errors import UsageError
from ivdocker.requests.formats.crc32c import masked_crc32c
from ivdocker.requests.read.source import PIECE_LIMIT, read_piece, too_long

HEADER_BYTES = 12
_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")


def is_record_header(head: bytes) -> bool:
    """Return whether these bytes are the length and the checksum of a record.

    Other data pass this test by chance once in 2**32.
    """
    return len(head) == HEADER_BYTES and _CHECKSUM.unpack(head[8:])[0] == masked_crc32c(head[:8])


def read_records(stream: BinaryIO, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield each record with its place, ``NAME: record NUMBER``. Raises UsageError, which names the record."""
    number = 0
    while True:
        number += 1
        where = f"{name}: record {number}"
        head = read_piece(stream, where, HEADER_BYTES)
        if not head:
            return
        if len(head) < HEADER_BYTES:
            raise _cut(where, len(head), HEADER_BYTES)
        if not is_record_header(head):
            reason = "this is not a TFRecord file, or it is damaged" if number == 1 else "the file is damaged"
            raise UsageError(f"{where}: wrong checksum of the record's length; {reason}")
        length, _ = _HEADER.unpack(head)
        if length > PIECE_LIMIT:
            raise too_long(where)
        yield where, _data(stream, where, length)


def _data(stream: BinaryIO, where: str, length: int) -> bytes:
    data = read_piece(stream, where, length)
    checksum = read_piece(stream, where, _CHECKSUM.size)
    whole = HEADER_BYTES + length + _CHECKSUM.size
    if len(checksum) < _CHECKSUM.size:
        raise _cut(where, HEADER_BYTES + len(data) + len(checksum), whole)
    if _CHECKSUM.unpack(checksum)[0] != masked_crc32c(data):
        raise UsageError(f"{where}: wrong checksum of the record's data; the file is damaged")
    return data


def write_record(stream: IO[bytes], data: bytes) -> None:
    """Write one record to the stream."""
    length = struct.pack("<Q", len(data))
    stream.write(length + _CHECKSUM.pack(masked_crc32c(length)) + data + _CHECKSUM.pack(masked_crc32c(data)))


def _cut(where: str, found: int, whole: int) -> UsageError:
    return UsageError(f"{where}: cut short, {found} of {whole} bytes are there; copy the file again")
