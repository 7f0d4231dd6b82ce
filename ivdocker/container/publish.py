"""Chooses the address on which the server's ports are published."""

from __future__ import annotations

import socket

from ivdocker.errors import UsageError

_SETTING = "local_docker.host_ip_address"
_LOOPBACK = "127.0.0.1"


def publish_address(wanted: str, remote_host: str | None) -> str:
    """The IP address on which ports are published, because docker takes no host name there (default: loopback).

    ``wanted``: an address or a host name; of a name's addresses, the first IPv4 one. Raises UsageError if the name has
    no address, or if the engine is remote and the address would be its loopback.
    """
    address = _resolved(wanted.strip()) if wanted.strip() else _LOOPBACK
    if remote_host and (address.startswith("127.") or address == "::1"):
        raise UsageError(
            f"the engine is on another machine ({remote_host}), whose loopback cannot be reached from here; name an"
            f" address of that machine: {_SETTING} in the ServingSpec"
        )
    return address


def _resolved(wanted: str) -> str:
    if wanted.lower() == "localhost":
        return _LOOPBACK
    address = _as_address(wanted.removeprefix("[").removesuffix("]"))
    return address or _address_of_name(wanted)


def _as_address(text: str) -> str | None:
    plain, zone, _ = text.partition("%")
    address = _parsed(socket.AF_INET, plain) or _parsed(socket.AF_INET6, plain)
    if address and zone:
        raise UsageError(f"{_SETTING} {text!r}: docker publishes on no address with a zone; leave out the part from %")
    return address


def _parsed(family: int, text: str) -> str | None:
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text))
    except (OSError, ValueError):
        return None


def _address_of_name(name: str) -> str:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a host name"
        raise UsageError(
            f"{_SETTING} {name!r} has no address here ({why}); write the IP address or the host name, without a port,"
            " of the engine's machine, or leave it out for 127.0.0.1"
        ) from None
    first = min(found, key=lambda each: each[0] != socket.AF_INET)
    return str(first[4][0]).partition("%")[0]
