"""Requests as data."""

from __future__ import annotations

from ivdocker.requests.model import Requests


def test_no_requests_are_none() -> None:
    assert not Requests(lambda: iter(()), 0)
