"""The wire format of Protocol Buffers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ivdocker.requests.formats.protobuf import fields, number_field, to_signed


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_number_survives(value: int) -> None:
    ((_, _, found),) = fields(number_field(1, value))
    assert isinstance(found, int)
    assert to_signed(found) == value
