"""The plain data of a conversation can be copied, and sent to another process."""

from __future__ import annotations

import copy
import pickle

import pytest

from ivdocker.servers.records import Endpoint, RequestBody

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def endpoint(calls: list[str]) -> Endpoint:
    """One whose functions cannot be pickled, and write down that they were called."""
    made = Endpoint(
        "127.0.0.1:1",
        {"grpc": "127.0.0.1:1", "http": "127.0.0.1:2"},
        check=lambda: calls.append("check"),
        log=lambda: "log",
        pause=lambda seconds: calls.append(f"pause {seconds}"),
        is_idle=lambda: True,
    )
    made.look, made.vouch = (lambda: calls.append("look")), (lambda: calls.append("vouch"))
    return made


def use(used: Endpoint) -> tuple[str | None, bool]:
    used.check()
    used.pause(0)
    used.look()
    used.vouch()
    return used.log(), used.is_idle()


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
def test_a_copied_endpoint_works_as_the_original_does(make: type[Endpoint]) -> None:
    calls: list[str] = []
    original = endpoint(calls)
    copied = make(original)
    assert (copied, copied.addresses) == (original, original.addresses)
    assert use(copied) == ("log", True)
    assert calls == ["check", "pause 0", "look", "vouch"]
    copied.addresses["http"] = "elsewhere"
    assert original.http == "127.0.0.1:2"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_unpickled_endpoint_knows_the_addresses_and_nothing_else(protocol: int) -> None:
    calls: list[str] = []
    original = endpoint(calls)
    found: Endpoint = pickle.loads(pickle.dumps(original, protocol))
    assert (type(found), found, found.addresses) == (Endpoint, original, original.addresses)
    assert use(found) == (None, False)
    assert calls == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_request_can_be_pickled_and_copied(protocol: int) -> None:
    for request in (RequestBody({"x": [1]}), RequestBody(b"x", "text/plain", {"A": "b"}, "m", "1", "s")):
        assert pickle.loads(pickle.dumps(request, protocol)) == request
        assert copy.deepcopy(request) == request
