"""Finds what is wrong in a response, whatever response was expected. Pure: it reads and sends nothing."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from ivdocker.requests.judge.compare import NOT_FINITE
from ivdocker.requests.model import Request
from ivdocker.text import one_line


def error_in(request: Request, answer: Any) -> str | None:
    """Return the error that a response with HTTP status 200 reports. None: there is no error, or ``expect`` wants one.

    These are errors:

    - ``{"error": ...}`` with a string, an object or a list (TensorFlow Serving, Triton, the OpenAI API)
    - an ``error`` of any kind beside ``"status": "failed"`` (Cog)
    - ``{"code": 503, "type": ..., "message": ...}`` (TorchServe)

    A number in ``error`` is not an error, because it can just as well be an output of the model.
    """
    if not isinstance(answer, dict) or _expects(request, "error") or _expects(request, "status"):
        return None
    error = answer.get("error")
    if error is True or (error and isinstance(error, (str, dict, list))):
        return _text(error)
    if "error" in answer and answer.get("status") == "failed":
        return "its status is 'failed'"
    return _torchserve_error(answer)


def _torchserve_error(answer: dict[str, Any]) -> str | None:
    code, message = answer.get("code"), answer.get("message")
    if not set(answer) <= {"code", "type", "message"}:
        return None
    if isinstance(code, int) and code >= 400 and isinstance(message, str):
        return f"{code} {answer.get('type', '')}: {_text(message)}"
    return None


def wrong_content(request: Request, answer: Any) -> str | None:
    """Return what is wrong in the content, and where. None: nothing is wrong.

    Wrong are: NaN and infinities, a batch of another size than the request's, and an empty list of outputs. Whatever
    ``expect`` contains is allowed, because it was compared.
    """
    return _not_finite(request, answer) or _wrong_batch(request, answer) or _no_outputs(request, answer)


def _not_finite(request: Request, answer: Any) -> str | None:
    """Find NaN and infinities, which the servers write without quotes. The string "NaN" can be a model's text.

    They are allowed when the request has one too. null in a request counts as one, because it is a missing value.
    """
    found = _find_leaf(answer, _is_not_finite)
    if found is None:
        return None
    known = [request.body, request.values, request.expect]
    if any(_find_leaf(value, _may_be_not_finite) for value in known if value is not None):
        return None
    path, number = found
    return f"at {path}: {json.dumps(number)}, but the request has none"


def _is_not_finite(leaf: Any) -> bool:
    return isinstance(leaf, float) and not math.isfinite(leaf)


def _may_be_not_finite(leaf: Any) -> bool:
    return leaf is None or _is_not_finite(leaf) or (isinstance(leaf, str) and leaf in NOT_FINITE)


def _find_leaf(value: Any, is_wanted: Callable[[Any], bool]) -> tuple[str, Any] | None:
    """Return path and value of the first leaf that is wanted.

    It does not use recursion, because a response can be nested more deeply than Python can recurse.
    """
    if is_wanted(value):
        return "$", value
    waiting = deque([("$", value)])
    while waiting:
        path, inner = waiting.popleft()
        if isinstance(inner, dict):
            items: Iterator[tuple[Any, Any]] = iter(inner.items())
        elif isinstance(inner, (list, tuple)):
            items = enumerate(inner)
        else:
            continue
        for key, item in items:
            if isinstance(item, (dict, list, tuple)):
                waiting.append((_child_path(path, key), item))
            elif is_wanted(item):
                return _child_path(path, key), item
    return None


def _child_path(path: str, key: int | str) -> str:
    return f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}"


def _wrong_batch(request: Request, answer: Any) -> str | None:
    """Check that there are as many ``predictions`` as ``instances``, and that a made-up batch keeps its size."""
    if not isinstance(answer, dict):
        return None
    sent, got = _list(request.body, "instances"), _list(answer, "predictions")
    if sent is not None and got is not None and len(sent) != len(got) and not _expects(request, "predictions"):
        return f"at $.predictions: the number of predictions is {len(got)}, but the number of instances is {len(sent)}"
    for name, size in _leading_dimensions(answer.get("outputs"), list(request.leading)):
        if size != request.leading[name]:
            return (
                f"at $.outputs: output {name!r} has the batch size {size}, but the request has {request.leading[name]}"
            )
    return None


def _leading_dimensions(outputs: Any, names: list[str]) -> Iterator[tuple[str, Any]]:
    """Return name and leading dimension of each output with one of these names."""
    if isinstance(outputs, list) and any(isinstance(output, dict) and "shape" in output for output in outputs):
        # In the Open Inference Protocol the data can be flat, and the shape is a field of its own.
        shapes = {output.get("name"): _list(output, "shape") for output in outputs if isinstance(output, dict)}
        found = {name: shape[0] for name, shape in shapes.items() if shape}
    elif isinstance(outputs, dict):
        found = {name: len(value) for name, value in outputs.items() if isinstance(value, list)}
    else:
        # TensorFlow Serving gives a single output without its name.
        found = {names[0]: len(outputs)} if len(names) == 1 and isinstance(outputs, list) else {}
    return ((name, found[name]) for name in names if name in found)


def _no_outputs(request: Request, answer: Any) -> str | None:
    """Find an empty list of outputs: Triton's response with status 200 when a Python model misspells its output."""
    inputs = _list(request.body, "inputs") or []
    is_v2 = any(isinstance(item, dict) and "datatype" in item for item in inputs)
    if is_v2 and isinstance(answer, dict) and answer.get("outputs") == [] and not _expects(request, "outputs"):
        return "at $.outputs: the list is empty"
    return None


def _list(record: Any, key: str) -> list[Any] | None:
    found = record.get(key) if isinstance(record, dict) else None
    return found if isinstance(found, list) else None


def _expects(request: Request, key: str) -> bool:
    return isinstance(request.expect, dict) and key in request.expect


def _text(error: Any) -> str:
    inner = error.get("message", error) if isinstance(error, dict) else error
    text = inner if isinstance(inner, str) else json.dumps(inner, ensure_ascii=False)
    return one_line(text, 300)
