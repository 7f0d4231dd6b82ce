"""Requests files as the tests write and read them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy
import pytest

from ivdocker.errors import UsageError
from ivdocker.requests.model import Request
from ivdocker.requests.read.files import load


def made(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def one(path: Path) -> Request:
    (request,) = load(path)
    return request


def refused(path: Path | str) -> str:
    with pytest.raises(UsageError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def array(value: Any, **what: Any) -> bytes:
    stream = io.BytesIO()
    numpy.save(stream, numpy.array(value, **what))
    return stream.getvalue()


def arrays(**values: Any) -> bytes:
    stream = io.BytesIO()
    numpy.savez(stream, **values)
    return stream.getvalue()
