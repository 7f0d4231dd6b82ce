"""CRC-32C, held against an independent one: the package crc32c."""

from __future__ import annotations

import crc32c as reference_crc
from hypothesis import given, settings
from hypothesis import strategies as st

from ivdocker.requests.formats.crc32c import crc32c


@given(st.binary(max_size=100))
@settings(max_examples=100, deadline=None, database=None)
def test_the_checksum_is_crc32c(data: bytes) -> None:
    assert crc32c(data) == reference_crc.crc32c(data)


def test_the_checksum_of_the_standards_own_example() -> None:
    """RFC 3720, appendix B.4."""
    assert crc32c(b"\0" * 32) == 0x8A9136AA
    assert crc32c(bytes(range(32))) == 0x46DD794E
