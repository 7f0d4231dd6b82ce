"""Reads the progress output of a pull on a terminal. Pure."""

from __future__ import annotations

import re

_PIECE_END = re.compile(rb"[\r\n]|\x1b\[[0-9;?]*[A-Za-z]")
_LAYER = re.compile(rb"([0-9a-f]{12}): ([A-Z][A-Za-z ]+?)(?=\s*(?:\[|\d|$)|  )")
_DONE = (b"Pull complete", b"Already exists")
_DRAWN = (b"Copying ", b"Getting ", b"Trying to pull ")
"""How podman's progress lines begin; they come on stderr, between the errors."""
_RETRYING = b"Retrying in"
_REMEMBERED = 1000
"""How many progress lines are remembered. An image has at most 127 layers."""
_PIECE_BYTES = 4096


class PullProgress:
    """The state of each layer of a pull, and whether there is progress."""

    def __init__(self) -> None:
        self._layers: dict[bytes, bytes] = {}
        self._shown: dict[bytes, bytes] = {}
        self._rest = b""

    def feed(self, chunk: bytes) -> bool:
        """Read more output. Return whether it shows progress: a repeated line or a countdown to a retry does not."""
        *pieces, rest = _PIECE_END.split(self._rest + chunk)
        self._rest = rest[-_PIECE_BYTES:]
        return sum(self._is_new(piece.strip()) for piece in pieces if piece.strip()) > 0

    def _is_new(self, piece: bytes) -> bool:
        layer = _LAYER.match(piece)
        if layer:
            self._layers[layer[1]] = layer[2].removesuffix(b" in")
            if layer[2] == _RETRYING:
                return False
        key = layer[1] if layer else piece
        if self._shown.get(key) == piece:
            return False
        if len(self._shown) >= _REMEMBERED:
            self._shown.clear()
        self._shown[key] = piece
        return True

    def __str__(self) -> str:
        done = sum(state in _DONE for state in self._layers.values())
        busy = sorted({state.decode().lower() for state in self._layers.values() if state not in _DONE})
        return f"{done} of {len(self._layers)} layers" + (f" ({', '.join(busy)})" if busy else "")


def shown_errors(drawn: bytes) -> str:
    """The error messages of a failed pull: the output without progress lines and without repeated lines."""
    pieces = (piece.strip() for piece in _PIECE_END.split(drawn))
    told = dict.fromkeys(piece for piece in pieces if piece and not piece.startswith(_DRAWN))
    return b"\n".join(told).decode("utf-8", "replace")
