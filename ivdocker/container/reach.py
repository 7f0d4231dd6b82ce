"""Finds the addresses at which this machine reaches the server, and whether it reaches them at all.

From inside another container, or with an engine on another machine, the ports that the engine has published are not on
this machine's loopback.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from ivdocker.container import host_ports, listening
from ivdocker.container.addresses import addresses
from ivdocker.diagnosis import explain
from ivdocker.engine.client import Engine
from ivdocker.engine.parse import ContainerState
from ivdocker.errors import EnvironmentFailed, Failure
from ivdocker.process import tree


class Reach:
    """The addresses of one container's server. ``own_network``: the network in which it has its own address, if none of
    its ports is published."""

    def __init__(self, engine: Engine, ports: Mapping[str, int], own_network: str | None) -> None:
        self._engine, self._ports, self._own_network = engine, ports, own_network
        self._state: ContainerState | None = None
        self._found: dict[str, str] | None = None

    def check_free(self) -> None:
        """Call this before the start of a container in the host's network, where any process may have its ports. Raises
        EnvironmentFailed."""
        if self._engine.remote_host is None:
            _refuse(host_ports.taken(self._ports.values()))

    def find(self, state: ContainerState) -> dict[str, str] | None:
        """``host:port`` by protocol. None while a port has no binding yet. Raises EnvironmentFailed if this machine is
        not in the container's own network."""
        self._state, self._found = state, self._find(state)
        return self._found

    def http(self) -> str | None:
        """The address of the HTTP port. None until it is found."""
        return (self._found or {}).get("http")

    def vouch(self) -> None:
        """Raise EnvironmentFailed if another process than the container's has one of the server's ports."""
        if self._state and self._state.network_mode == "host":
            _refuse(host_ports.strange(self._ports.values(), self._state))

    def unreachable(self) -> Failure | None:
        """The failure if surely nobody can answer: the engine is elsewhere, and its port is not here. None: somebody
        may."""
        address, state = self.http(), self._state
        if address is None or state is None or state.network_mode == "host":
            return None
        is_elsewhere = not tree.is_of_container(state.pid, state.id)
        is_refused = is_elsewhere and listening.refuses(address)
        return explain.unreachable(address) if is_refused and self._may_listen(state) else None

    def _may_listen(self, state: ContainerState) -> bool:
        """False only if the server surely does not listen: then that is why nobody answers."""
        port = self._ports.get("http")
        return port is None or listening.hosts(self._engine, state.id, port) != []

    def _find(self, state: ContainerState) -> dict[str, str] | None:
        own, remote_host = self._own_network, self._engine.remote_host
        if own and state.addresses.get(own) and not _is_attached(state.addresses[own]):
            raise EnvironmentFailed(failure=explain.not_attached(state.addresses[own]))
        found = addresses(state, self._ports, remote_host, own)
        if not found or own or remote_host or state.network_mode == "host":
            return found
        if tree.is_of_container(state.pid, state.id) or not any(map(listening.refuses, found.values())):
            return found
        # This process may be in a container beside the server's.
        near = next((name for name, address in state.addresses.items() if _is_attached(address)), None)
        return addresses(state, self._ports, own_network=near) if near else found


def _refuse(port: int | None) -> None:
    if port is not None:
        raise EnvironmentFailed(failure=explain.port_taken(port))


def _is_attached(address: str) -> bool:
    """Whether this machine is in the network of ``address/prefix``: a route through other machines may end at a
    stranger's."""
    import ipaddress  # takes 3 ms, which a run with published ports does not need

    there = ipaddress.ip_interface(address)
    family = socket.AF_INET if there.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: the kernel only chooses the way.
            probe.connect((str(there.ip), 9))
        except OSError:
            return False
        return ipaddress.ip_address(probe.getsockname()[0]) in there.network
