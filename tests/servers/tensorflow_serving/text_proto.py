"""Reads protobuf's text format, and finds fault with it in the words of protobuf's own text_format.cc."""

from __future__ import annotations

import re

TYPE_CHECKING = False  # importing typing for it would slow each start
if TYPE_CHECKING:
    from typing import Any

    Message = dict[str, list[Any]]
    Schema = dict[str, dict[str, str]]

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
    |(?P<identifier>[A-Za-z_]\w*)
    |(?P<integer>-?\d+)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<symbol>.)""",
    re.VERBOSE,
)
_ENDS = {"{": "}", "<": ">"}


class ParseError(Exception):
    """``LINE:COLUMN: what is wrong``."""


class Parser:
    """``schema``: for each message type its fields and their types: ``string``, ``int``, ``enum``, ``any`` (whatever
    message) or a message type; with a ``*`` before it where the field is repeated."""

    def __init__(self, source: str, schema: Schema) -> None:
        self.schema = schema
        self.source = source
        found = [match for match in _TOKEN.finditer(source) if match.lastgroup != "space"]
        self.tokens = [(str(match.lastgroup), match[0], match.start()) for match in found]
        self.tokens.append(("end", "", len(source)))
        self.at = 0

    def message(self, kind: str, end: str = "") -> Message:
        """The message up to its closing bracket, or to the end of the file."""
        fields: Message = {}
        while self.text != end and not (end and self.text in _ENDS.values()):
            name = self.identifier()
            field_kind = self.schema[kind].get(name) if kind != "any" else "*any-field"
            if field_kind is None:
                raise self.error(f'Message type "tensorflow.serving.{kind}" has no field named "{name}".')
            if name in fields and not field_kind.startswith("*"):
                raise self.error(f'Non-repeated field "{name}" is specified multiple times.')
            fields.setdefault(name, []).extend(self.values(field_kind.lstrip("*")))
            self.skip(",") or self.skip(";")
        if end:
            self.expect(end)
        return fields

    def values(self, kind: str) -> list[Any]:
        """One value, or several in brackets."""
        if kind in self.schema or kind == "any" or (kind == "any-field" and self.text in _ENDS):
            self.skip(":")
        else:
            self.expect(":")
        if not self.skip("["):
            return [self.value(kind)]
        found = [self.value(kind)] if self.text != "]" else []
        while self.skip(","):
            found.append(self.value(kind))
        self.expect("]")
        return found

    def value(self, kind: str) -> Any:
        if kind == "any-field":
            kind = "any" if self.text in _ENDS else self.kind
        if kind in self.schema or kind == "any":
            end = _ENDS.get(self.text, "")
            if not end:
                self.expect("{")
            self.at += 1
            return self.message(kind, end)
        if kind in ("enum", "identifier"):
            return self.identifier()
        return self.integer() if kind in ("int", "integer") else self.string()

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0]

    @property
    def text(self) -> str:
        return self.tokens[self.at][1]

    def identifier(self) -> str:
        return self.take("identifier")

    def integer(self) -> int:
        return int(self.take("integer"))

    def string(self) -> str:
        text = self.take("string")[1:-1]
        while self.kind == "string":
            text += self.take("string")[1:-1]
        return text

    def take(self, kind: str) -> str:
        if self.kind != kind:
            broken = self.text in ('"', "'")
            raise self.error("String literals cannot cross line boundaries." if broken else self.unexpected(kind))
        text = self.text
        self.at += 1
        return text

    def expect(self, symbol: str) -> None:
        if not self.skip(symbol):
            raise self.error(f'Expected "{symbol}", found "{self.text}".')

    def skip(self, symbol: str) -> bool:
        found = self.text == symbol
        self.at += found
        return found

    def unexpected(self, kind: str) -> str:
        return f"Expected {kind}, got: {self.text}"

    def error(self, message: str) -> ParseError:
        start = self.tokens[self.at][2]
        line = self.source.count("\n", 0, start) + 1
        column = start - (self.source.rfind("\n", 0, start) + 1) + 1
        return ParseError(f"{line}:{column}: {message}")
