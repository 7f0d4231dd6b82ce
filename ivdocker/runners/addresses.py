"""L4. Where the server's ports are to be reached from here. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ivdocker.engine.parse import ContainerState

_WILDCARDS = ("", "0.0.0.0", "::")


def addresses(state: ContainerState, ports: Mapping[str, int], remote_host: str | None) -> dict[str, str] | None:
    """``host:port`` by protocol; None while one of the ports has no binding yet.

    ``remote_host``: the engine's machine where that is not this one.
    """
    found: dict[str, str] = {}
    for protocol, port in ports.items():
        address = _address(state, port, remote_host)
        if address is None:
            return None
        found[protocol] = address
    return found


def _address(state: ContainerState, port: int, remote_host: str | None) -> str | None:
    if state.network_mode == "host":
        return f"{remote_host or '127.0.0.1'}:{port}"
    binding = state.binding(port)
    if binding is None:
        return None
    host = remote_host if remote_host and binding.address in _WILDCARDS else binding.connect_host
    return f"[{host}]:{binding.port}" if ":" in host else f"{host}:{binding.port}"
