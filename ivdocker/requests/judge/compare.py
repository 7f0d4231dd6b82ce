"""Compares a response with the expected one. Pure: it reads and sends nothing."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ivdocker.text import shorten

Step = str | int | None
"""One step of a JSON path: a key, an index, or None for any key and any index."""

Steps = tuple[Step, ...]

_STEP = re.compile(
    r"""\.(?P<key>[^.\[\]*'"\s]+)|\.(?P<any>\*)|\[(?:(?P<index>\d+)|(?P<all>\*)|'(?P<quoted>[^']*)')\]"""
)

NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""The numbers that strict JSON cannot write. The JSON mapping of Protocol Buffers writes these strings; Python and the
model servers write the same words without quotes."""


class Difference(NamedTuple):
    """The first difference between the response and the expected one.

    ``path``: its place as a JSON path. ``why``: what differs there.
    ``differing``, ``compared``: how many values differ, of how many. A missing key counts as one value, and so does
    each item that only one of two lists has.
    """

    path: str
    expected: Any
    found: Any
    why: str
    differing: int = 1
    compared: int = 1

    def __str__(self) -> str:
        text = f"at {self.path}: {self.why}: expected {_short(self.expected)}, got {_short(self.found)}"
        return f"{text} ({self.differing} of {self.compared} values differ)" if self.compared > 1 else text


def first_difference(
    expected: Any, found: Any, rtol: float, atol: float, ignore: Sequence[str] = ()
) -> Difference | None:
    """Compare ``found`` with ``expected``. Return None when it has everything that is expected.

    - Objects: every expected key must be there and match. Further keys are allowed, because servers add versions and
      times.
    - Lists: the length must be the same, and each item must match.
    - Numbers: they match within ``atol + rtol * |expected|``. NaN matches NaN, an infinity matches the same infinity,
      and the strings "NaN", "Infinity" and "-Infinity" match these numbers.
    - Everything else must be equal.

    ``ignore``: JSON paths, such as ``$.id`` and ``$.outputs[*].parameters``. Nothing at or below them is compared.
    Raises ValueError when one is not a JSON path.
    """
    first: Difference | None = None
    differing = compared = 0
    for place, why, one, other, weight in _compare(expected, found, (rtol, atol), list(map(parse_path, ignore))):
        compared += weight
        if why:
            differing += weight
            first = first or Difference(_path_text(place), one, other, why)
    return first and first._replace(differing=differing, compared=compared)


@lru_cache(maxsize=64)
def parse_path(path: str) -> Steps:
    """Return the steps of a JSON path. Raises ValueError."""
    steps: list[Step] = []
    at = 1
    while path.startswith("$") and at < len(path):
        found = _STEP.match(path, at)
        if not found:
            break
        quoted = found["quoted"]
        key = found["key"] if quoted is None else quoted
        steps.append(int(found["index"]) if found["index"] else key)
        at = found.end()
    if not steps or at < len(path):
        raise ValueError(f"{path!r} is not a JSON path such as $.id, $.outputs[0] or $.outputs[*].parameters")
    return tuple(steps)


_Place = tuple["_Place", Step] | None
"""A path as a linked list. Most paths are never shown, and to build a text for each takes longer than comparing."""

_Comparison = tuple[_Place, str, Any, Any, int]
"""The place of a value, what differs (empty when it matches), both values, and how many values this stands for."""


def _compare(expected: Any, found: Any, tolerance: tuple[float, float], ignore: list[Steps]) -> Iterator[_Comparison]:
    """Yield each value that was compared.

    It does not use recursion, because a response can be nested more deeply than Python can recurse.
    """
    waiting: list[tuple[_Place, Any, Any, list[Steps]]] = [(None, expected, found, ignore)]
    while waiting:
        place, one, other, ignored = waiting.pop()
        if () in ignored:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            inner = [(key, value, other.get(key, _MISSING)) for key, value in one.items()]
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                yield place, "length differs", len(one), len(other), abs(len(one) - len(other))
            inner = [(index, *pair) for index, pair in enumerate(zip(one, other, strict=False))]
        else:
            yield place, _describe(one, other, tolerance), one, None if other is _MISSING else other, 1
            continue
        for step, inner_one, inner_other in reversed(inner):
            below = _paths_below(ignored, step) if ignored else ignored
            waiting.append(((place, step), inner_one, inner_other, below))


_MISSING = object()


def _paths_below(ignored: list[Steps], step: Step) -> list[Steps]:
    return [path[1:] for path in ignored if path[0] is None or path[0] == step]


def _describe(expected: Any, found: Any, tolerance: tuple[float, float]) -> str:
    """Return what differs, or an empty string when the two match."""
    if found is _MISSING:
        return "missing key"
    one, other = _as_number(expected, found), _as_number(found, expected)
    if one is not None and other is not None:
        return "" if _is_close(one, other, *tolerance) else "number differs"
    if type(expected) is not type(found):
        return "type differs"
    return "" if expected == found else "value differs"


def _as_number(value: Any, other: Any) -> float | None:
    """Return the value as a number, None when it is not one. "NaN" is one only where ``other`` is not a string."""
    if isinstance(value, str) and not isinstance(other, str):
        return NOT_FINITE.get(value)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _is_close(expected: float, found: float, rtol: float, atol: float) -> bool:
    try:
        if math.isnan(expected) or math.isnan(found):
            return math.isnan(expected) and math.isnan(found)
        if math.isinf(expected) or math.isinf(found):
            return expected == found
        return abs(expected - found) <= atol + rtol * abs(expected)
    except OverflowError:
        # An integer that is too large for a float.
        return expected == found


def _path_text(place: _Place) -> str:
    steps: list[str] = []
    while place:
        place, step = place
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    return "$" + "".join(reversed(steps))


def _short(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        text = f"a deeply nested {type(value).__name__}"
    return shorten(text, 120)
