"""Reads what the engine's command line prints into plain data. Pure; written for docker 20.10 to 29 and podman 4."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

from ivdocker.engine.dialect import Dialect

_WRONG = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What can be raised when the output does not have the expected shape."""

_SIZE_UNITS = {
    "b": 1,
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
}
"""Bytes per unit: docker prints ``MiB``, podman ``MB``."""


class Unreadable(ValueError):
    """The engine's output is not the JSON that was expected."""


class Binding(NamedTuple):
    """The host's address and port on which a container port is published."""

    address: str
    port: int

    @property
    def connect_host(self) -> str:
        """The address for a client on the same host; for a wildcard address that is loopback."""
        return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.address, self.address)


class ContainerState(NamedTuple):
    """A container, as ``container inspect`` reports it.

    ``status``: one of docker's words created, running, paused, restarting, removing, exited, dead. ``exit_code``: it
    has a meaning only after the container has ended. ``oom_killed``: the engine's flag for "out of memory". ``error``:
    why the engine could not start the container, else empty. ``pid``: the process id on the host, 0 when the container
    does not run. ``bindings``: the published ports, by container port.
    """

    id: str
    image_id: str
    status: str
    exit_code: int
    oom_killed: bool
    error: str
    pid: int
    bindings: Mapping[int, tuple[Binding, ...]]
    network_mode: str
    restarts: int = 0
    """How often the engine has started it again by its restart policy."""
    was_signalled: bool = False
    """Whether it ended after the engine had sent it a signal. ``inspect`` does not tell: the watch looks."""
    addresses: Mapping[str, str] = MappingProxyType({})
    """The container's address by network, as ``address/prefix length``; networks without an address are left out."""
    user: str = ""
    """As whom its first process runs: ``UID[:GID]``, or names that the image knows. Empty for root."""
    program: str = ""
    """The image's program, as the engine starts it."""

    def was_started_after(self, earlier: ContainerState | None) -> bool:
        """Whether the container runs again: its first process is not the one that it was."""
        return earlier is not None and 0 not in (self.pid, earlier.pid) and self.pid != earlier.pid

    @property
    def has_ended(self) -> bool:
        """Also when docker is about to start it again: its published ports would then be others."""
        return self.status in ("exited", "dead", "removing", "restarting")

    @property
    def is_being_removed(self) -> bool:
        """Whether somebody removes it; ``dead`` is one whose removal has failed half way."""
        return self.status in ("dead", "removing")

    def binding(self, port: int) -> Binding | None:
        """The binding to connect to: an IPv4 loopback address if there is one, else IPv4, else IPv6, whose port may be
        a different one. None when the port is not published."""
        order = ["127.0.0.1", "0.0.0.0", ""]

        def rank(binding: Binding) -> tuple[bool, int]:
            position = order.index(binding.address) if binding.address in order else len(order)
            return ":" in binding.address, position

        return min(self.bindings.get(port, ()), key=rank, default=None)


class Ending(NamedTuple):
    """What ``events`` tells of a container's end. ``exit_code``: None while it has not ended. ``was_signalled``: the
    engine has sent it a signal, as docker stop and kill do. ``ran_out_of_memory``: the kernel has killed a process in
    it; the flag OOMKilled is not always set."""

    exit_code: int | None
    was_signalled: bool
    ran_out_of_memory: bool

    @property
    def was_by_itself(self) -> bool:
        """Whether it surely ended, and nobody had asked for it."""
        return self.exit_code is not None and not self.was_signalled


class EngineVersion(NamedTuple):
    """The versions of the engine and its command line. ``platform``: the engine's, such as ``linux/amd64``."""

    name: str
    client: str
    server: str
    api: str
    platform: str


class EngineInfo(NamedTuple):
    """What the engine can do on its machine. ``limits``: whether it can limit memory and CPU. ``runtimes``: docker's
    programs that run containers. ``root``: the folder of images and containers. ``warnings``: what it misses."""

    limits: Mapping[str, bool]
    runtimes: tuple[str, ...]
    root: str
    warnings: tuple[str, ...]


class Listed(NamedTuple):
    """A container as ``ps`` lists it, or a network as ``network ls`` does.

    ``status``: the engine's text for people (``Up 3 minutes``). A network's ``image`` and ``status`` are empty.
    """

    name: str
    image: str
    status: str
    labels: Mapping[str, str]


class Image(NamedTuple):
    """An image, as ``image inspect`` reports it. ``entrypoint``, ``command``: the words of its ENTRYPOINT and CMD."""

    id: str
    platform: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = MappingProxyType({})
    labels: Mapping[str, str] = MappingProxyType({})


_EVENT = re.compile(r" container (?P<action>\w+) (?:.*?\bexitCode=(?P<code>\d+))?")


@contextmanager
def _reading(command: str) -> Iterator[None]:
    """Raise Unreadable, which names the engine's command, when the decorated function cannot read the output."""
    try:
        yield
    except _WRONG as error:
        raise Unreadable(f"cannot read the engine's answer to {command}: {error!r}") from None


@_reading("container inspect")
def container(output: bytes, dialect: Dialect) -> ContainerState:
    """The container in the output of ``container inspect``. Raises Unreadable."""
    record = json.loads(output)[0]
    state, network = record["State"], record.get("NetworkSettings") or {}
    status = str(state["Status"]).lower()
    return ContainerState(
        id=str(record["Id"]),
        image_id=str(record.get("Image") or ""),
        status=dialect.status_names.get(status, status),
        exit_code=int(state.get("ExitCode") or 0),
        oom_killed=bool(state.get("OOMKilled")),
        error=str(state.get("Error") or ""),
        pid=int(state.get("Pid") or 0),
        bindings=_bindings(network.get("Ports") or {}),
        restarts=int(record.get("RestartCount") or 0),
        network_mode=str((record.get("HostConfig") or {}).get("NetworkMode") or ""),
        addresses=_addresses(network.get("Networks") or {}),
        user=str((record.get("Config") or {}).get("User") or ""),
        program=str(record.get("Path") or ""),
    )


@_reading("events")
def ending(output: bytes) -> Ending:
    """The end of a container in the output of ``events``, one event per line. Raises Unreadable."""
    events = [match for line in output.decode("utf-8", "replace").splitlines() if (match := _EVENT.search(line))]
    actions = {match["action"] for match in events}
    codes = [int(match["code"]) for match in events if match["action"] == "die" and match["code"]]
    return Ending(codes[-1] if codes else None, "kill" in actions, "oom" in actions)


@_reading("stats")
def memory(output: bytes) -> int | None:
    """The memory in use, in bytes, in the output of ``stats``; None for a container that has ended. Raises Unreadable.

    docker prints ``1.5MiB / 2GiB`` (powers of 1024), podman ``1.5MB / 2GB`` (powers of 1000).
    """
    record = json.loads(output)
    record = record[0] if isinstance(record, list) else record
    text = str(record.get("MemUsage") or record["mem_usage"]).partition("/")[0].strip()
    number = text.rstrip("BKMGTikb")
    scale = _SIZE_UNITS[text[len(number) :].lower()]
    return int(float(number) * scale) or None


@_reading("image inspect")
def image(output: bytes) -> Image:
    """The image in the output of ``image inspect``. Raises Unreadable."""
    record = json.loads(output)[0]
    config = record.get("Config") or {}
    return Image(
        id=str(record["Id"]),
        platform=f"{record.get('Os') or '?'}/{record.get('Architecture') or '?'}",
        entrypoint=_words(config.get("Entrypoint")),
        command=_words(config.get("Cmd")),
        env={name: value for name, _, value in (str(pair).partition("=") for pair in config.get("Env") or ())},
        labels={str(key): str(value) for key, value in (config.get("Labels") or {}).items()},
    )


@_reading("ps")
def listing(output: bytes) -> list[Listed]:
    """The containers in the output of ``ps``. Raises Unreadable."""
    return [_listed(record) for record in _records(output)]


@_reading("network ls")
def networks(output: bytes) -> list[Listed]:
    """The networks in the output of ``network ls``. Raises Unreadable."""
    records = [_lower(record) for record in _records(output)]
    return [Listed(str(record["name"]), "", "", _labels(record.get("labels"))) for record in records]


@_reading("version")
def version(output: bytes, dialect: Dialect) -> EngineVersion:
    """The versions in the output of ``version``. Raises Unreadable, also when the output names no server.

    A local podman has no server: the program itself is the engine.
    """
    record = _lower(json.loads(output))
    client = _lower(record["client"])
    server = _lower(record.get("server") or (client if "osarch" in client else {}))
    system, _, machine = str(server.get("osarch") or "").partition("/")
    return EngineVersion(
        name=dialect.name,
        client=str(client.get("version") or ""),
        server=str(server["version"]),
        api=str(server.get("apiversion") or ""),
        platform=f"{server.get('os') or system}/{server.get('arch') or machine}",
    )


def info(output: bytes) -> EngineInfo:
    """Read the output of ``info``: docker's keys, or podman's, which has them in groups. Raises Unreadable."""
    with _reading("info"):
        record = json.loads(output)
        host, store = record.get("host") or {}, record.get("store") or {}
        found = host.get("cgroupControllers") or ()
        return EngineInfo(
            limits={
                "memory": bool(record.get("MemoryLimit", "memory" in found)),
                "CPU": bool(record.get("CpuCfsQuota", record.get("CPUCfsQuota", "cpu" in found))),
            },
            runtimes=tuple(record.get("Runtimes") or ()),
            root=str(record.get("DockerRootDir") or store.get("graphRoot") or ""),
            warnings=tuple(map(str, record.get("Warnings") or ())),
        )


def _listed(record: Mapping[str, Any]) -> Listed:
    """docker prints the names as one string, podman as a list."""
    names = record["Names"]
    return Listed(
        name=str(names if isinstance(names, str) else names[0]),
        image=str(record.get("Image") or ""),
        status=str(record.get("Status") or ""),
        labels=_labels(record.get("Labels")),
    )


def _labels(labels: Any) -> dict[str, str]:
    """docker prints the labels as one string, podman as an object."""
    if isinstance(labels, str):
        return dict(pair.partition("=")[::2] for pair in labels.split(",") if pair)
    return {str(key): str(value) for key, value in (labels or {}).items()}


def _records(output: bytes) -> list[Any]:
    """docker prints one JSON object per line, podman one list."""
    if output.lstrip().startswith(b"["):
        return list(json.loads(output))
    return [json.loads(line) for line in output.splitlines() if line.strip()]


def _addresses(networks: Mapping[str, Any]) -> dict[str, str]:
    found = {str(name): network for name, network in networks.items() if network and network.get("IPAddress")}
    return {name: f"{each['IPAddress']}/{int(each.get('IPPrefixLen') or 32)}" for name, each in found.items()}


def _words(value: Any) -> tuple[str, ...]:
    """An ENTRYPOINT or CMD: a list, a string in old images, null when the image has none."""
    return (value,) if isinstance(value, str) else tuple(str(word) for word in value or ())


def _lower(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its keys in lower case: docker 29 prints APIVersion where older ones print ApiVersion."""
    return {key.lower(): value for key, value in record.items()}


def _bindings(ports: Mapping[str, Any]) -> dict[int, tuple[Binding, ...]]:
    found: dict[int, tuple[Binding, ...]] = {}
    for key, entries in ports.items():
        number, _, protocol = key.partition("/")
        if protocol in ("", "tcp") and entries:
            found[int(number)] = tuple(
                Binding(str(entry.get("HostIp") or ""), int(entry["HostPort"]))
                for entry in entries
                if entry["HostPort"]
            )
    return found
