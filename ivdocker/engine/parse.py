"""What the engine prints, as plain data. Pure; written for docker 20.10 to 29 and podman 4."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

from ivdocker.engine.dialect import Dialect

_WRONG = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading an answer of another shape raises."""


_SIZE_UNITS = {
    "b": 1,
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
}


class Unreadable(ValueError):
    """The engine printed something else than the JSON it promises."""


class Binding(NamedTuple):
    """A published port: where on the host it is bound."""

    address: str
    port: int

    @property
    def connect_host(self) -> str:
        """Where a client on the same host connects: a wildcard address means loopback."""
        return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.address, self.address)


class ContainerState(NamedTuple):
    """What ``container inspect`` says. ``status`` is docker's word: created, running, paused, restarting, removing,
    exited, dead. ``exit_code`` means something only once it has exited."""

    id: str
    image_id: str
    status: str
    exit_code: int
    oom_killed: bool
    error: str
    pid: int
    bindings: Mapping[int, tuple[Binding, ...]]
    network_mode: str
    addresses: Mapping[str, str] = MappingProxyType({})
    """Its own address in each of its networks, where it has one."""

    @property
    def has_ended(self) -> bool:
        return self.status in ("exited", "dead", "removing")

    def binding(self, port: int) -> Binding | None:
        """The binding to connect to: IPv4 loopback first, then IPv4, then IPv6 (whose port may be another one)."""
        order = ["127.0.0.1", "0.0.0.0", ""]

        def rank(binding: Binding) -> tuple[bool, int]:
            position = order.index(binding.address) if binding.address in order else len(order)
            return ":" in binding.address, position

        return min(self.bindings.get(port, ()), key=rank, default=None)


class EngineVersion(NamedTuple):
    """The engine behind the command line. ``platform`` is like ``linux/amd64``."""

    name: str
    client: str
    server: str
    api: str
    platform: str


class Listed(NamedTuple):
    """A container as ``ps`` lists it. ``status`` is the engine's text for people (``Up 3 minutes``)."""

    name: str
    image: str
    status: str
    labels: Mapping[str, str]


class Image(NamedTuple):
    """What ``image inspect`` says. ``entrypoint`` and ``command`` are the words that the image starts with."""

    id: str
    platform: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = MappingProxyType({})
    labels: Mapping[str, str] = MappingProxyType({})


@contextmanager
def _reading(command: str) -> Iterator[None]:
    """Raises Unreadable, which names the engine's command, where the decorated function meets another shape."""
    try:
        yield
    except _WRONG as error:
        raise Unreadable(f"cannot read the engine's answer to {command}: {error!r}") from None


@_reading("container inspect")
def container(output: bytes, dialect: Dialect) -> ContainerState:
    """One container from the output of ``container inspect``. Raises Unreadable."""
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
        network_mode=str((record.get("HostConfig") or {}).get("NetworkMode") or ""),
        addresses=_addresses(network.get("Networks") or {}),
    )


@_reading("stats")
def memory(output: bytes) -> int | None:
    """Bytes in use from the output of ``stats``, None for a container that has ended. Raises Unreadable.

    docker writes ``1.5MiB / 2GiB``, podman ``1.5MB / 2GB``: powers of 1024 and of 1000.
    """
    record = json.loads(output)
    record = record[0] if isinstance(record, list) else record
    text = str(record.get("MemUsage") or record["mem_usage"]).partition("/")[0].strip()
    number = text.rstrip("BKMGTikb")
    scale = _SIZE_UNITS[text[len(number) :].lower()]
    return int(float(number) * scale) or None


@_reading("image inspect")
def image(output: bytes) -> Image:
    """One image from the output of ``image inspect``. Raises Unreadable."""
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
    """The containers of ``ps``. Raises Unreadable."""
    return [_listed(record) for record in _records(output)]


@_reading("network ls")
def networks(output: bytes) -> list[Listed]:
    """The networks of ``network ls``. Raises Unreadable."""
    records = [_lower(record) for record in _records(output)]
    return [Listed(str(record["name"]), "", "", _labels(record.get("labels"))) for record in records]


@_reading("version")
def version(output: bytes, dialect: Dialect) -> EngineVersion:
    """Client and server from the output of ``version``. Raises Unreadable; also when no server answered.

    A local podman has no server: the program itself is the engine.
    """
    record = _lower(json.loads(output))
    client = _lower(record["client"])
    server = _lower(record.get("server") or (client if dialect.name == "podman" else {}))
    system, _, machine = str(server.get("osarch") or "").partition("/")
    return EngineVersion(
        name=dialect.name,
        client=str(client.get("version") or ""),
        server=str(server["version"]),
        api=str(server.get("apiversion") or ""),
        platform=f"{server.get('os') or system}/{server.get('arch') or machine}",
    )


def _listed(record: Mapping[str, Any]) -> Listed:
    """docker writes names as one text, podman as a list."""
    names = record["Names"]
    return Listed(
        name=str(names if isinstance(names, str) else names[0]),
        image=str(record.get("Image") or ""),
        status=str(record.get("Status") or ""),
        labels=_labels(record.get("Labels")),
    )


def _labels(labels: Any) -> dict[str, str]:
    """docker writes them as one text, podman as an object."""
    if isinstance(labels, str):
        return dict(pair.partition("=")[::2] for pair in labels.split(",") if pair)
    return {str(key): str(value) for key, value in (labels or {}).items()}


def _records(output: bytes) -> list[Any]:
    """docker writes one JSON object a line, podman one list."""
    if output.lstrip().startswith(b"["):
        return list(json.loads(output))
    return [json.loads(line) for line in output.splitlines() if line.strip()]


def _addresses(networks: Mapping[str, Any]) -> dict[str, str]:
    found = {str(name): str((network or {}).get("IPAddress") or "") for name, network in networks.items()}
    return {name: address for name, address in found.items() if address}


def _words(value: Any) -> tuple[str, ...]:
    """A command of an image: a list, of old images a text, and null where there is none."""
    return (value,) if isinstance(value, str) else tuple(str(word) for word in value or ())


def _lower(record: Mapping[str, Any]) -> dict[str, Any]:
    """Docker 29 spells a key APIVersion that was ApiVersion."""
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
