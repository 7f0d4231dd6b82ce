"""Makes the body of a request that has only values. The model must be loaded, so that its inputs are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ivdocker.errors import UsageError
from ivdocker.requests.model import ONLY_INPUT, Cell, Request
from ivdocker.requests.read.tf_example import features
from ivdocker.servers.client import BaseModelServerClient
from ivdocker.servers.records import Tensor


def lacks_body(request: Request) -> bool:
    """Return whether the body has to be made from the request's values or tf.Example."""
    return request.body is None and (request.values is not None or request.example is not None)


def with_body(request: Request, client: BaseModelServerClient, inputs: list[Tensor]) -> Request:
    """Return the request with a body for these inputs. ``inputs`` is empty where the server does not report them.

    Raises UsageError when the request's values do not fit the inputs.
    """
    if request.example is not None:
        values = _values_of_example(request.example, inputs, client)
    else:
        values = _values_of_arrays(request.values or {}, inputs)
    return request._replace(body=client.request_body(values, inputs, request.model_name))


def _values_of_example(example: bytes, inputs: list[Tensor], client: BaseModelServerClient) -> dict[str, Any]:
    """Return the features of the inputs' names.

    When a feature is missing and the model has one string input, the value is the whole serialized example instead.
    """
    found = features(example)
    missing = [tensor.name for tensor in inputs if tensor.name not in found]
    if missing and len(inputs) == 1 and inputs[0].kind == "string":
        return {inputs[0].name: [client.bytes_value(example)]}
    if missing:
        raise UsageError(
            f"the tf.Example has no feature for the model's input {missing[0]!r} (its features: {_names(found)});"
            " a whole tf.Example can be sent only to a model with one string input"
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
            why = f"this model takes {_names(known)}" if known else "the server does not report this model's inputs"
            raise UsageError(f"an array without a name is for a model with one input, but {why}; use a .npz file")
        values = {inputs[0].name: values[ONLY_INPUT]}
    for name in values:
        if known and name not in known:
            raise UsageError(f"the model has no input {name!r} (it takes {_names(known)})")
    for name in known:
        if name not in values:
            raise UsageError(f"no value for the model's input {name!r} (there are values for {_names(values)})")
    return {name: _convert_cell(name, value, known.get(name)) for name, value in values.items()}


def _convert_cell(name: str, value: Any, tensor: Tensor | None) -> Any:
    """Return a CSV field as a batch of one, in the type of its input. Any other value is returned as it is."""
    if not isinstance(value, Cell):
        return value
    if tensor is None:
        raise UsageError(
            f"column {name!r}: its type is not known, because the server does not report the model's inputs"
        )
    convert, kind = _CONVERTERS.get(tensor.kind, (str, "a string"))
    try:
        item = convert(str(value))
    except ValueError:
        raise UsageError(f"column {name!r}: {str(value)[:40]!r} is not {kind}") from None
    return _batch_of_one(name, [item], tensor)


def _to_bool(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(text)
    return text.lower() in ("true", "1")


_CONVERTERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "float": (float, "a float"),
    "int": (int, "an integer"),
    "bool": (_to_bool, "a bool (true, false, 1 or 0)"),
}
"""For each kind of input: what makes a value of a CSV field, and the kind's name in messages."""


def _batch_of_one(name: str, values: list[Any], tensor: Tensor | None) -> list[Any]:
    """Return the values of one example as a batch with one item.

    The item has the input's shape when that has more than the batch dimension. Otherwise one value is a scalar, and
    several values are a list.
    """
    if tensor is None or len(tensor.shape) < 2:
        return values if len(values) == 1 else [values]
    sizes = list(tensor.shape[1:])
    known = math.prod(size for size in sizes if size >= 0)
    if sizes.count(-1) == 1 and known:
        sizes[sizes.index(-1)] = len(values) // known
    if min(sizes) < 0 or math.prod(sizes) != len(values):
        shape = list(tensor.shape)
        raise UsageError(
            f"the number of values for the input {name!r} is {len(values)}, which does not fit its shape {shape}"
        )
    for size in reversed(sizes[1:]):
        values = [values[at : at + size] for at in range(0, len(values), size)]
    return [values]


def _to_json(value: Any, client: BaseModelServerClient) -> Any:
    """Return bytes as text where they are UTF-8, otherwise as this server takes bytes. Numbers stay as they are."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return client.bytes_value(value)


def _names(names: Mapping[str, Any]) -> str:
    return ", ".join(sorted(names)[:10]) or "nothing"
