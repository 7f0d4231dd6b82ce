"""Works out the container to create from a model, a server and options. Runs nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from ivdocker import clock
from ivdocker.container import labels
from ivdocker.container.addresses import publish_address
from ivdocker.container.options import RunOptions
from ivdocker.engine.argv import ContainerSpec, Mount
from ivdocker.engine.client import Engine
from ivdocker.engine.dialect import Dialect, gpu_flags
from ivdocker.errors import UsageError
from ivdocker.model_path import locate
from ivdocker.servers import registry
from ivdocker.servers.base import LogPattern

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
"""Variables that change the docker client itself, so they are not passed through its environment. None is a secret."""


def check_image_name(image: str) -> None:
    """Raises UsageError if the name is empty, contains white space, or looks like a flag to docker."""
    if not image or image.startswith("-") or any(letter.isspace() for letter in image):
        raise UsageError(f"{image!r} is not the name of an image; a name looks like registry.example/team/server:tag")


class Server(NamedTuple):
    """The facts about a model server that are needed to run it, for our ``ServingBinary`` and for TFX's.

    ``ports``: container ports by protocol. ``main_port``: the port whose address GetEndpoint() returns.
    ``log_patterns``: the log lines that name a cause.
    """

    ports: Mapping[str, int]
    main_port: int
    log_patterns: tuple[LogPattern, ...]


def server_of(binary: Any) -> Server:
    """TFX's ServingBinary has only one port, for gRPC; its kind of server is found by the image's name."""
    main_port = int(binary.container_port)
    ports = dict(getattr(binary, "ports", {"grpc": main_port}))
    patterns: tuple[LogPattern, ...] | None = getattr(binary, "log_patterns", None)
    if patterns is None:
        known = registry.by_image(binary.image)
        patterns = known.binary.log_patterns if known else ()
    return Server(ports, main_port, patterns)


def container_spec(
    model: str | os.PathLike[str], binary: Any, options: RunOptions, engine: Engine, name: str
) -> ContainerSpec:
    """The container that runs the server on the model. Raises UsageError.

    ``detach``, ``auto_remove`` and ``publish_all_ports`` from ``MakeDockerRunParams`` (docker-py's names) are ignored:
    the log and exit code of a crashed server must stay readable, and other machines must not reach the server.
    """
    located = locate(model)
    params = binary.MakeDockerRunParams(model_path=located.location, needs_mount=not located.is_uri)
    check_image_name(str(params["image"]))
    _check_options(options)
    env, secret_env = _environment(params.get("environment") or {}, options.env)
    is_published = options.network != "host" and not options.offline
    remote_host = engine.remote_host if options.network != "host" else None
    network = name if options.offline else options.network
    return ContainerSpec(
        image=str(params["image"]),
        name=name,
        command=tuple(str(word) for word in params.get("command") or ()),
        labels=labels.of_this_process(options.keep, options.offline),
        env=env,
        secret_env=secret_env,
        env_files=options.env_files,
        mounts=tuple(Mount(str(m["Source"]), str(m["Target"])) for m in params.get("mounts") or ()),
        ports=tuple(server_of(binary).ports.values()) if is_published else (),
        publish_address=publish_address(engine.publish_address, remote_host),
        init=not options.graceful_stop,
        flags=_flags(options, engine.dialect, params.get("shm_size"), network),
    )


def _check_options(options: RunOptions) -> None:
    if options.grace_s is not None and clock.duration(options.grace_s, "the grace period") == float("inf"):
        raise UsageError("the grace period must be a number of at least 0 seconds, not inf")
    if options.network == "none":
        raise UsageError("--network none leaves no way to reach the server")
    if options.offline and options.network:
        raise UsageError(f"--offline makes its own network: leave --network {options.network} out")


def _environment(servers: Mapping[str, Any], users: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Split the variables: those for the command line, and those that docker gets through its environment."""
    plain = {key: value for key, value in users.items() if key in _CLIENT_READS}
    secret = {key: value for key, value in users.items() if key not in plain}
    return {**{str(key): str(value) for key, value in servers.items() if key not in secret}, **plain}, secret


def _flags(options: RunOptions, dialect: Dialect, default_shm_size: str | None, network: str | None) -> tuple[str, ...]:
    valued = {
        # Without --memory-swap docker would also allow the same amount of swap.
        "memory": options.memory,
        "memory-swap": options.memory,
        "cpus": options.cpus,
        "shm-size": options.shm_size or default_shm_size,
        "platform": options.platform,
        "user": options.user,
        "network": network,
    }
    gpus = gpu_flags(dialect, options.gpus) if options.gpus else ()
    hardened = ("--cap-drop=ALL", "--read-only", "--tmpfs=/tmp", "--pids-limit=1024") if options.hardened else ()
    return (*(f"--{name}={value}" for name, value in valued.items() if value), *gpus, *hardened, *options.docker_args)
