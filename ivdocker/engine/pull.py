"""L2. Reads what ``docker pull`` draws on a terminal. Pure."""

from __future__ import annotations

import re

_LAYER = re.compile(rb"([0-9a-f]{12}): ([A-Z][A-Za-z ]+?)(?:\s*\[|\s*\x1b|\s*\r|\s*\n|$)")
_DONE = (b"Pull complete", b"Already exists")


class PullProgress:
    """How far a pull is."""

    def __init__(self) -> None:
        self._layers: dict[bytes, bytes] = {}

    def feed(self, chunk: bytes) -> None:
        for layer, state in _LAYER.findall(chunk):
            self._layers[layer] = state

    def __str__(self) -> str:
        done = sum(state in _DONE for state in self._layers.values())
        busy = sorted({state.decode().lower() for state in self._layers.values() if state not in _DONE})
        return f"{done} of {len(self._layers)} layers" + (f" ({', '.join(busy)})" if busy else "")
