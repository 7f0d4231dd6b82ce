"""What the tests of failures share: rows of tables, ends of containers, what a message must not be."""

from __future__ import annotations

import re

from ivdocker.engine.parse import ContainerState
from ivdocker.errors import Failure
from ivdocker.servers.base import LogPattern
from ivdocker.servers.registry import SERVERS


def log_patterns(kind: str) -> tuple[LogPattern, ...]:
    return next(server.binary.log_patterns for server in SERVERS if server.binary.kind == kind)


def first_row(rows: tuple[LogPattern, ...], text: str) -> int | None:
    return next((i for i, row in enumerate(rows) if re.search(row.pattern, text, re.IGNORECASE)), None)


def ended(exit_code: int, *, oom: bool = False, error: str = "") -> ContainerState:
    return ContainerState("id", "image", "exited", exit_code, oom, error, 0, {}, "default")


def flaws(failure: Failure) -> list[str]:
    """What keeps a failure from being one line that can be read."""
    message = failure.message
    wrong = {
        "empty": not message,
        "blanks at its ends": message.strip() != message,
        "several lines": "\n" in message + (failure.hint or ""),
        "too long": len(message) >= 1000,
    }
    return [flaw for flaw, holds in wrong.items() if holds]
