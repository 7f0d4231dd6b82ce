"""Reads the strings out of protobuf's text format, as far as the model servers' configuration files need it.

The format: protobuf.dev, "Text Format Language Specification". Text that is not in this format gives fewer strings and
no error: the server itself reports what is wrong with its configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = r"""(?x)\#[^\n]*
    |(?P<opening>\w*)\s*:?\s*(?P<bracket>[{<\[])
    |(?P<closing>[}>\]])
    |(?P<key>\w+)\s*:\s*(?:"(?P<double>(?:[^"\\\n]|\\.)*)"|'(?P<single>(?:[^'\\\n]|\\.)*)')
    |"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'
    |\w+"""


class Text(NamedTuple):
    """A field ``key: "value"``.

    ``path``: the names of the messages around it, the outermost first. ``message``: a number of the innermost message;
    fields with the same number are in the same message.
    """

    path: tuple[str, ...]
    message: int
    key: str
    value: str


def texts(source: str) -> Iterator[Text]:
    """All fields whose value is a string, in the order of the text. Raises nothing."""
    path: list[str] = []
    numbers, count = [0], 0
    for token in re.finditer(_TOKEN, source):
        if token["bracket"]:
            path.append(token["opening"])
            count += 1
            numbers.append(count)
        elif token["closing"] and path:
            path.pop()
            numbers.pop()
        elif token["key"]:
            value = token["double"] if token["double"] is not None else token["single"]
            yield Text(tuple(name for name in path if name), numbers[-1], token["key"], value)
