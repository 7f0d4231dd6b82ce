"""From a model, a server and options to the container that is to be made. Nothing is run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

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
"""Settings of the docker client itself: in its environment they would change what it does. None is a secret."""


def check_image_name(image: str) -> None:
    """Raises UsageError for what docker would take for a flag, or for several words."""
    if not image or image.startswith("-") or any(letter.isspace() for letter in image):
        raise UsageError(f"{image!r} is not the name of an image; it looks like registry.example/team/server:tag")


class Server(NamedTuple):
    """What must be known of a model server to run it, ours or TFX's own ``ServingBinary``.

    ``ports``: container ports by protocol. ``main_port``: the one whose address GetEndpoint() returns.
    ``log_patterns``: the causes that its log tells.
    """

    ports: Mapping[str, int]
    main_port: int
    log_patterns: tuple[LogPattern, ...]


def server_of(binary: Any) -> Server:
    """TFX's own object knows one port only, which speaks gRPC; which server it is, its image's name tells."""
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
    """The container of that name which runs the server on the model. Raises UsageError.

    Of docker-py's words (``MakeDockerRunParams``), ``detach``, ``auto_remove`` and ``publish_all_ports`` are not
    followed: logs and exit code of a server that crashed are evidence, and a model server is nobody else's business.
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
    if options.grace_s is not None and not 0 <= options.grace_s < float("inf"):
        raise UsageError(f"the grace period must be a number of at least 0 seconds, not {options.grace_s:g}")
    if options.network == "none":
        raise UsageError("--network none leaves no way to reach the server")
    if options.offline and options.network:
        raise UsageError(f"--offline makes a network of its own: it cannot be had with --network {options.network}")


def _environment(servers: Mapping[str, Any], users: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What is written into the command line, and what reaches docker through its own environment."""
    plain = {key: value for key, value in users.items() if key in _CLIENT_READS}
    secret = {key: value for key, value in users.items() if key not in plain}
    return {**{str(key): str(value) for key, value in servers.items() if key not in secret}, **plain}, secret


def _flags(options: RunOptions, dialect: Dialect, default_shm_size: str | None, network: str | None) -> tuple[str, ...]:
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
    gpus = gpu_flags(dialect, options.gpus) if options.gpus else ()
    hardened = ("--cap-drop=ALL", "--read-only", "--tmpfs=/tmp", "--pids-limit=1024") if options.hardened else ()
    return (*(f"--{name}={value}" for name, value in valued.items() if value), *gpus, *hardened, *options.docker_args)
