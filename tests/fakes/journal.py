"""Each call of the fake docker: its argv and the names of its environment variables, a line of JSON each."""

from __future__ import annotations

import fcntl
import os

from tests.fakes.encode import dumps

TYPE_CHECKING = False  # importing typing for it would slow each call
if TYPE_CHECKING:
    from typing import Any


def verb_of(argv: list[str]) -> str:
    """``inspect`` for ``container inspect``, ``image`` for ``image inspect``; the flags in front do not count."""
    words = [word for word in argv if not word.startswith("-")]
    if words[:1] == ["container"]:
        words = words[1:]
    return words[0] if words else ""


def write(state: str, argv: list[str]) -> int:
    """Add a call; returns which one of its verb it is, from 1."""
    begin = f'{{"verb": {dumps(verb_of(argv))}, '
    line = f'{begin}"argv": {dumps(argv)}, "env": {dumps(sorted(os.environ))}}}\n'
    with open(os.path.join(state, "journal.jsonl"), "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(line)
        file.seek(0)
        return sum(each.startswith(begin) for each in file)


def read(state: str) -> list[dict[str, Any]]:
    import json

    try:
        with open(os.path.join(state, "journal.jsonl"), encoding="utf-8") as file:
            # A call may be writing its line just now.
            fcntl.flock(file, fcntl.LOCK_SH)
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        return []
