"""Finds in a server's log why its container ended, or will never be ready. Pure: it calls nothing.

Only a failure needs these modules: to import them takes 30 ms, so :mod:`ivdocker.container.judge` does it then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ivdocker.diagnosis.advice import advice
from ivdocker.diagnosis.evidence import Found, find, last_error, last_exception
from ivdocker.diagnosis.explain import MORE_MEMORY, signal_name
from ivdocker.diagnosis.log_lines import Line, lines_of
from ivdocker.diagnosis.rows import LINE_LENGTH, fill_in, strip_frame
from ivdocker.diagnosis.server_messages import SERVER_MESSAGES
from ivdocker.engine.parse import ContainerState
from ivdocker.errors import Failure
from ivdocker.servers.base import SAVE_LOG, LogPattern
from ivdocker.servers.client import hint_if_denied
from ivdocker.text import shorten

TAIL_LINES = 10
"""How many lines of the log a failure shows."""

_BEFORE_CAUSE = 6
"""How many of these lines come before the line that names the cause. The others come after it."""


def ended_container(
    state: ContainerState, log: str, log_patterns: Sequence[LogPattern], ready: bool = False
) -> Failure:
    """Return the failure of a container that ended by itself.

    ``log``: what the server wrote; of a server that was ready only what it wrote since then, because it has survived
    the rest. ``log_patterns``: the causes that this server's log names. ``ready``: whether the model was ready.
    """
    name = signal_name(state.exit_code)
    how = f"exit code {state.exit_code}" + (f", {name}" if name else "") + (", after it was ready" if ready else "")
    lines = lines_of(log)
    failure = (
        _killed_by_kernel(state, lines, how)
        or _named_in_log(lines, log_patterns, how)
        or _failed_start(state, lines, how)
        or _unknown_end(state, lines, how)
    )
    return failure._replace(exit_code=state.exit_code, signal=name, oom_killed=state.oom_killed)


def log_tail(log: str) -> tuple[str, ...]:
    """Return the lines of the log around the last error that it tells of; without one, the last lines. Rows of tables
    and our own probes are left out, and long lines are shortened."""
    lines = lines_of(log)
    return excerpt(lines, last_error(lines))


def excerpt(lines: Sequence[Line], at: int | None) -> tuple[str, ...]:
    """Return the lines around this place, at most ten; None: the last ones."""
    start = max(0, len(lines) - TAIL_LINES)
    if at is not None:
        start = max(0, min(start, at - _BEFORE_CAUSE))
    return tuple(shorten(line.text, LINE_LENGTH) for line in lines[start : start + TAIL_LINES])


def fatal_line(line: str, log: str, log_patterns: Sequence[LogPattern]) -> Failure | None:
    """Return the failure that a log line of a running server means. None: the model may still become ready.

    ``log``: the rest of the log, which may name the cause more precisely.
    """
    lines = lines_of(log)
    if not any(_is_fatal(row, line, lines) for row in log_patterns):
        return None
    if all(each.text != line.rstrip() for each in lines):
        lines = [*lines, *lines_of(line)]
    found = _cause(lines, log_patterns, has_ended=False)
    return _failure_of(found, lines) if found else None


def _killed_by_kernel(state: ContainerState, lines: Sequence[Line], how: str) -> Failure | None:
    if state.oom_killed:
        hint = MORE_MEMORY
        text = f"the server ran out of memory and was killed by the kernel ({how})"
        return Failure("out-of-memory", text, hint, log_tail=excerpt(lines, last_error(lines)))
    if signal_name(state.exit_code) == "SIGILL":
        hint = "the image needs CPU features, such as AVX, that this CPU or its emulation does not have"
        text = f"the server executed an illegal instruction ({how})"
        return Failure("illegal-instruction", text, hint, log_tail=excerpt(lines, last_error(lines)))
    return None


def _named_in_log(lines: Sequence[Line], log_patterns: Sequence[LogPattern], how: str) -> Failure | None:
    found = _cause(lines, log_patterns)
    if found is None:
        return None
    failure = _failure_of(found, lines)
    return failure._replace(message=f"{failure.message} ({how})")


def _cause(lines: Sequence[Line], log_patterns: Sequence[LogPattern], has_ended: bool = True) -> Found | None:
    """Return what the log names as the cause."""
    return find([*log_patterns, *SERVER_MESSAGES], lines, has_ended)


def _failure_of(found: Found, lines: Sequence[Line]) -> Failure:
    """Return the failure that a row means, with the last exception where the row's line does not say what it was."""
    row, match, at = found
    message, hint = fill_in(row, match), _hint(row, match)
    raised = last_exception(lines)
    if not row.names_cause and "reason" not in match.groupdict() and raised is not None:
        exception = lines[raised].exception
        message, hint, at = f"{message}; its last exception: {strip_frame(exception)}", advice(exception), raised
    return Failure(row.code, message, hint, log_tail=excerpt(lines, at))


def _is_fatal(row: LogPattern, line: str, lines: Sequence[Line]) -> bool:
    if not row.fatal or re.search(row.pattern, line) is None:
        return False
    return not row.only_after or any(re.search(row.only_after, each.said) for each in lines)


def _failed_start(state: ContainerState, lines: Sequence[Line], how: str) -> Failure | None:
    if not state.error:
        return None
    text = f"the container did not start: {strip_frame(state.error)} ({how})"
    return Failure("container-exited", text, log_tail=excerpt(lines, last_error(lines)))


def _unknown_end(state: ContainerState, lines: Sequence[Line], how: str) -> Failure:
    at = last_exception(lines)
    last, hint = "; its log is empty", SAVE_LOG
    if at is not None:
        exception = lines[at].exception.strip()
        last, hint = f"; its last exception: {exception[:300]}", advice(exception)
    elif lines:
        last = f"; its last log line: {lines[-1].text.strip()[:300]}"
    if signal_name(state.exit_code) == "SIGKILL":
        hint = (
            "it is not known what sent SIGKILL; if the kernel did because memory ran out, dmesg on the engine's machine"
            " shows it"
        )
    return Failure(
        "container-exited",
        f"the server ended by itself ({how}){last}",
        hint,
        log_tail=excerpt(lines, last_error(lines)),
    )


def _hint(row: LogPattern, match: re.Match[str]) -> str | None:
    """Return the row's hint. Where the row has none, or repeats the server's words: what these words advise."""
    denied = hint_if_denied(match.string) if row.code == "model-load-failed" else None
    return denied or row.hint or advice(match.string)
