"""How the container is run beyond what the model server asks for, and the container's description. Pure."""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from ivdocker.engine.argv import ContainerSpec, Mount
from ivdocker.engine.dialect import dialect_of, gpu_flags
from ivdocker.errors import UsageError
from ivdocker.servers.records import Routes

STOP_GRACE_S = 10

PullPolicy = Literal["missing", "always", "never"]

_CLIENT_READS = frozenset(
    {
        "CONTAINER_HOST",
        "DOCKER_API_VERSION",
        "DOCKER_CERT_PATH",
        "DOCKER_CONFIG",
        "DOCKER_CONTENT_TRUST",
        "DOCKER_CONTEXT",
        "DOCKER_DEFAULT_PLATFORM",
        "DOCKER_HOST",
        "DOCKER_TLS",
        "DOCKER_TLS_VERIFY",
        "GODEBUG",
        "HOME",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "PATH",
        "TMPDIR",
        "XDG_RUNTIME_DIR",
    }
)
"""Settings of the docker client itself: in its environment they would change what it does. None is a secret."""


class RunOptions(NamedTuple):
    """The production limits to rehearse, and what else ``docker run`` is to be given.

    ``env`` may hold secrets: its values reach docker through its environment, not through its command line.
    ``memory`` and ``shm_size`` are sizes as docker writes them (``2g``), ``cpus`` a number (``1.5``). ``grace_s``:
    seconds between SIGTERM and SIGKILL. ``keep``: a container may be left behind with :meth:`LocalDockerRunner.Leave`.
    ``evidence``: a folder to write down in what happens. ``offline``: no way out of the container. ``graceful_stop``:
    without docker's own init as PID 1, so that it shows what the image makes of SIGTERM. ``routes``: for a
    server of the kind ``http``, its port and paths.
    """

    engine: str = "docker"
    pull: PullPolicy = "missing"
    env: Mapping[str, str] = MappingProxyType({})
    env_files: tuple[str, ...] = ()
    memory: str | None = None
    cpus: str | None = None
    gpus: str | None = None
    shm_size: str | None = None
    platform: str | None = None
    user: str | None = None
    network: str | None = None
    hardened: bool = False
    docker_args: tuple[str, ...] = ()
    grace_s: int = STOP_GRACE_S
    keep: bool = False
    evidence: str | os.PathLike[str] | None = None
    offline: bool = False
    graceful_stop: bool = False
    routes: Routes | None = None


class Identity(NamedTuple):
    """Of a container that is yet to be made."""

    name: str
    labels: Mapping[str, str]


def check_image_name(image: str) -> None:
    """Raises UsageError for what docker would take for a flag, or for several words."""
    if not image or image.startswith("-") or any(letter.isspace() for letter in image):
        raise UsageError(f"{image!r} is no name of an image; it looks like registry.example/team/server:tag")


def container_spec(
    params: Mapping[str, Any], ports: tuple[int, ...], options: RunOptions, identity: Identity, address: str
) -> ContainerSpec:
    """From docker-py's words (``MakeDockerRunParams``) to a container.

    ``detach``, ``auto_remove`` and ``publish_all_ports`` are ours to decide: logs and exit code of a server that
    crashed are evidence, and a model server is nobody else's business. Raises UsageError.
    """
    check_image_name(str(params["image"]))
    if options.network == "none":
        raise UsageError("--network none leaves no way to reach the server")
    if options.offline and options.network:
        raise UsageError(f"--offline makes a network of its own: it cannot be had with --network {options.network}")
    environment = {str(key): str(value) for key, value in (params.get("environment") or {}).items()}
    plain = {key: value for key, value in options.env.items() if key in _CLIENT_READS}
    secret = {key: value for key, value in options.env.items() if key not in plain}
    return ContainerSpec(
        image=str(params["image"]),
        name=identity.name,
        command=tuple(str(word) for word in params.get("command") or ()),
        labels=identity.labels,
        env={**{key: value for key, value in environment.items() if key not in secret}, **plain},
        secret_env=secret,
        env_files=options.env_files,
        mounts=tuple(Mount(str(m["Source"]), str(m["Target"])) for m in params.get("mounts") or ()),
        ports=ports if options.network != "host" and not options.offline else (),
        publish_address=address,
        init=not options.graceful_stop,
        flags=_flags(options, params.get("shm_size"), identity.name if options.offline else options.network),
    )


def _flags(options: RunOptions, default_shm_size: str | None, network: str | None) -> tuple[str, ...]:
    valued = {
        # Without an equal --memory-swap as much swap again would be allowed.
        "memory": options.memory,
        "memory-swap": options.memory,
        "cpus": options.cpus,
        "shm-size": options.shm_size or default_shm_size,
        "platform": options.platform,
        "user": options.user,
        "network": network,
    }
    gpus = gpu_flags(dialect_of(options.engine), options.gpus) if options.gpus else ()
    hardened = ("--cap-drop=ALL", "--read-only", "--tmpfs=/tmp", "--pids-limit=1024") if options.hardened else ()
    return (*(f"--{name}={value}" for name, value in valued.items() if value), *gpus, *hardened, *options.docker_args)
