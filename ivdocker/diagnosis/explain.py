"""Applies the tables to evidence. Pure."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from typing import Literal

from ivdocker.diagnosis.engine_messages import BROKE_OFF, ENGINE_MESSAGES, SERVER_MESSAGES
from ivdocker.engine.client import EngineError
from ivdocker.engine.parse import ContainerState
from ivdocker.errors import Failure
from ivdocker.servers.base import LogPattern
from ivdocker.servers.client import hint_if_denied
from ivdocker.text import one_line, shorten

TAIL_LINES = 10
_BEFORE_CAUSE = 6
"""How many of these lines come before the one that names the cause: how it came to that. After it comes the end."""
_LINE_LENGTH = 400
_BEFORE_CREATE = ("engine-unreachable", "engine-permission", "image-not-found")
"""What keeps ``docker run`` from coming as far as to make a container."""


def engine_failure(error: EngineError, image: str | None = None) -> Failure:
    """What a docker call that failed means. ``image`` is named where the cause is the image."""
    if error.kind == "missing":
        hint = "install docker's command line, or name another one with --engine docker|podman|PATH"
        return Failure("engine-missing", f"no container engine's command line: {error.stderr}", hint)
    if error.kind == "stalled":
        hint = "check the network and the registry, and try again: layers that are here are not pulled twice"
        return Failure("pull-stalled", f"the pull of {image} made no progress: {error.stderr}", hint)
    if error.kind == "timeout":
        hint = "the engine hangs or is overloaded: see whether docker ps answers, and restart it if not"
        return Failure("engine-timeout", f"the engine gave {error.stderr}: {error.command}", hint)
    text = _strip_frame(error.stderr) or f"exit code {error.returncode} without a word: {error.command}"
    found = _first_match(ENGINE_MESSAGES, [error.stderr])
    if found is None:
        return Failure("engine-error", f"the engine refused: {text}")
    row, match = found
    about = f" ({image})" if image and row.code.startswith(("image", "registry", "platform")) else ""
    return Failure(row.code, f"{_fill_in(row, match)}{about}: {text}", row.hint)


ContainerPresence = Literal["none", "possible", "late", "certain"]
"""Whether there is one: ``late`` may yet appear."""


def presence_after(error: EngineError) -> ContainerPresence:
    """What a ``docker run`` that failed like this left: a container that could not start, as a rule, or none."""
    if error.was_cut_short:
        return "late"
    if error.stdout.strip():
        return "certain"
    found = _first_match(ENGINE_MESSAGES, [error.stderr])
    is_early = found is not None and found[0] is not BROKE_OFF and found[0].code in _BEFORE_CREATE
    return "none" if is_early or error.kind == "missing" else "possible"


def ended_container(state: ContainerState, log: str, log_patterns: Sequence[LogPattern]) -> Failure:
    """Why a container ended by itself."""
    name = signal_name(state.exit_code)
    how = f"exit code {state.exit_code}" + (f", {name}" if name else "")
    failure = _cause(state, log, log_patterns, how)
    return failure._replace(exit_code=state.exit_code, signal=name, oom_killed=state.oom_killed)


def loopback_listener(port: int) -> Failure:
    """The server listens, but for its own container alone."""
    return Failure(
        "not-listening",
        f"the server listens on 127.0.0.1:{port} inside its container, where nobody outside reaches it",
        "have it listen on 0.0.0.0 (a flag like --host=0.0.0.0, or the server's configuration file)",
    )


def log_tail(log: str, cause: str | None = None) -> tuple[str, ...]:
    """The lines around ``cause``, the line that names it, else the last lines; none blank, none longer than is
    bearable."""
    lines = [line.rstrip() for line in log.splitlines() if line.strip()]
    start = max(0, len(lines) - TAIL_LINES)
    if cause is not None and cause.rstrip() in lines:
        start = max(0, min(start, lines.index(cause.rstrip()) - _BEFORE_CAUSE))
    shown = lines[start : start + TAIL_LINES]
    return tuple(shorten(line, _LINE_LENGTH) for line in shown)


def fatal_line(line: str, log: str, log_patterns: Sequence[LogPattern]) -> Failure | None:
    """What a log line of a server that still runs means, None when it is not the end. The rest of the log may name the
    cause more closely."""
    if _first_match([row for row in log_patterns if row.fatal], [line]) is None:
        return None
    found = _first_match(log_patterns, [*log.splitlines(), line])
    if found is None:
        return None
    row, match = found
    return Failure(row.code, _fill_in(row, match), _hint(row, match), log_tail=log_tail(log, match.string))


def fatal_pattern(log_patterns: Sequence[LogPattern]) -> re.Pattern[bytes] | None:
    """Finds the lines that :func:`fatal_line` knows."""
    patterns = [re.sub(r"\?P<\w+>", "?:", row.pattern) for row in log_patterns if row.fatal]
    # Many lines at once, where a row's $ means the end of one.
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns).encode(), re.MULTILINE) if patterns else None


def signal_name(exit_code: int) -> str | None:
    """The signal that an exit code over 128 stands for: 137 is SIGKILL. Not everything over 128 is a signal."""
    try:
        return signal.Signals(exit_code - 128).name
    except ValueError:
        return None


def _cause(state: ContainerState, log: str, log_patterns: Sequence[LogPattern], how: str) -> Failure:
    tail = log_tail(log)
    if state.oom_killed:
        hint = "give it more with --memory, or load a smaller model"
        text = f"the server ran out of memory and was killed by the kernel ({how})"
        return Failure("out-of-memory", text, hint, log_tail=tail)
    if signal_name(state.exit_code) == "SIGILL":
        hint = "the image needs CPU features (AVX, for instance) that this CPU or its emulation does not have"
        return Failure("illegal-instruction", f"the server met an illegal instruction ({how})", hint, log_tail=tail)
    found = _first_match([*log_patterns, *SERVER_MESSAGES], log.splitlines())
    if found:
        row, match = found
        message = f"{_fill_in(row, match)} ({how})"
        return Failure(row.code, message, _hint(row, match), log_tail=log_tail(log, match.string))
    if state.error:
        text = f"the container did not start: {_strip_frame(state.error)} ({how})"
        return Failure("container-exited", text, log_tail=tail)
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    last = f"; its last words: {lines[-1][:300]}" if lines else " without a word in its log"
    hint = "--evidence DIR keeps the server's whole log"
    if signal_name(state.exit_code) == "SIGKILL":
        hint = "nobody says who killed it; if the kernel did, for want of memory, dmesg on the engine's machine knows"
    return Failure("container-exited", f"the server ended by itself ({how}){last}", hint, log_tail=tail)


def _first_match(rows: Sequence[LogPattern], lines: Sequence[str]) -> tuple[LogPattern, re.Match[str]] | None:
    """The first row, in the table's order, that any line matches."""
    for row in rows:
        pattern = re.compile(row.pattern, re.IGNORECASE)
        for line in lines:
            match = pattern.search(line)
            if match:
                return row, match
    return None


def _fill_in(row: LogPattern, match: re.Match[str]) -> str:
    groups = {name: _strip_frame(text or "") for name, text in match.groupdict().items()}
    return row.message.format(**groups)


def _hint(row: LogPattern, match: re.Match[str]) -> str:
    """Whichever row a server's line matches: what it may not read is put right in one way."""
    denied = hint_if_denied(match.string) if row.code == "model-load-failed" else None
    return denied or row.hint


def _strip_frame(text: str) -> str:
    """The message without docker's own frame, in one line of bearable length."""
    text = re.sub(r"(?ms)^\s*(Usage:.*|(Run|See) '\S+ run --help'.*)", "", text)
    text = re.sub(r"(?m)^\s*((docker|Error response from daemon|Error): )+", "", text)
    return one_line(text, _LINE_LENGTH)
