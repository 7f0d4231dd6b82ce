"""Makes the body of a request that has only values. The model must be loaded, so that its inputs are known."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from ivdocker.errors import UsageError
from ivdocker.requests.model import ONLY_INPUT, Cell, Request, Row
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
        values = _values_of_arrays(request.values or {}, inputs, client)
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


def _values_of_arrays(values: Mapping[str, Any], inputs: list[Tensor], client: BaseModelServerClient) -> dict[str, Any]:
    known = {tensor.name: tensor for tensor in inputs}
    only = values[ONLY_INPUT] if set(values) == {ONLY_INPUT} else None
    if isinstance(only, Row) and not _is_table_of(only, inputs):
        return _values_of_row(only, inputs, client)
    if isinstance(only, Row):
        values = {tensor.name: cell for tensor, cell in zip(inputs, only, strict=True)}
    elif only is not None:
        if len(inputs) != 1:
            why = f"this model takes {_names(known)}" if known else "the server does not report this model's inputs"
            raise UsageError(f"an array without a name is for a model with one input, but {why}; use a .npz file")
        values = {inputs[0].name: only}
    _check_names(values, known)
    return {name: _convert_cell(name, value, known.get(name), client) for name, value in values.items()}


def _check_names(values: Mapping[str, Any], known: Mapping[str, Tensor]) -> None:
    """Raises UsageError unless there is a value for every input that the model needs, and for nothing else."""
    for name, value in values.items():
        if known and name not in known:
            remedy = f"; leave the column out with --ignore-columns {name}" if isinstance(value, Cell) else ""
            raise UsageError(f"the model has no input {name!r} (it takes {_names(known)}){remedy}")
    for name, tensor in known.items():
        if name not in values and tensor.is_required:
            raise UsageError(f"no value for the model's input {name!r} (there are values for {_names(values)})")


def _is_table_of(row: Row, inputs: list[Tensor]) -> bool:
    """Whether the inputs are the columns of a table in a known order, as many as the row has fields."""
    return len(row) == len(inputs) and all(tensor.shape == () for tensor in inputs)


def _values_of_row(row: Row, inputs: list[Tensor], client: BaseModelServerClient) -> dict[str, Any]:
    """Return the fields of a row without names as the values of the model's one input."""
    if len(inputs) != 1:
        names = ",".join(tensor.name for tensor in inputs)
        what = f"the model's inputs in the first line: {names}" if inputs else "the columns' names in the first line"
        raise UsageError(f"the number of fields is {len(row)}, and the file has no header; write {what}")
    (tensor,) = inputs
    items = [_convert(f"column {number}", cell, tensor, client) for number, cell in enumerate(row, 1)]
    return {tensor.name: _batch_of_one(tensor.name, items, tensor)}


def _convert_cell(name: str, value: Any, tensor: Tensor | None, client: BaseModelServerClient) -> Any:
    """Return a CSV field as a batch of one, in the type of its input. Any other value is returned as it is."""
    if not isinstance(value, Cell):
        return value
    if tensor is None:
        raise UsageError(
            f"column {name!r}: its type is not known, because the server does not report the model's inputs"
        )
    return _batch_of_one(name, [_convert(f"column {name!r}", value, tensor, client)], tensor)


def _convert(where: str, cell: Cell, tensor: Tensor, client: BaseModelServerClient) -> Any:
    """Return one field in the type of its input. An empty one is a missing value, where the model may take such."""
    convert, kind = _CONVERTERS.get(tensor.kind, (str, "a string"))
    text = str(cell)
    if not text.strip() and convert is not str:
        if client.may_be_missing(tensor):
            return None
        raise UsageError(f"{where}: the field is empty, but the model takes {kind}; fill it, or leave the row out")
    try:
        return convert(text)
    except (ValueError, RecursionError):
        raise UsageError(f"{where}: {text[:40]!r} is not {kind}") from None


def _to_bool(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(text)
    return text.lower() in ("true", "1")


_CONVERTERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "float": (float, "a float"),
    "int": (int, "an integer"),
    "bool": (_to_bool, "a bool (true, false, 1 or 0)"),
    "object": (json.loads, "JSON"),
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
