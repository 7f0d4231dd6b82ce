"""Works out the addresses at which this machine reaches the server's ports. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ivdocker.engine.parse import ContainerState

_WILDCARDS = ("", "0.0.0.0", "::")


def addresses(
    state: ContainerState, ports: Mapping[str, int], remote_host: str | None = None, own_network: str | None = None
) -> dict[str, str] | None:
    """``host:port`` by protocol. None while a port has no binding yet.

    ``remote_host``: the engine's machine, if it is not this one. ``own_network``: the network in which the container
    has its own address, if no ports are published.
    """
    found: dict[str, str] = {}
    for protocol, port in ports.items():
        address = _address(state, port, remote_host, own_network)
        if address is None:
            return None
        found[protocol] = address
    return found


def _address(state: ContainerState, port: int, remote_host: str | None, own_network: str | None) -> str | None:
    if own_network:
        host = state.addresses.get(own_network, "").partition("/")[0]
        return f"{host}:{port}" if host else None
    if state.network_mode == "host":
        return f"{remote_host or '127.0.0.1'}:{port}"
    binding = state.binding(port)
    if binding is None:
        return None
    host = remote_host if remote_host and binding.address in _WILDCARDS else binding.connect_host
    return f"[{host}]:{binding.port}" if ":" in host else f"{host}:{binding.port}"
