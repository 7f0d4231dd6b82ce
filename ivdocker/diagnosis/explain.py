"""Turns evidence into a failure: a docker call's error, a container's end, a server's log. Pure: it calls nothing."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence
from typing import Literal

from ivdocker.diagnosis.advice import advice
from ivdocker.diagnosis.engine_messages import BROKE_OFF, ENGINE_MESSAGES
from ivdocker.diagnosis.evidence import Found, find, last_error, last_exception
from ivdocker.diagnosis.log_lines import Line, lines_of
from ivdocker.diagnosis.server_messages import SERVER_MESSAGES
from ivdocker.engine.client import EngineError
from ivdocker.engine.parse import ContainerState
from ivdocker.errors import Failure
from ivdocker.servers.base import SAVE_LOG, LogPattern
from ivdocker.servers.client import hint_if_denied
from ivdocker.text import one_line, shorten

TAIL_LINES = 10
"""How many lines of the log a failure shows."""

_BEFORE_CAUSE = 6
"""How many of these lines come before the line that names the cause. The others come after it."""

_LINE_LENGTH = 400
_MORE_MEMORY = "give the container more with --memory, or use a smaller model"
_SAID_LENGTH = 8192
_WARNING = re.compile(r"\s*(?:WARN(?:ING)?:|time=\S+ level=(?:warn|info|debug)|Emulate Docker CLI using podman)")
_SAME_COMMANDS = "login|logout|pull|load|ps|system|network|image"
_ABOUT_IMAGE = ("image-not-found", "registry-denied", "platform-mismatch")
_BEFORE_CREATE = ("engine-unreachable", "engine-permission", "image-not-found")
"""With these failures ``docker run`` has not created a container."""


def engine_failure(error: EngineError, image: str | None = None) -> Failure:
    """Return the failure that a docker call's error means. The message names ``image`` when it is about the image."""
    if error.kind == "missing":
        hint = "install docker's command line, or choose another program with --engine docker|podman|PATH"
        return Failure("engine-missing", f"cannot run the container engine's command line: {error.stderr}", hint)
    if error.kind == "exhausted":
        return no_more_processes(error.stderr)
    if error.kind == "stalled":
        hint = "check the network and the registry, then try again: layers that are complete are not pulled again"
        return Failure("pull-stalled", f"the pull of {image} made no progress: {error.stderr}", hint)
    if error.kind == "timeout":
        hint = "the engine hangs or is overloaded: check whether docker ps answers, and restart the engine if not"
        return Failure("engine-timeout", f"the engine gave {error.stderr}: {error.command}", hint)
    said = _without_warnings(error.stderr)
    text = _strip_frame(said) or f"exit code {error.returncode} without an error message: {error.command}"
    found = _first_match(ENGINE_MESSAGES, said)
    if found is None:
        hint = "see docs/failures.md#engine-error, and try the command that is shown by itself"
        return Failure("engine-error", f"the engine refused: {text}", hint)
    row, match = found
    about = f" ({image})" if image and row.code in _ABOUT_IMAGE else ""
    return Failure(row.code, f"{_fill_in(row, match)}{about}: {text}", _hint_on(error.command, row.hint))


def no_more_processes(reason: str) -> Failure:
    """Return the failure of a machine that refuses another process or thread."""
    hint = "raise the limit of processes (ulimit -u; in a container --pids-limit), or end others"
    return Failure("engine-error", f"this machine has no process or thread left: {reason}", hint)


_DISCARDED = re.compile(
    r"(?im)^(?:WARNING: |time=\S+ level=warning msg=\")?(?P<text>.*(?:discarded|"
    r"limits? (?:are |is )?(?:not supported|ignored)|"
    r"Limiting \S+ not supported|without cgroup).*?)\"?$"
)


def discarded_limit(warning: str) -> Failure | None:
    """Return the failure of a limit that the engine did not set, by what docker run warned of. None: it set all."""
    found = _DISCARDED.search(warning)
    if found is None:
        return None
    hint = "enable the control group that it names on the engine's machine, or leave the limit out"
    return Failure("engine-error", f"the engine left a limit out: {one_line(found['text'])}", hint)


def killed_worker() -> Failure:
    """Return the failure of a server that lives on after the kernel has killed a process of it."""
    text = "a process of the server ran out of memory and was killed by the kernel, while the server itself lives on"
    return Failure("out-of-memory", text, _MORE_MEMORY, oom_killed=True)


ContainerPresence = Literal["none", "possible", "late", "certain"]
"""Whether a container exists. ``late``: the engine may still create it."""


def presence_after(error: EngineError) -> ContainerPresence:
    """Return whether a ``docker run`` that failed left a container, for example one that could not start."""
    if error.was_cut_short:
        return "late"
    if error.stdout.strip():
        return "certain"
    found = _first_match(ENGINE_MESSAGES, _without_warnings(error.stderr))
    is_early = found is not None and found[0] is not BROKE_OFF and found[0].code in _BEFORE_CREATE
    return "none" if is_early or error.kind == "missing" else "possible"


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


def gone_container(name: str) -> Failure:
    """Return the failure of a container that somebody else removed, or is removing."""
    text = f"the container {name} is gone: somebody else removed it"
    return Failure("container-exited", text, "see who runs docker rm or docker system prune on this machine")


def stopped_container(name: str, state: ContainerState) -> Failure:
    """Return the failure of a container to which the engine has sent a signal for somebody else."""
    signal_sent = signal_name(state.exit_code) or f"exit code {state.exit_code}"
    text = f"somebody else stopped the container {name} ({signal_sent}), so nothing is known about the model"
    return Failure("engine-error", text, "see who runs docker stop, kill or restart on this machine, and run it again")


def restarted_container(name: str, restarts: int) -> Failure:
    """Return the failure of a container that runs again, on other published ports.

    ``restarts``: how often the engine has started it by its restart policy.
    """
    if restarts:
        return Failure("container-exited", f"the server ended by itself, and the engine has started {name} again")
    text = f"somebody else has started the container {name} again, so nothing is known about the model"
    return Failure("engine-error", text, "see who runs docker restart on this machine, and run it again")


def paused_container(name: str) -> Failure:
    """Return the failure of a container that does nothing because somebody paused it."""
    text = f"the container {name} is paused: somebody else paused it, so nothing is known about the model"
    return Failure("engine-error", text, "see who runs docker pause or docker commit on this machine, and run it again")


def not_running(seconds: float, seen: str) -> Failure:
    """Return the failure of a container that did not run in time. ``seen``: what the last look at it showed."""
    return Failure(
        "engine-timeout", f"the container was not running with its ports published after {seconds:.1f} s ({seen})"
    )


def port_taken(port: int) -> Failure:
    """Return the failure of a server in the host's network, where another process has its port."""
    text = f"another process of this machine listens on port {port}, so an answer would not be this server's"
    hint = f"find it with ss -ltnp 'sport = :{port}', and end it; or leave out --network host"
    return Failure("port-unavailable", text, hint)


_WHERE = (
    "the engine runs on another machine, or this process in a container or network of its own: run ivdocker where the"
    " engine runs, give this container the engine's network (docker run --network host), or name the engine's machine"
    " (DOCKER_HOST, or local_docker.host_ip_address in a ServingSpec)"
)


def unreachable(address: str, port: int | None = None) -> Failure:
    """Return the failure of a server that nobody reaches where the engine says that its port is published.

    ``port``: the one on which it listens, if that is known.
    """
    text = f"{address}, where the engine has published the server's port, cannot be reached from here"
    seen = f", though the server listens on port {port} in its container" if port else ""
    return Failure("endpoint-unreachable", text + seen, _WHERE)


def not_attached(address: str) -> Failure:
    """Return the failure of a container in a network that this machine is not in. ``address``: with prefix length."""
    text = f"this machine is not in the container's network: its address {address.partition('/')[0]} lies elsewhere"
    hint = "--offline needs an engine whose bridge networks are this machine's; run ivdocker where the engine runs"
    return Failure("endpoint-unreachable", text, hint)


def loopback_listener(port: int) -> Failure:
    """Return the failure of a server that accepts connections only from inside its own container."""
    return Failure(
        "not-listening",
        f"the server listens on 127.0.0.1:{port} inside its container, so it cannot be reached from outside",
        "make it listen on 0.0.0.0, with a flag such as --host=0.0.0.0 or in the server's configuration file",
    )


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
    return tuple(shorten(line.text, _LINE_LENGTH) for line in lines[start : start + TAIL_LINES])


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


def fatal_pattern(log_patterns: Sequence[LogPattern]) -> re.Pattern[bytes] | None:
    """Return one pattern that finds every line for which :func:`fatal_line` returns a failure. None: there is none."""
    patterns = [re.sub(r"\?P<\w+>", "?:", row.pattern) for row in log_patterns if row.fatal]
    # It is searched in many lines at once, and $ in a row means the end of a line.
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns).encode(), re.MULTILINE) if patterns else None


def signal_name(exit_code: int) -> str | None:
    """Return the signal that an exit code over 128 means: SIGKILL for 137. None when there is no such signal."""
    try:
        return signal.Signals(exit_code - 128).name
    except ValueError:
        return None


def _killed_by_kernel(state: ContainerState, lines: Sequence[Line], how: str) -> Failure | None:
    if state.oom_killed:
        hint = _MORE_MEMORY
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
    message, hint = _fill_in(row, match), _hint(row, match)
    raised = last_exception(lines)
    if not row.names_cause and "reason" not in match.groupdict() and raised is not None:
        exception = lines[raised].exception
        message, hint, at = f"{message}; its last exception: {_strip_frame(exception)}", advice(exception), raised
    return Failure(row.code, message, hint, log_tail=excerpt(lines, at))


def _is_fatal(row: LogPattern, line: str, lines: Sequence[Line]) -> bool:
    if not row.fatal or re.search(row.pattern, line) is None:
        return False
    return not row.only_after or any(re.search(row.only_after, each.said) for each in lines)


def _failed_start(state: ContainerState, lines: Sequence[Line], how: str) -> Failure | None:
    if not state.error:
        return None
    text = f"the container did not start: {_strip_frame(state.error)} ({how})"
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


def _first_match(rows: Sequence[LogPattern], text: str) -> tuple[LogPattern, re.Match[str]] | None:
    """Return the first row, in the order of the table, that matches."""
    for row in rows:
        match = re.search(row.pattern, text, re.IGNORECASE)
        if match:
            return row, match
    return None


def _fill_in(row: LogPattern, match: re.Match[str]) -> str:
    """Return the row's message with the texts of the pattern's groups."""
    groups = {name: _strip_frame(text or "") for name, text in match.groupdict().items()}
    return row.message.format(**groups)


def _hint(row: LogPattern, match: re.Match[str]) -> str | None:
    """Return the row's hint. Where the row has none, or repeats the server's words: what these words advise."""
    denied = hint_if_denied(match.string) if row.code == "model-load-failed" else None
    return denied or row.hint or advice(match.string)


def _hint_on(command: str, hint: str) -> str:
    """Return the hint with podman's commands where the engine is podman: they are docker's."""
    is_podman = os.path.basename(command.split(" ")[0]).startswith("podman")
    return re.sub(rf"\bdocker (?={_SAME_COMMANDS})", "podman ", hint) if is_podman else hint


def _without_warnings(text: str) -> str:
    """Return what a docker call says of its failure, without the warnings around it; cut, because a server or a
    registry may write anything."""
    lines = text[-_SAID_LENGTH:].splitlines()
    errors = [line for line in lines if not _WARNING.match(line)]
    return "\n".join(errors if any(line.strip() for line in errors) else lines)


def _strip_frame(text: str) -> str:
    """Return docker's message as one short line, without the words that docker puts around every error."""
    text = re.sub(r"(?ms)^\s*(Usage:.*|(Run|See) '\S+ run --help'.*)", "", text)
    text = re.sub(r"(?m)^\s*((docker|Error response from daemon|Error): )+", "", text)
    return one_line(text, _LINE_LENGTH)
