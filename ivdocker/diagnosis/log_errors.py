"""Counts what a server's log reports as errors. Pure."""

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
    """Lines that report an error; a traceback is one."""
    is_error = re.compile(_ERROR).search
    return sum(1 for line in log.splitlines() if is_error(line))
