"""What is wrong with an answer whatever was expected of it. Pure."""

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
    """The error that an answer with HTTP 200 tells; None when there is none, or ``expect`` asks for one.

    ``{"error": ...}`` with a text, an object or a list (TensorFlow Serving, Triton, Cog beside ``"status": "failed"``,
    the OpenAI API); TorchServe's ``{"code": 503, "type": ..., "message": ...}``. A number under ``error`` is none: it
    is as likely a model's output.
    """
    if not isinstance(answer, dict) or _expects(request, "error") or _expects(request, "status"):
        return None
    error = answer.get("error")
    if error is True or (error and isinstance(error, (str, dict, list))):
        return _text(error)
    if "error" in answer and answer.get("status") == "failed":
        return "its status is 'failed'"
    code, message = answer.get("code"), answer.get("message")
    if (
        isinstance(code, int)
        and code >= 400
        and isinstance(message, str)
        and {"code", "type", "message"} >= set(answer)
    ):
        return f"{code} {answer.get('type', '')}: {_text(message)}"
    return None


def wrong_content(request: Request, answer: Any) -> str | None:
    """What no good answer holds: numbers that are none, another batch than was sent, no outputs at all.

    None when there is nothing wrong, and of what ``expect`` speaks of, which was compared.
    """
    return _not_finite(request, answer) or _wrong_batch(request, answer) or _no_outputs(request, answer)


def _not_finite(request: Request, answer: Any) -> str | None:
    """NaN and infinities as the servers write them, bare. The word in a string is a text, which a model may answer.

    null in a request is a missing value too.
    """
    found = _find_leaf(answer, _is_not_finite)
    if found is None:
        return None
    known = [request.body, request.values, request.expect]
    if any(_find_leaf(value, _may_be_not_finite) for value in known if value is not None):
        return None
    path, number = found
    return f"at {path}: {json.dumps(number)}, and the request has none"


def _is_not_finite(leaf: Any) -> bool:
    return isinstance(leaf, float) and not math.isfinite(leaf)


def _may_be_not_finite(leaf: Any) -> bool:
    return leaf is None or _is_not_finite(leaf) or (isinstance(leaf, str) and leaf in NOT_FINITE)


def _find_leaf(value: Any, wanted: Callable[[Any], bool]) -> tuple[str, Any] | None:
    """Path and value of the first such leaf, without recursion: answers may be nested deeply."""
    if wanted(value):
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
            elif wanted(item):
                return _child_path(path, key), item
    return None


def _child_path(path: str, key: int | str) -> str:
    return f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}"


def _wrong_batch(request: Request, answer: Any) -> str | None:
    """As many answers as questions: ``instances`` and ``predictions``, and the outputs of a batch that was made up."""
    if not isinstance(answer, dict):
        return None
    sent, got = _list(request.body, "instances"), _list(answer, "predictions")
    if sent is not None and got is not None and len(sent) != len(got) and not _expects(request, "predictions"):
        return f"at $.predictions: {len(got)} predictions for {len(sent)} instances"
    for name, size in _leading_dimensions(answer.get("outputs"), list(request.leading)):
        if size != request.leading[name]:
            return f"at $.outputs: output {name!r} is a batch of {size}, the request one of {request.leading[name]}"
    return None


def _leading_dimensions(outputs: Any, names: list[str]) -> Iterator[tuple[str, Any]]:
    """The leading dimension of the outputs of these names; TensorFlow Serving gives a single one without its name."""
    if isinstance(outputs, list) and any(isinstance(output, dict) and "shape" in output for output in outputs):
        # The v2 protocol's data are flat, the shape stands beside them.
        shapes = {output.get("name"): _list(output, "shape") for output in outputs if isinstance(output, dict)}
        found = {name: shape[0] for name, shape in shapes.items() if shape}
    elif isinstance(outputs, dict):
        found = {name: len(value) for name, value in outputs.items() if isinstance(value, list)}
    else:
        found = {names[0]: len(outputs)} if len(names) == 1 and isinstance(outputs, list) else {}
    return ((name, found[name]) for name in names if name in found)


def _no_outputs(request: Request, answer: Any) -> str | None:
    """Triton answers 200 with none when a Python model names its output wrongly."""
    inputs = _list(request.body, "inputs") or []
    asked = any(isinstance(item, dict) and "datatype" in item for item in inputs)
    if asked and isinstance(answer, dict) and answer.get("outputs") == [] and not _expects(request, "outputs"):
        return "at $.outputs: there are none"
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
