"""Works out the container to create from a model, a server and options. Runs nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from ivdocker import clock
from ivdocker.container import docker_py, labels, own_container
from ivdocker.container.docker_py import RunParams
from ivdocker.container.limits import as_docker_writes
from ivdocker.container.options import RunOptions
from ivdocker.container.publish import publish_address
from ivdocker.engine.argv import ContainerSpec, Port
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

    The parameters of ``MakeDockerRunParams`` are read by :mod:`ivdocker.container.docker_py`. Where the user's options
    speak too, they win.
    """
    options = as_docker_writes(options)
    located = locate(model)
    given = binary.MakeDockerRunParams(model_path=located.location, needs_mount=not located.is_uri)
    params = docker_py.read(given, located.location, engine.dialect)
    check_image_name(params.image)
    _check_options(options)
    network = name if options.offline else options.network or params.network
    _check_network(options, params)
    env, secret_env = _environment(params.env, options.env)
    is_published = network != "host" and not options.offline
    ports, more_ports = _ports(server_of(binary), params) if is_published else ((), ())
    remote_host = engine.remote_host if network != "host" else None
    return ContainerSpec(
        image=params.image,
        name=name,
        command=params.command,
        labels=labels.of_this_process(own_container.id_on(engine), options.keep, options.offline),
        env=env,
        secret_env=secret_env,
        env_files=options.env_files,
        unset=tuple(key for key in params.unset if key not in options.env),
        mounts=params.mounts,
        ports=ports,
        more_ports=more_ports,
        publish_address=publish_address(engine.publish_address, remote_host),
        init=options.init is not False and params.init is not False and not options.graceful_stop,
        platform=options.platform or params.platform,
        network=network,
        flags=_flags(options, engine.dialect, params),
    )


def _check_options(options: RunOptions) -> None:
    if options.grace_s is not None and clock.duration(options.grace_s, "the grace period") == float("inf"):
        raise UsageError("the grace period must be a number of at least 0 seconds, not inf")
    if options.network == "none":
        raise UsageError("--network none leaves no way to reach the server")
    if options.docker_args:
        from ivdocker.container import docker_args  # few runs need it

        docker_args.check(options.docker_args)
    if options.offline and options.network:
        raise UsageError(f"--offline makes its own network: leave --network {options.network} out")


def _check_network(options: RunOptions, params: RunParams) -> None:
    """What the binary asks for holds only where the user's options do not say something else."""
    network = "" if options.offline or options.network else params.network or ""
    if network == "none" or network.startswith("container:"):
        raise UsageError(f"MakeDockerRunParams(): network {network!r} leaves no way to reach the server")
    if network == "host" and params.ports:
        raise UsageError("MakeDockerRunParams(): ports cannot be published in the network 'host'; leave ports out")


def _ports(server: Server, params: RunParams) -> tuple[tuple[int, ...], tuple[Port, ...]]:
    """The server's ports that docker publishes where it likes, and the ports for which the binary says where."""
    chosen = {port.container for port in params.ports if port.protocol == "tcp"}
    return tuple(port for port in server.ports.values() if port not in chosen), params.ports


def _environment(servers: Mapping[str, str], users: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Split the variables: those for the command line, and those that docker gets through its environment."""
    plain = {key: value for key, value in users.items() if key in _CLIENT_READS}
    secret = {key: value for key, value in users.items() if key not in plain}
    return {**{key: value for key, value in servers.items() if key not in secret}, **plain}, secret


_HARDENED = (
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--read-only",
    "--tmpfs=/tmp",
    "--pids-limit=1024",
)

_REPLACES = {
    "memory": ("--memory", "--memory-swap"),
    "cpus": ("--cpus", "--cpu-period", "--cpu-quota"),
    "shm_size": ("--shm-size",),
    "user": ("--user",),
    "hardened": ("--cap-add", "--cap-drop", "--pids-limit", "--privileged", "--read-only"),
}
"""The flags of a binary that give way to the user's option."""


def _flags(options: RunOptions, dialect: Dialect, params: RunParams) -> tuple[str, ...]:
    replaced = {flag for name, flags in _REPLACES.items() if getattr(options, name) for flag in flags}
    binarys = (flag for flag in params.flags if flag.partition("=")[0] not in replaced)
    valued = {
        # Without --memory-swap docker would also allow the same amount of swap.
        "memory": options.memory,
        "memory-swap": options.memory,
        "cpus": options.cpus,
        "shm-size": options.shm_size,
        "user": options.user,
    }
    gpus = gpu_flags(dialect, options.gpus) if options.gpus else params.gpus
    hardened = _HARDENED if options.hardened else ()
    users = (f"--{name}={value}" for name, value in valued.items() if value)
    return (*binarys, *users, *gpus, *hardened, *options.docker_args)
