"""Reads docker-py's parameters of ``containers.run()``, which ``MakeDockerRunParams`` returns, for ``docker run``.

Every parameter is honoured, or refused by its name with the reason. Ignored on purpose are ``detach``, ``auto_remove``,
``remove``, ``publish_all_ports``, ``stdout``, ``stderr``, ``stream`` and ``version``: the log and exit code of a dead
server must stay readable, other machines must not reach the server, and the rest is about docker-py alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from ivdocker.container import labels
from ivdocker.container.docker_py_flags import FLAGS
from ivdocker.container.docker_py_mounts import mounts_of
from ivdocker.container.docker_py_values import Wrong, device_requests, pairs, ports_of, words_of
from ivdocker.engine.argv import Mount, Port
from ivdocker.engine.dialect import Dialect
from ivdocker.errors import UsageError

IGNORED = frozenset({"auto_remove", "detach", "publish_all_ports", "remove", "stderr", "stdout", "stream", "version"})
_WINDOWS = "it exists on Windows only"
REFUSED = {
    "cpu_count": _WINDOWS,
    "cpu_percent": _WINDOWS,
    "init_path": "docker's command line has no such flag",
    "isolation": _WINDOWS,
    "lxc_conf": "docker has no LXC driver any more",
    "name": "ivdocker chooses the container's name, so that it can always be found and removed",
    "network_disabled": "without a network the server cannot be reached",
    "network_driver_opt": "docker's command line has no such flag",
    "networking_config": "name the network with network",
    "restart_policy": "a server that is started again hides how it ended",
}
"""Why a parameter is refused. Each may be given a value that asks for nothing: None, False, 0 or empty."""

_READ_HERE = frozenset(
    {"command", "device_requests", "entrypoint", "environment", "image", "init", "labels", "mounts", "network",
     "network_mode", "platform", "ports", "use_config_proxy", "volumes"}
)  # fmt: skip
KNOWN = frozenset({*IGNORED, *REFUSED, *_READ_HERE, *FLAGS})


class RunParams(NamedTuple):
    """What a serving binary asks of ``docker run``.

    ``env``: the variables. ``unset``: the image's variables that the container does not get. ``init``: None when
    the binary does not say. ``flags``: all that has no field of its own; ``gpus``: the flags of ``device_requests``.
    """

    image: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    unset: tuple[str, ...]
    mounts: tuple[Mount, ...]
    ports: tuple[Port, ...]
    network: str | None
    platform: str | None
    init: bool | None
    flags: tuple[str, ...]
    gpus: tuple[str, ...]


def read(params: Any, model: str, dialect: Dialect) -> RunParams:
    """Read what ``MakeDockerRunParams`` returned. ``model``: the model's folder, which must not be mounted writable.

    Raises UsageError, which names the parameter.
    """
    if not isinstance(params, Mapping):
        raise UsageError(f"MakeDockerRunParams() must return docker-py's parameters as a dict, not {params!r}")
    given = {str(name): value for name, value in params.items() if value is not None and name not in IGNORED}
    _check_names(given)
    reader = _Reader(given)
    entrypoint, command = reader.both()
    env, unset = reader.read("environment", _environment, ({}, ()))
    volumes, volume_flags = reader.read("volumes", lambda value: mounts_of("volumes", value, model), ((), ()))
    mounts, _ = reader.read("mounts", lambda value: mounts_of("mounts", value, model), ((), ()))
    flags = [flag for name, to_flags in FLAGS.items() for flag in reader.read(name, to_flags, ())]
    return RunParams(
        image=reader.image(),
        command=command,
        env=env,
        unset=unset,
        mounts=(*volumes, *mounts),
        ports=reader.read("ports", ports_of, ()),
        network=reader.network(),
        platform=reader.read("platform", str, None),
        init=reader.read("init", bool, None),
        flags=(*entrypoint, *volume_flags, *reader.read("labels", _labels, ()), *flags),
        gpus=reader.read("device_requests", lambda value: device_requests(value, dialect), ()),
    )


def _check_names(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name not in KNOWN:
            raise UsageError(f"MakeDockerRunParams(): {name!r} is no parameter of docker-py's containers.run()")
        is_off = name == "restart_policy" and isinstance(value, Mapping) and value.get("Name") in (None, "", "no")
        if name in REFUSED and value and not is_off:
            raise UsageError(f"MakeDockerRunParams(): {name} cannot be used: {REFUSED[name]}; leave it out")
    if given.get("use_config_proxy") is False:
        raise UsageError(
            "MakeDockerRunParams(): use_config_proxy=False cannot be used: docker's command line always takes the"
            " proxies of its configuration; leave it out"
        )


class _Reader:
    """Reads one parameter at a time, and names it when it is wrong."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    def read(self, name: str, convert: Any, default: Any) -> Any:
        if name not in self._given:
            return default
        try:
            return convert(self._given[name])
        except Wrong as error:
            raise UsageError(f"MakeDockerRunParams(): {name}: {error}") from None

    def image(self) -> str:
        """docker-py also takes its Image object."""
        image = self._given.get("image", "")
        return str(image if isinstance(image, str) else getattr(image, "id", image))

    def network(self) -> str | None:
        both = [str(self._given[name]) for name in ("network", "network_mode") if self._given.get(name)]
        if len(both) == 2:
            raise UsageError("MakeDockerRunParams(): network and network_mode exclude each other; give one of them")
        return both[0] if both else None

    def both(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The flag of the entrypoint, and the command: docker's flag takes one word, so the others go before it."""
        entrypoint, command = self.read("entrypoint", words_of, ()), self.read("command", words_of, ())
        if not entrypoint:
            return (), command
        return (f"--entrypoint={entrypoint[0]}",), (*entrypoint[1:], *command)


def _environment(value: Any) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables, and the names without a value: the engine takes those from the image's variables."""
    if isinstance(value, Mapping):
        found = {str(name): _text(text) for name, text in value.items()}
    elif isinstance(value, (list, tuple)):
        split = [str(item).partition("=") for item in value]
        found = {name: text if equals else None for name, equals, text in split}
    else:
        raise Wrong("expected a dict, or a list of NAME=VALUE")
    if wrong := [name for name in found if not name or "=" in name]:
        raise Wrong(f"{wrong[0]!r} is not the name of a variable")
    unset = tuple(name for name, text in found.items() if text is None)
    if taken := [name for name in unset if name in os.environ]:
        raise Wrong(
            f"{taken[0]} has no value, and docker's command line would pass on this machine's; give it the value ''"
        )
    return {name: text for name, text in found.items() if text is not None}, unset


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _labels(value: Any) -> tuple[str, ...]:
    found = dict.fromkeys(map(str, value), "") if isinstance(value, (list, tuple)) else pairs(value)
    for key in found:
        if key.startswith(labels.PREFIX):
            raise Wrong(f"{key!r} is a label by which ivdocker finds its own containers; choose another name")
        if not key or "=" in key:
            raise Wrong(f"{key!r} is not the name of a label")
    return tuple(f"--label={key}={text}" for key, text in found.items())
