"""Makes the body of a request that has none yet: its values meet the model's inputs, once the model is loaded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ivdocker.errors import UsageError
from ivdocker.requests.model import ONLY_INPUT, Cell, Request
from ivdocker.requests.read.tf_example import features
from ivdocker.servers.client import BaseModelServerClient, Tensor


def lacks_body(request: Request) -> bool:
    """Whether its body has to be made of its values."""
    return request.body is None and (request.values is not None or request.example is not None)


def with_body(request: Request, client: BaseModelServerClient, inputs: list[Tensor]) -> Request:
    """The request with a body made for these inputs, none where they are not known. Raises UsageError when its values
    do not fit them."""
    if request.example is not None:
        values = _values_of_example(request.example, inputs, client)
    else:
        values = _values_of_arrays(request.values or {}, inputs)
    return request._replace(body=client.request_body(values, inputs))


def _values_of_example(example: bytes, inputs: list[Tensor], client: BaseModelServerClient) -> dict[str, Any]:
    """Its features where there is one for each input; else, for a model of one string input, the example itself."""
    found = features(example)
    missing = [tensor.name for tensor in inputs if tensor.name not in found]
    if missing and len(inputs) == 1 and inputs[0].kind == "string":
        return {inputs[0].name: [client.bytes_value(example)]}
    if missing:
        raise UsageError(
            f"the tf.Example has no feature {missing[0]!r}, which the model takes (features: {_names(found)});"
            " it can be sent whole only to a model of one string input"
        )
    tensors = {tensor.name: tensor for tensor in inputs}
    return {
        name: _batch_of_one(name, [_to_json(value, client) for value in found[name]], tensors.get(name))
        for name in (tensors or found)
    }


def _values_of_arrays(values: Mapping[str, Any], inputs: list[Tensor]) -> dict[str, Any]:
    known = {tensor.name: tensor for tensor in inputs}
    if set(values) == {ONLY_INPUT}:
        if len(inputs) != 1:
            takes = f"takes {_names(known)}" if known else "is asked on a server that does not tell its inputs"
            raise UsageError(f"an array without a name is for a model of one input, and this one {takes}; use .npz")
        values = {inputs[0].name: values[ONLY_INPUT]}
    for name in values:
        if known and name not in known:
            raise UsageError(f"the model has no input {name!r} (it takes {_names(known)})")
    for name in known:
        if name not in values:
            raise UsageError(f"nothing for the model's input {name!r} (there is {_names(values)})")
    return {name: _convert_cell(name, value, known.get(name)) for name, value in values.items()}


def _convert_cell(name: str, value: Any, tensor: Tensor | None) -> Any:
    """A table's value in the type of its input, as a batch of one; whatever else as it is."""
    if not isinstance(value, Cell):
        return value
    if tensor is None:
        raise UsageError(f"column {name!r}: the server does not tell the model's inputs, so its type is not known")
    cast = _CONVERTERS.get(tensor.kind, str)
    try:
        item = cast(str(value))
    except ValueError:
        raise UsageError(f"column {name!r}: {str(value)[:40]!r} is no {tensor.kind}") from None
    return _batch_of_one(name, [item], tensor)


def _bool(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(text)
    return text.lower() in ("true", "1")


_CONVERTERS: dict[str, Callable[[str], Any]] = {"float": float, "int": int, "bool": _bool}


def _batch_of_one(name: str, values: list[Any], tensor: Tensor | None) -> list[Any]:
    """The values of one example as the only item of a batch: in the input's shape where that is more than the batch,
    else one value as a scalar and several as a list."""
    if tensor is None or len(tensor.shape) < 2:
        return values if len(values) == 1 else [values]
    sizes = list(tensor.shape[1:])
    known = math.prod(size for size in sizes if size >= 0)
    if sizes.count(-1) == 1 and known:
        sizes[sizes.index(-1)] = len(values) // known
    if min(sizes) < 0 or math.prod(sizes) != len(values):
        raise UsageError(f"{len(values)} values for the input {name!r}, which takes {list(tensor.shape)}")
    for size in reversed(sizes[1:]):
        values = [values[at : at + size] for at in range(0, len(values), size)]
    return [values]


def _to_json(value: Any, client: BaseModelServerClient) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return client.bytes_value(value)


def _names(names: Mapping[str, Any]) -> str:
    return ", ".join(sorted(names)[:10]) or "nothing"
