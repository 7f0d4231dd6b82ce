"""JSON without the json module, whose import takes longer than all else that the fake docker does."""

from __future__ import annotations

from _json import encode_basestring_ascii

TYPE_CHECKING = False  # importing typing for it would slow each call
if TYPE_CHECKING:
    from typing import Any


def dumps(value: Any) -> str:
    """As ``json.dumps``, for what the fake writes."""
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{dumps(key)}: {dumps(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(dumps, value)) + "]"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)
