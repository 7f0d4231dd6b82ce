"""Reads the settings of docker-py's client, which a ServingSpec's ``local_docker`` holds, for docker's command line."""

from __future__ import annotations

import os
import re
from urllib.parse import SplitResult, urlsplit

from ivdocker.engine.client import CALL_TIMEOUT_S
from ivdocker.errors import UsageError

_URL = "local_docker.client_base_url"
_VERSION = "local_docker.client_api_version"
_TIMEOUT = "local_docker.client_timeout_seconds"

_MAX_TIMEOUT_S = 2**31 - 1
_DEFAULT_SOCKET = "/var/run/docker.sock"
_KNOWN = "write unix:///path/to/docker.sock, tcp://host:port or ssh://user@host"
_REFUSED = {
    "npipe": "named pipes exist on Windows only",
    "fd": "docker's command line cannot use a socket of its parent",
}


def host(base_url: str) -> str:
    """The value of docker's ``--host`` that means what docker-py means by this ``base_url``. Empty: docker's own rules.

    Raises UsageError for what docker's command line cannot reach.
    """
    text = base_url.strip()
    if not text:
        return ""
    if not text.isprintable():
        raise UsageError(f"{_URL} {base_url!r} holds a character that no address has; {_KNOWN}")
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "tcp", text
    return _host(scheme.lower(), rest, text)


def _host(scheme: str, rest: str, text: str) -> str:
    if scheme in ("unix", "http+unix"):
        # docker-py reads unix://var/run/docker.sock as an absolute path too.
        path = rest.strip("/")
        return f"unix:///{path}" if path else f"unix://{_DEFAULT_SOCKET}"
    if scheme in ("tcp", "http", "https"):
        return _tcp(scheme, rest, text)
    if scheme == "ssh":
        return f"ssh://{_parsed('ssh', rest).geturl().removeprefix('ssh://').rstrip('/')}"
    why = _REFUSED.get(scheme, f"the scheme {scheme!r} is not known")
    raise UsageError(f"{_URL} {text!r} cannot be used: {why}; {_KNOWN}")


def _tcp(scheme: str, rest: str, text: str) -> str:
    if rest.startswith("/"):
        hint = f"for a socket write unix://{rest}" if "://" not in text else _KNOWN
        raise UsageError(f"{_URL} {text!r} names no host; {hint}")
    parts = _parsed("tcp", rest)
    name = parts.hostname or "127.0.0.1"
    name = f"[{name}]" if ":" in name else name
    if not parts.port:
        raise UsageError(f"{_URL} {text!r} has no port; write tcp://{name}:2375, or the port of your engine")
    if "@" in parts.netloc:
        raise UsageError(
            f"{_URL}: an address of the kind {scheme}:// takes no user name; write tcp://{name}:{parts.port}"
        )
    _check_tls(scheme, f"tcp://{name}:{parts.port}", text)
    return f"tcp://{name}:{parts.port}{parts.path.rstrip('/')}"


def _check_tls(scheme: str, address: str, text: str) -> None:
    """docker takes TLS from the environment, docker-py from the scheme: they must agree."""
    verified = bool(os.environ.get("DOCKER_TLS_VERIFY"))
    if scheme == "https" and not verified:
        raise UsageError(
            f"{_URL} {text!r}: docker's command line takes TLS from the environment; write {address}, and set"
            " DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH to the folder of ca.pem, cert.pem and key.pem"
        )
    if scheme == "http" and (verified or os.environ.get("DOCKER_TLS")):
        raise UsageError(
            f"{_URL} {text!r} is without TLS, but DOCKER_TLS_VERIFY or DOCKER_TLS is set; write {address} to use TLS,"
            " or unset the variable"
        )


def _parsed(scheme: str, rest: str) -> SplitResult:
    """The address, which is not shown when it is wrong: it may hold a password."""
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"{_URL} is no address ({error}); {_KNOWN}") from None
    if parts.password is not None or parts.query or parts.fragment or any(map(str.isspace, rest)):
        raise UsageError(f"{_URL}: only a host, a port and a path may stand in it; {_KNOWN}")
    if scheme == "ssh" and not parts.hostname:
        raise UsageError(f"{_URL} names no host; {_KNOWN}")
    return parts


def api_version(version: str) -> str:
    """The value of DOCKER_API_VERSION. Empty for ``auto``: docker then agrees on a version with the engine.

    Raises UsageError if it is no version.
    """
    text = version.strip()
    if text.lower() in ("", "auto"):
        return ""
    if not re.fullmatch(r"[0-9]+\.[0-9]+", text):
        raise UsageError(f"{_VERSION} {version!r} is no version of docker's API; write it like 1.41, or auto")
    return text


def call_timeout(seconds: int) -> float:
    """The limit for one docker call, in seconds. 0 means the default. Raises UsageError if it is negative."""
    if not 0 <= seconds <= _MAX_TIMEOUT_S:
        raise UsageError(f"{_TIMEOUT} must be a number of seconds, or 0 for the default of 60, not {seconds}")
    return float(seconds or CALL_TIMEOUT_S)
