"""L3. Makes a valid request from what the server says of the model's inputs."""

from __future__ import annotations

from typing import Any

from ivdocker.serving.client import BaseModelServerClient


def example_request(client: BaseModelServerClient) -> Any | None:
    """A request with a zero, an empty string or False in every place, unknown dimensions 1; None when the server does
    not tell the model's inputs."""
    inputs = client.inputs()
    if not inputs:
        return None
    return client.request_body({tensor.name: _filled(tensor.shape, _ZEROS[tensor.kind]) for tensor in inputs}, inputs)


_ZEROS: dict[str, Any] = {"float": 0.0, "int": 0, "bool": False, "string": ""}


def _filled(shape: tuple[int, ...], value: Any) -> Any:
    if not shape:
        return value
    return [_filled(shape[1:], value) for _ in range(max(1, shape[0]))]
