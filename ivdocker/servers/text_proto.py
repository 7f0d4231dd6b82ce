"""Reads the strings out of protobuf's text format, as far as the model servers' configuration files need it. Pure.

The format: protobuf.dev, "Text Format Language Specification". What is no message in that format gives fewer strings,
and no error: the server is the one to say what is wrong with its configuration.
"""

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
    """``key: "value"`` within the messages ``path``. ``message`` numbers the messages: those with equal numbers stand
    in the same one."""

    path: tuple[str, ...]
    message: int
    key: str
    value: str


def texts(source: str) -> Iterator[Text]:
    """All strings that are fields, in their order. Raises nothing."""
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
