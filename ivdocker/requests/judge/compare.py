"""Holds an answer against what was expected. Pure."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ivdocker.text import shorten

Step = str | int | None
"""A part of a JSON path: a key, an index, None for any of them."""

_STEP = re.compile(
    r"""\.(?P<key>[^.\[\]*'"\s]+)|\.(?P<any>\*)|\[(?:(?P<index>\d+)|(?P<all>\*)|'(?P<quoted>[^']*)')\]"""
)

NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""What strict JSON has no number for: Protocol Buffers' JSON mapping writes these texts, Python and the model servers
the bare words."""


class Difference(NamedTuple):
    """The first place where the answer is not as expected; ``path`` is a JSON path.

    ``differing`` of ``compared`` values differ: numbers, texts and the like, each missing key and each item that one of
    two lists has more.
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
    """None when the answer holds all that was expected.

    Objects: every expected key must be there and match, further keys are free (a server adds versions and times).
    Lists: the same length, each item. Numbers within ``atol + rtol * |expected|``; NaN matches NaN, an infinity the
    same one, and the texts "NaN", "Infinity" and "-Infinity" match these numbers. All else must be equal. ``ignore``:
    JSON paths (``$.id``, ``$.outputs[*].parameters``); what is there, and below, is not looked at. Raises ValueError
    when one is none.
    """
    first: Difference | None = None
    differing = compared = 0
    for place, why, mine, theirs, weight in _compare(expected, found, (rtol, atol), list(map(parse_path, ignore))):
        compared += weight
        if why:
            differing += weight
            first = first or Difference(_path_text(place), mine, theirs, why)
    return first and first._replace(differing=differing, compared=compared)


@lru_cache(maxsize=64)
def parse_path(path: str) -> tuple[Step, ...]:
    """The steps of a JSON path. Raises ValueError."""
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
        raise ValueError(f"{path!r} is no JSON path such as $.id, $.outputs[0] or $.outputs[*].parameters")
    return tuple(steps)


_Place = tuple["_Place", Step] | None
"""A linked path: most places are never shown, and a text for each would take longer than comparing them."""

_Comparison = tuple[_Place, str, Any, Any, int]


def _compare(
    expected: Any, found: Any, tolerance: tuple[float, float], ignore: list[tuple[Step, ...]]
) -> Iterator[_Comparison]:
    """Each value that was compared: its place, what is wrong with it, both sides, for how many it stands.

    Not by recursion: an answer may be nested as deeply as JSON can be read.
    """
    waiting: list[tuple[_Place, Any, Any, list[tuple[Step, ...]]]] = [(None, expected, found, ignore)]
    while waiting:
        place, mine, theirs, ignored = waiting.pop()
        if () in ignored:
            continue
        if isinstance(mine, dict) and isinstance(theirs, dict):
            inner = [((place, key), value, theirs.get(key, _MISSING), key) for key, value in mine.items()]
        elif isinstance(mine, list) and isinstance(theirs, list):
            if len(mine) != len(theirs):
                yield place, "other length", len(mine), len(theirs), abs(len(mine) - len(theirs))
            pairs = enumerate(zip(mine, theirs, strict=False))
            inner = [((place, index), one, other, index) for index, (one, other) in pairs]
        else:
            yield place, _describe(mine, theirs, tolerance), mine, None if theirs is _MISSING else theirs, 1
            continue
        for where, one, other, step in reversed(inner):
            waiting.append((where, one, other, _paths_below(ignored, step) if ignored else ignored))


_MISSING = object()


def _paths_below(ignored: list[tuple[Step, ...]], step: Step) -> list[tuple[Step, ...]]:
    return [path[1:] for path in ignored if path[0] is None or path[0] == step]


def _describe(expected: Any, found: Any, tolerance: tuple[float, float]) -> str:
    """What is wrong, nothing when it matches."""
    if found is _MISSING:
        return "missing key"
    mine, theirs = _as_number(expected, found), _as_number(found, expected)
    if mine is not None and theirs is not None:
        return "" if _is_close(mine, theirs, *tolerance) else "other number"
    if type(expected) is not type(found):
        return "other type"
    return "" if expected == found else "other value"


def _as_number(value: Any, other: Any) -> float | None:
    """The number that it is, or that its text stands for where the other side is a number."""
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
        # An integer beyond any float.
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
