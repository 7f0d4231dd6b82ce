"""Converts a REST request for TensorFlow Serving into the PredictionLog message that a warm-up file holds.

The field numbers are those of tensorflow_serving/apis/{prediction_log,predict,model}.proto and
tensorflow/core/framework/{tensor,tensor_shape,types}.proto. JSON becomes tensors as in
tensorflow_serving/util/json_tensor.cc.
"""

from __future__ import annotations

import binascii
import struct
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ivdocker.requests.formats.protobuf import bytes_field, number_field, packed_floats, varint
from ivdocker.servers.records import Tensor

_LOG_PREDICT = 6
_PREDICT_REQUEST = 1
_REQUEST_SPEC, _REQUEST_INPUTS = 1, 2
_SPEC_NAME, _SPEC_SIGNATURE = 1, 3
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_TENSOR_DTYPE, _TENSOR_SHAPE, _TENSOR_STRINGS = 1, 2, 8
_SHAPE_DIM = 2
_DIM_SIZE = 1

_MAX_DIMENSIONS = 254
"""TensorShape::MaxDimensions() of tensorflow/core/framework/tensor_shape.h."""


class _Type(NamedTuple):
    """How TensorProto holds values of a type.

    ``number``: the type's number in DataType. ``field``: the number of the field that holds the values.
    ``packed``: returns the content of that field.
    """

    number: int
    field: int
    packed: Callable[[list[Any]], bytes]


def _varints(values: list[Any]) -> bytes:
    return b"".join(varint(int(value)) for value in values)


def _floats(values: list[Any]) -> bytes:
    return packed_floats(values, "f")


def _doubles(values: list[Any]) -> bytes:
    return packed_floats(values, "d")


_TYPES = {
    "DT_FLOAT": _Type(1, 5, _floats),
    "DT_DOUBLE": _Type(2, 6, _doubles),
    "DT_INT32": _Type(3, 7, _varints),
    "DT_UINT8": _Type(4, 7, _varints),
    "DT_INT16": _Type(5, 7, _varints),
    "DT_INT8": _Type(6, 7, _varints),
    "DT_STRING": _Type(7, _TENSOR_STRINGS, bytes),
    "DT_INT64": _Type(9, 10, _varints),
    "DT_BOOL": _Type(10, 11, _varints),
    "DT_UINT32": _Type(22, 16, _varints),
    "DT_UINT64": _Type(23, 17, _varints),
}
"""The types that TensorFlow Serving's REST API accepts."""


def prediction_log(model_name: str, signature: str, body: Any, inputs: list[Tensor]) -> bytes:
    """Return the serialized PredictionLog of a request in row format (``instances``) or column format (``inputs``).

    ``signature``: the signature's name, empty for the server's default. Raises ValueError when the request does not fit
    the inputs.
    """
    if not inputs:
        raise ValueError("the server does not report the types of the model's inputs")
    values = _values_by_input(body, [tensor.name for tensor in inputs])
    spec = bytes_field(_SPEC_NAME, model_name.encode())
    if signature:
        spec += bytes_field(_SPEC_SIGNATURE, signature.encode())
    request = bytes_field(_REQUEST_SPEC, spec)
    for tensor in inputs:
        proto = _tensor_proto(tensor, values[tensor.name])
        entry = bytes_field(_ENTRY_KEY, tensor.name.encode()) + bytes_field(_ENTRY_VALUE, proto)
        request += bytes_field(_REQUEST_INPUTS, entry)
    return bytes_field(_LOG_PREDICT, bytes_field(_PREDICT_REQUEST, request))


def _values_by_input(body: Any, names: list[str]) -> dict[str, Any]:
    """Return nested lists by input name."""
    if "instances" in body:
        rows = body["instances"]
        if not (isinstance(rows, list) and rows):
            raise ValueError("'instances' must be a list with at least one item")
        if _is_named(rows[0]):
            return {name: [_value_of(row, name) for row in rows] for name in names}
        found = rows
    else:
        found = body["inputs"]
        if _is_named(found):
            return {name: _value_of(found, name) for name in names}
    if len(names) > 1:
        raise ValueError(f"the values have no names, but the model has several inputs: {', '.join(names)}")
    return {names[0]: found}


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


def _value_of(values: Any, name: str) -> Any:
    if not isinstance(values, dict) or name not in values:
        raise ValueError(f"no value for the input {name!r}")
    return values[name]


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _tensor_proto(tensor: Tensor, value: Any) -> bytes:
    kind = _TYPES.get(tensor.datatype)
    if kind is None:
        raise ValueError(f"input {tensor.name!r} is {tensor.datatype}, which a REST request cannot hold")
    shape = _shape(value)
    dims = b"".join(bytes_field(_SHAPE_DIM, number_field(_DIM_SIZE, size)) for size in shape)
    proto = number_field(_TENSOR_DTYPE, kind.number) + bytes_field(_TENSOR_SHAPE, dims)
    flat = list(_flatten(value, shape))
    if kind.field == _TENSOR_STRINGS:
        return proto + b"".join(bytes_field(_TENSOR_STRINGS, _string(item)) for item in flat)
    if not all(isinstance(item, (int, float)) for item in flat):
        raise ValueError(f"input {tensor.name!r} has a value that is not a number")
    try:
        return proto + bytes_field(kind.field, kind.packed(flat))
    except (OverflowError, ValueError, struct.error) as error:
        raise ValueError(f"input {tensor.name!r} has a value that is not {tensor.datatype}: {error}") from None


def _shape(value: Any) -> list[int]:
    """Return the length of the first list at each depth. The server computes the shape in the same way."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    if len(shape) > _MAX_DIMENSIONS:
        raise ValueError(f"the tensor has more than {_MAX_DIMENSIONS} dimensions")
    return shape


def _flatten(value: Any, shape: list[int]) -> Iterator[Any]:
    """Yield the values of nested lists. Raises ValueError when the lists do not have this shape."""
    if not shape:
        if isinstance(value, list):
            raise ValueError("the lists have different depths")
        yield value
        return
    if not isinstance(value, list) or len(value) != shape[0]:
        raise ValueError("the lists have different lengths")
    for item in value:
        yield from _flatten(item, shape[1:])


def _string(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if _is_base64(value):
        try:
            return b64decode(value["b64"])
        except binascii.Error as error:
            raise ValueError(f"the value of b64 is not base64 ({error})") from None
    raise ValueError(f"{str(value)[:40]} is not a string")
