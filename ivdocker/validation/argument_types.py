"""Checks the arguments of the public functions against their annotations, before a run."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ivdocker.errors import UsageError
from ivdocker.text import shorten

_SHOWN = 80


def check_types(function: Callable[..., object], arguments: Mapping[str, object]) -> None:
    """Raises UsageError for the first argument, or field of a record, whose type differs from its annotation."""
    _check(function, arguments, "")


def _check(annotated: Any, values: Mapping[str, object], place: str) -> None:
    hints = _hints(annotated)
    for name, value in values.items():
        if name in hints and not _fits(value, hints[name]):
            wrong = f"{type(value).__name__} {shorten(repr(value), _SHOWN)}"
            raise UsageError(
                f"{place}{name} must be {_words(hints[name])}, not {wrong}{_remedy(name, value, hints[name])}"
            )
        if isinstance(value, str) and name != "model" and not value.strip():
            raise UsageError(f"{place}{name} is empty; give it a value, or leave it out")
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            _check(type(value), value._asdict(), f"{place}{name}.")


@cache
def _hints(annotated: Any) -> dict[str, Any]:
    return get_type_hints(annotated)


def _fits(value: object, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_fits(value, each) for each in inner)
    if origin is Literal:
        return value in inner
    if origin in (list, tuple):
        return isinstance(value, origin) and all(_fits(item, inner[0]) for item in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(_fits(k, inner[0]) and _fits(v, inner[1]) for k, v in value.items())
    if hint in (int, float):
        numbers = (int,) if hint is int else (int, float)
        return isinstance(value, numbers) and not isinstance(value, bool)
    return isinstance(value, origin or hint)


def _words(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_words(each) for each in inner))
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin in (list, tuple):
        return f"a {origin.__name__} of {_words(inner[0])}" if inner[0] is not Any else f"a {origin.__name__}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a dict"
    return "None" if hint is type(None) else (origin or hint).__name__


def _remedy(name: str, value: object, hint: Any) -> str:
    """What to write instead, where the type alone does not show it."""
    if isinstance(value, str) and list in {get_origin(each) for each in get_args(hint)} and str not in get_args(hint):
        return f"; write {name}=[{value!r}]"
    if isinstance(hint, type) and hasattr(hint, "_fields"):
        return f"; write {name}=ivdocker.{hint.__name__}(...)"
    return ""
