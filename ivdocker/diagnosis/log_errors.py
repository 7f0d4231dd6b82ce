"""Counts the lines of a server's log that report an error. Pure: it reads no files and calls nothing."""

from __future__ import annotations

import re

_ERROR = r"""(?x)
    ^[EF]\d{4}[ ]                                  # glog, as Triton writes it: E1122 10:11:12.131415 1 model.cc:1] ...
    | ^\S+[ ]\S+:[ ][EF][ ]                        # TensorFlow: 2026-11-22 10:11:12.131415: E tensorflow/core/...
    | \b(?:ERROR|CRITICAL|FATAL)\b                 # Python's and Java's loggers
    | \[(?:error|crit|alert|emerg)\]               # nginx
    | "(?:level|severity)":[ ]?"(?:error|critical|fatal)"
    | ^Traceback[ ]\(most[ ]recent[ ]call[ ]last\)
    """


def count(log: str) -> int:
    """Return how many lines report an error. A traceback counts as one."""
    is_error = re.compile(_ERROR).search
    return sum(1 for line in log.splitlines() if is_error(line))
