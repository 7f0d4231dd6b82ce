"""Makes an :class:`~ivdocker.engine.client.Engine` from the settings of a user or a ServingSpec."""

from __future__ import annotations

from ivdocker.engine.client import CALL_TIMEOUT_S, Engine
from ivdocker.engine.dialect import dialect_of


def connect(
    program: str = "docker",
    *,
    host: str = "",
    api_version: str = "",
    timeout_s: float = CALL_TIMEOUT_S,
    publish_address: str = "",
) -> Engine:
    """Return the engine. Nothing is called yet.

    ``program``: ``docker``, ``podman``, or the path of either. ``host``: docker's ``--host``; without it docker's own
    rules apply (DOCKER_HOST, contexts). ``api_version``: DOCKER_API_VERSION. ``timeout_s``: the limit for one call, in
    seconds (default 60). ``publish_address``: the address on which ports are published (default 127.0.0.1).
    """
    env = {"DOCKER_API_VERSION": api_version} if api_version else {}
    return Engine(dialect_of(program), host or None, env, timeout_s, publish_address)
