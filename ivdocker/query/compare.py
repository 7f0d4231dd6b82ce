"""L3. Holds an answer against what was expected. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, NamedTuple


class Difference(NamedTuple):
    """The first place where the answer is not as expected; ``path`` is a JSON path."""

    path: str
    expected: Any
    found: Any
    why: str

    def __str__(self) -> str:
        return f"at {self.path}: {self.why}: expected {_short(self.expected)}, got {_short(self.found)}"


def first_difference(expected: Any, found: Any, rtol: float, atol: float) -> Difference | None:
    """None when the answer holds all that was expected.

    Objects: every expected key must be there and match, further keys are free (a server adds versions and times).
    Lists: the same length, each item. Numbers within ``atol + rtol * |expected|``; NaN matches NaN, an infinity the
    same one. All else must be equal.
    """
    return next(_differences("$", expected, found, rtol, atol), None)


def _differences(path: str, expected: Any, found: Any, rtol: float, atol: float) -> Iterator[Difference]:
    if isinstance(expected, dict) and isinstance(found, dict):
        yield from _in_object(path, expected, found, rtol, atol)
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            yield Difference(path, len(expected), len(found), "other length")
        for index, (mine, theirs) in enumerate(zip(expected, found, strict=False)):
            yield from _differences(f"{path}[{index}]", mine, theirs, rtol, atol)
    elif _is_number(expected) and _is_number(found):
        if not _close(expected, found, rtol, atol):
            yield Difference(path, expected, found, "other number")
    elif type(expected) is not type(found):
        yield Difference(path, expected, found, "other type")
    elif expected != found:
        yield Difference(path, expected, found, "other value")


def _in_object(
    path: str, expected: dict[str, Any], found: dict[str, Any], rtol: float, atol: float
) -> Iterator[Difference]:
    for key, value in expected.items():
        if key in found:
            yield from _differences(f"{path}.{key}", value, found[key], rtol, atol)
        else:
            yield Difference(f"{path}.{key}", value, None, "missing key")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _close(expected: float, found: float, rtol: float, atol: float) -> bool:
    try:
        if math.isnan(expected) or math.isnan(found):
            return math.isnan(expected) and math.isnan(found)
        if math.isinf(expected) or math.isinf(found):
            return expected == found
        return abs(expected - found) <= atol + rtol * abs(expected)
    except OverflowError:
        # An integer beyond any float.
        return expected == found


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:120]} ..."
