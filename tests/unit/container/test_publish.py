"""The address on which ports are published is an IP address that this machine can reach."""

from __future__ import annotations

import pytest

from ivdocker.container.publish import publish_address
from ivdocker.errors import UsageError


@pytest.mark.parametrize(
    ("wanted", "address"),
    [
        ("", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        (" LOCALHOST ", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.2"),
        ("0.0.0.0", "0.0.0.0"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("::", "::"),
        ("127.1", "127.0.0.1"),
    ],
)
def test_a_host_becomes_an_address(wanted: str, address: str) -> None:
    assert publish_address(wanted, None) == address


@pytest.mark.parametrize("wanted", ["no-such-host.invalid", "localhost:8500", "a b", "x" * 300, "fe80::1%eth0", "a..b"])
def test_what_has_no_address_is_refused_by_name(wanted: str) -> None:
    with pytest.raises(UsageError, match=r"local_docker\.host_ip_address"):
        publish_address(wanted, None)


@pytest.mark.parametrize("wanted", ["", "localhost", "127.0.0.1", "::1"])
def test_the_loopback_of_another_machine_is_refused(wanted: str) -> None:
    with pytest.raises(UsageError, match=r"on another machine \(gpu-box\).*host_ip_address"):
        publish_address(wanted, "gpu-box")
