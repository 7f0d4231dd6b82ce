"""Holds an answer of the Open Inference Protocol against the outputs that the model's own metadata declares. Pure.

A client that is made from the metadata reads an answer so, and no other way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ivdocker.servers.records import Tensor

_TYPES = frozenset(
    {"BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64"}
    | {"BYTES"}
)
"""The protocol's types. MLServer takes a type of another name from the user, and means nothing by it."""


def tensors(record: Any, key: str) -> dict[str, Mapping[str, Any]] | None:
    """The tensors under this key by their names. None if it holds none in the protocol's form."""
    tensors = record.get(key) if isinstance(record, dict) else None
    if not isinstance(tensors, list) or not all(isinstance(each, dict) and "name" in each for each in tensors):
        return None
    return {str(each["name"]): each for each in tensors}


def wrong_output(body: Any, answer: Any, declared: Sequence[Tensor], is_batched: bool) -> str | None:
    """Return what the first output has that its declaration has not, None if all is as declared.

    ``body``: the request's. ``is_batched``: whether the first dimension of all tensors is the batch.
    """
    found = tensors(answer, "outputs")
    if found is None or not declared:
        return None
    batch = _batch(body) if is_batched else None
    for tensor in _wanted(body, declared):
        output = found.get(tensor.name)
        if output is None:
            names = ", ".join(map(repr, found)) or "none"
            return f"at $.outputs: the model's metadata declares {tensor.name!r}, which is absent (outputs: {names})"
        wrong = _wrong_type(output, tensor) or _wrong_shape(output, tensor, batch)
        if wrong:
            return f"at $.outputs: {tensor.name!r} {wrong}"
    return None


def _wanted(body: Any, declared: Sequence[Tensor]) -> Iterator[Tensor]:
    """The declared outputs that this request gets unchanged: those that it asks for, by default all."""
    asked = tensors(body, "outputs")
    for tensor in declared:
        if not asked or (tensor.name in asked and not asked[tensor.name].get("parameters")):
            yield tensor


def _wrong_type(output: Mapping[str, Any], tensor: Tensor) -> str | None:
    datatype = output.get("datatype")
    if datatype == tensor.datatype or not {datatype, tensor.datatype} <= _TYPES:
        return None
    return f"is {datatype}, and the model's metadata declares {tensor.datatype}"


def _wrong_shape(output: Mapping[str, Any], tensor: Tensor, batch: int | None) -> str | None:
    shape = output.get("shape")
    if not (isinstance(shape, list) and all(isinstance(size, int) for size in shape) and tensor.shape):
        return None
    wanted = tensor.shape if batch is None else (batch, *tensor.shape[1:])
    # MLServer's runtimes add a last dimension of 1 to what is declared as a list.
    if _fits(shape, wanted) or _fits(_squeezed(shape), _squeezed(wanted)):
        return None
    text = f"has the shape {shape}, and the model's metadata declares {list(tensor.shape)}"
    return text if batch is None else f"{text} (the request's batch is {batch})"


def _fits(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    return len(shape) == len(wanted) and all(want in (-1, size) for size, want in zip(shape, wanted, strict=True))


def _squeezed(shape: Sequence[int]) -> Sequence[int]:
    return shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape


def _batch(body: Any) -> int | None:
    """The size of the request's batch. None if its inputs do not tell."""
    inputs = tensors(body, "inputs") or {}
    shapes = [each.get("shape") for each in inputs.values()]
    sizes = {shape[0] for shape in shapes if isinstance(shape, list) and shape}
    return sizes.pop() if len(sizes) == 1 else None
