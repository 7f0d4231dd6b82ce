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

_ABOUT_ERRORS = frozenset(
    {"body", "code", "detail", "details", "error", "error_message", "errormessage", "errors", "exception", "message"}
    | {"object", "ok", "param", "reason", "stacktrace", "status", "statuscode", "success", "traceback", "type"}
)
"""The keys, in small letters, of a response that is about an error and nothing else."""

_SAY_ERROR = ("error", "error_message", "errormessage", "exception", "traceback", "stacktrace")
"""Those of them whose text is an error."""


def error_in(request: Request, answer: Any) -> str | None:
    """Return the error that a response with HTTP status 200 reports. None: there is no error, or ``expect`` wants one.

    These are errors:

    - ``{"error": ...}`` with a string, an object or a list (TensorFlow Serving, Triton, the OpenAI API)
    - ``{"errors": [...]}`` with strings or objects
    - an ``error`` of any kind beside ``"status": "failed"`` (Cog), and ``"status": "error"`` without any output
    - ``{"object": "error", "message": ...}`` (vLLM)
    - ``{"code": 503, "type": ..., "message": ...}`` (TorchServe)
    - a list of objects of these forms and of nothing else, also as ``predictions`` or ``outputs``
    - no ``choices`` for a prompt (the OpenAI API)

    A number in ``error`` is not an error, because it can just as well be an output of the model.
    """
    if isinstance(answer, list):
        return None if request.expect is not None else _error_in_all(answer)
    if not isinstance(answer, dict) or any(_expects(request, key) for key in ("error", "errors", "status", "object")):
        return None
    found = _error(answer) or _torchserve_error(answer)
    for key in ("predictions", "outputs"):
        found = found or (None if _expects(request, key) else _error_in_all(answer.get(key)))
    return found or _no_choices(request, answer)


def _error(answer: dict[str, Any]) -> str | None:
    error, status = answer.get("error"), answer.get("status")
    if error is True or (error and isinstance(error, (str, dict, list))):
        return _text(error)
    errors = answer.get("errors")
    if isinstance(errors, list) and errors and all(isinstance(each, (str, dict)) for each in errors):
        return _text(errors[0])
    if answer.get("object") == "error":
        return _text(answer)
    # "failed" alone can be what a model predicts.
    alone = {key.lower(): value for key, value in answer.items()}
    if set(alone) <= _ABOUT_ERRORS:
        said = next((alone[key] for key in _SAY_ERROR if isinstance(alone.get(key), str) and alone[key]), None)
        if said or alone.get("success") is False or alone.get("ok") is False or _is_bad_status(alone.get("statuscode")):
            return _text(said or answer)
    has_failed = {"error": True, "failed": len(answer) > 1, "failure": len(answer) > 1}.get(str(status).lower(), False)
    if has_failed and ("error" in answer or set(answer) <= _ABOUT_ERRORS):
        return f"its status is {status!r}" + (f": {_text(answer)}" if "message" in answer else "")
    return None


def _is_bad_status(code: Any) -> bool:
    return isinstance(code, int) and code >= 400


def _error_in_all(items: Any) -> str | None:
    """The first error of a list that holds nothing but errors. A list with answers too is left to ``expect``."""
    if not isinstance(items, list) or not items:
        return None
    found = [_error(item) if isinstance(item, dict) and set(item) <= _ABOUT_ERRORS else None for item in items]
    return found[0] if all(found) else None


def _no_choices(request: Request, answer: dict[str, Any]) -> str | None:
    is_prompt = isinstance(request.body, dict) and ("prompt" in request.body or "messages" in request.body)
    return "the list of choices is empty" if is_prompt and answer.get("choices") == [] else None


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
    if request.expect is None and (answer is None or _is_null_list(answer)):
        return "at $: there is no answer in it, only null"
    return _not_finite(request, answer) or _wrong_batch(request, answer) or _no_outputs(request, answer)


def _is_null_list(answer: Any) -> bool:
    return isinstance(answer, dict) and any(key in answer and answer[key] is None for key in ("predictions", "outputs"))


def _not_finite(request: Request, answer: Any) -> str | None:
    """Find NaN and infinities, which the servers write without quotes. The string "NaN" can be a model's text.

    They are allowed when the request has one too. null in a request counts as one, because it is a missing value. null
    among the numbers of a response is one too: the JSON of MLServer and KServe has no other word for NaN.
    """
    found = _find_leaf(answer, _is_not_finite) or _null_number(answer)
    if found is None:
        return None
    known = [request.body, request.values, request.expect]
    if any(_find_leaf(value, _may_be_not_finite) for value in known if value is not None):
        return None
    path, number = found
    return f"at {path}: {json.dumps(number)}, but the request has none"


def _null_number(answer: Any) -> tuple[str, Any] | None:
    """Path and value of the first null in the data of a floating-point output, or in a list of predictions."""
    if not isinstance(answer, dict):
        return None
    places = {"$.predictions": answer.get("predictions")}
    for at, output in enumerate(_list(answer, "outputs") or []):
        if isinstance(output, dict) and str(output.get("datatype")).upper() in ("FP16", "FP32", "FP64", "BF16"):
            places[f"$.outputs[{at}].data"] = output.get("data")
    for place, data in places.items():
        # An object in the list is left alone: a field of it may have no value.
        found = _find_leaf(data, lambda leaf: leaf is None, into=(list,)) if isinstance(data, list) else None
        if found:
            return place + found[0].removeprefix("$"), None
    return None


def _is_not_finite(leaf: Any) -> bool:
    return isinstance(leaf, float) and not math.isfinite(leaf)


def _may_be_not_finite(leaf: Any) -> bool:
    return leaf is None or _is_not_finite(leaf) or (isinstance(leaf, str) and leaf in NOT_FINITE)


def _find_leaf(
    value: Any, is_wanted: Callable[[Any], bool], into: tuple[type, ...] = (dict, list, tuple)
) -> tuple[str, Any] | None:
    """Return path and value of the first leaf that is wanted. ``into``: the types whose items are looked at.

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
            if isinstance(item, into):
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
