"""docker-py's settings mean the same to docker's command line, or are refused by their names."""

from __future__ import annotations

import pytest

from ivdocker.engine import client_settings
from ivdocker.errors import UsageError


@pytest.fixture(autouse=True)
def without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_TLS_VERIFY", raising=False)
    monkeypatch.delenv("DOCKER_TLS", raising=False)


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("", ""),
        ("  ", ""),
        ("unix://var/run/docker.sock", "unix:///var/run/docker.sock"),
        ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
        ("unix:///var/run/docker.sock/", "unix:///var/run/docker.sock"),
        ("UNIX:///Var/Run/docker.sock", "unix:///Var/Run/docker.sock"),
        ("http+unix://var/run/docker.sock", "unix:///var/run/docker.sock"),
        ("http+unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
        ("unix://", "unix:///var/run/docker.sock"),
        ("tcp://10.0.0.5:2375", "tcp://10.0.0.5:2375"),
        ("TCP://Engine.example:2375/", "tcp://engine.example:2375"),
        ("http://10.0.0.5:2375", "tcp://10.0.0.5:2375"),
        ("tcp://10.0.0.5:2375/prefix/", "tcp://10.0.0.5:2375/prefix"),
        ("10.0.0.5:2375", "tcp://10.0.0.5:2375"),
        ("localhost:2375", "tcp://localhost:2375"),
        ("tcp://:2375", "tcp://127.0.0.1:2375"),
        ("tcp://[::1]:2375", "tcp://[::1]:2375"),
        ("ssh://me@engine.example", "ssh://me@engine.example"),
        ("SSH://me@engine.example:22/", "ssh://me@engine.example:22"),
    ],
)
def test_a_base_url_becomes_dockers_host(base_url: str, host: str) -> None:
    assert client_settings.host(base_url) == host


@pytest.mark.parametrize(
    ("base_url", "words"),
    [
        ("npipe:////./pipe/docker_engine", "named pipes exist on Windows only; write unix:///"),
        ("fd://", "cannot use a socket of its parent; write unix:///"),
        ("ftp://engine:21", "the scheme 'ftp' is not known; write unix:///"),
        ("/var/run/docker.sock", "for a socket write unix:///var/run/docker.sock"),
        ("tcp://", "has no port"),
        ("tcp:///path", "names no host"),
        ("tcp://engine", "has no port; write tcp://engine:2375"),
        ("http://engine/", "has no port; write tcp://engine:2375"),
        ("tcp://engine:0", "has no port"),
        ("tcp://engine:port", "is no address"),
        ("tcp://engine:99999", "is no address"),
        ("tcp://[::1:2375", "is no address"),
        ("tcp://me@engine:2375", "takes no user name; write tcp://engine:2375"),
        ("https://engine:2376", "write tcp://engine:2376, and set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH"),
        ("tcp://engine:2375?a=b", "only a host, a port and a path"),
        ("ssh://me:hunter2@engine", "only a host, a port and a path"),
        ("ssh://", "names no host"),
        ("unix:///a\nb", "holds a character"),
    ],
)
def test_what_docker_cannot_reach_is_refused_by_name(base_url: str, words: str) -> None:
    with pytest.raises(UsageError, match=r"local_docker\.client_base_url") as caught:
        client_settings.host(base_url)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_https_is_tcp_where_docker_verifies_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    assert client_settings.host("https://engine:2376") == "tcp://engine:2376"
    with pytest.raises(UsageError, match="is without TLS"):
        client_settings.host("http://engine:2375")


@pytest.mark.parametrize(("version", "value"), [("", ""), ("auto", ""), ("AUTO", ""), ("1.41", "1.41")])
def test_the_api_version_auto_is_dockers_to_choose(version: str, value: str) -> None:
    assert client_settings.api_version(version) == value


@pytest.mark.parametrize("version", ["latest", "v1.41", "1", "1.41.1", "1,41"])
def test_what_is_no_api_version_is_refused_by_name(version: str) -> None:
    with pytest.raises(UsageError, match=r"local_docker\.client_api_version .*; write it like 1\.41, or auto"):
        client_settings.api_version(version)


def test_a_timeout_of_0_is_the_default() -> None:
    assert (client_settings.call_timeout(0), client_settings.call_timeout(7)) == (60.0, 7.0)


@pytest.mark.parametrize("seconds", [-1, -(10**9), 10**400])
def test_a_timeout_that_cannot_be_is_refused_by_name(seconds: int) -> None:
    with pytest.raises(UsageError, match=r"local_docker\.client_timeout_seconds must be"):
        client_settings.call_timeout(seconds)
