"""What the tests of requests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfrecord import example_pb2  # type: ignore[import-untyped]

from ivdocker.requests.model import Request
from ivdocker.requests.read import files
from ivdocker.servers.client import Tensor


def requests_in(folder: Path, content: str | bytes) -> list[Request]:
    path = folder / "requests.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(files.load(path))


def request(body: Any = None, **rest: Any) -> Request:
    return Request({"instances": [1.0, 2.0]} if body is None else body, "f:1", **rest)


def example(**values: Any) -> Any:
    made = example_pb2.Example()
    for name, value in values.items():
        feature = made.features.feature[name]
        kind = {bytes: feature.bytes_list, float: feature.float_list, int: feature.int64_list}[type(value[0])]
        kind.value.extend(value)
    return made


X = Tensor("x", "DT_FLOAT", (-1,))
