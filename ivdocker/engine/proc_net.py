"""Reads the kernel's table of TCP sockets, /proc/net/tcp and tcp6. Pure."""

from __future__ import annotations

import ipaddress
import sys
from typing import NamedTuple

_LISTEN = "0A"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Listener(NamedTuple):
    """A socket that listens. ``inode``: its number, by which the processes that hold it are found."""

    address: Address
    port: int
    inode: str


def listeners(table: str) -> list[Listener]:
    """All sockets that listen. Lines that do not parse are skipped."""
    found = []
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < 10 or fields[3] != _LISTEN:
            continue
        address, _, number = fields[1].partition(":")
        try:
            found.append(Listener(_address(address), int(number, 16), fields[9]))
        except ValueError:
            continue
    return found


def _address(text: str) -> Address:
    """Decode an address: the kernel prints it as 32-bit words in the machine's byte order."""
    raw = bytes.fromhex(text)
    if sys.byteorder == "little":
        raw = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    address = ipaddress.ip_address(raw)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
