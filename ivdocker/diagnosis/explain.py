"""Turns facts into a failure: a docker call's error, what somebody did to a container, a port that nobody reaches.

Pure: it calls nothing. :mod:`ivdocker.diagnosis.server_log` finds what a server's log tells.
"""

from __future__ import annotations

import os
import re
import signal
from typing import Literal

from ivdocker.diagnosis.rows import fill_in, first_match, strip_frame
from ivdocker.engine.client import EngineError
from ivdocker.engine.parse import ContainerState
from ivdocker.errors import Failure
from ivdocker.text import one_line

MORE_MEMORY = "give the container more with --memory, or use a smaller model"
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
    from ivdocker.diagnosis.engine_messages import ENGINE_MESSAGES  # which a good run does not need

    said = _without_warnings(error.stderr)
    text = strip_frame(said) or f"exit code {error.returncode} without an error message: {error.command}"
    found = first_match(ENGINE_MESSAGES, said)
    if found is None:
        hint = "see docs/failures.md#engine-error, and try the command that is shown by itself"
        return Failure("engine-error", f"the engine refused: {text}", hint)
    row, match = found
    about = f" ({image})" if image and row.code in _ABOUT_IMAGE else ""
    return Failure(row.code, f"{fill_in(row, match)}{about}: {text}", _hint_on(error.command, row.hint))


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
    return Failure("out-of-memory", text, MORE_MEMORY, oom_killed=True)


ContainerPresence = Literal["none", "possible", "late", "certain"]
"""Whether a container exists. ``late``: the engine may still create it."""


def presence_after(error: EngineError) -> ContainerPresence:
    """Return whether a ``docker run`` that failed left a container, for example one that could not start."""
    if error.was_cut_short:
        return "late"
    if error.stdout.strip():
        return "certain"
    from ivdocker.diagnosis.engine_messages import BROKE_OFF, ENGINE_MESSAGES

    found = first_match(ENGINE_MESSAGES, _without_warnings(error.stderr))
    is_early = found is not None and found[0] is not BROKE_OFF and found[0].code in _BEFORE_CREATE
    return "none" if is_early or error.kind == "missing" else "possible"


def needs_init(program: str) -> Failure:
    """Return the failure of an image whose program only docker's init can start."""
    text = f"{program}, the image's program, has no #! line: docker run --init starts it, docker run alone cannot"
    hint = "begin the file with #!/bin/sh; or give --init, if production runs the image with an init too"
    return Failure("container-exited", text, hint)


def gone_container(name: str) -> Failure:
    """Return the failure of a container that somebody else removed, or is removing."""
    text = f"the container {name} is gone: somebody else removed it, so nothing is known about the model"
    return Failure("engine-error", text, "see who runs docker rm or docker system prune on this machine")


def died(exit_code: int) -> Failure:
    """Return the failure of a server that ended by itself after its last answer, before it was told to."""
    name = signal_name(exit_code)
    how = f"exit code {exit_code}" + (f", {name}" if name else "")
    text = f"the server ended by itself after it was ready ({how}), before it was stopped"
    return Failure("container-exited", text, exit_code=exit_code, signal=name)


def stopped_container(name: str, state: ContainerState | None = None) -> Failure:
    """Return the failure of a container to which the engine has sent a signal for somebody else. ``state``: its end, if
    it has ended."""
    how = ""
    if state:
        how = f" ({signal_name(state.exit_code) or f'exit code {state.exit_code}'})"
    text = f"somebody else stopped the container {name}{how}, or the engine itself, so nothing is known about the model"
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


def signal_name(exit_code: int) -> str | None:
    """Return the signal that an exit code over 128 means: SIGKILL for 137. None when there is no such signal."""
    try:
        return signal.Signals(exit_code - 128).name
    except ValueError:
        return None


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
