"""Reads the values of docker-py's parameters. What cannot be read raises Wrong."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from ivdocker.engine.argv import Port
from ivdocker.engine.dialect import Dialect, gpu_flags


class Wrong(ValueError):
    """The value cannot be used. The text says why, without the parameter's name."""


def text_of(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise Wrong(f"expected a text, not {value!r}")
    return str(value)


def integer_of(value: Any) -> str:
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value).strip()):
        raise Wrong(f"expected a whole number, not {value!r}")
    return str(value).strip()


def size_of(value: Any) -> str:
    """Bytes, or docker's notation."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not re.fullmatch(r"-1|\d+(\.\d+)?\s*([bkmgtp]i?b?)?", str(value).strip().lower()):
        raise Wrong(f"expected a size such as 512m or 2g, or bytes, not {value!r}")
    return str(value).strip()


def items_of(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise Wrong(f"expected a list, not {value!r}")
    return tuple(value)


def texts_of(value: Any) -> tuple[str, ...]:
    return tuple(text_of(item) for item in items_of(value))


def pairs(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise Wrong(f"expected a dict, not {value!r}")
    return {str(key): "" if text is None else str(text) for key, text in value.items()}


def fields_of(value: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields of one of docker-py's types, a dict with names such as ``DeviceIDs`` or ``device_ids``."""
    if not isinstance(value, Mapping):
        raise Wrong(f"expected a dict as docker.types makes it, not {value!r}")
    known = {_plain(name): name for name in names}
    found = {}
    for key, content in value.items():
        name = known.get(_plain(str(key)))
        if name is None:
            raise Wrong(f"{key!r} is not known here; known: {', '.join(names)}")
        found[name] = content
    return found


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def words_of(value: Any) -> tuple[str, ...]:
    """A command: a list, or a text that is split as a shell does."""
    if not isinstance(value, str):
        return texts_of(value)
    try:
        return tuple(shlex.split(value))
    except ValueError as error:
        raise Wrong(f"cannot be split into words ({error}): {value!r}") from None


def ports_of(value: Any) -> tuple[Port, ...]:
    """``{"8500/tcp": None | port | (address, port) | [port, ...]}``."""
    if not isinstance(value, Mapping):
        raise Wrong(f"expected a dict, not {value!r}")
    return tuple(port for key, bound in value.items() for port in _ports(str(key), bound))


def _ports(key: str, bound: Any) -> list[Port]:
    number, _, protocol = key.partition("/")
    if not _is_port(number) or protocol not in ("", "tcp", "udp", "sctp"):
        raise Wrong(f"{key!r} is not a container port such as 8500/tcp")
    inner, kind = int(number), protocol or "tcp"
    return [Port(inner, *_host_side(each), kind) for each in (bound if isinstance(bound, list) else [bound])]


def _host_side(bound: Any) -> tuple[str, str]:
    """The host's port and address."""
    address: Any = ""
    if isinstance(bound, tuple):
        address, bound = bound if len(bound) == 2 else ("", *bound) if len(bound) == 1 else ("", "?")
    elif isinstance(bound, Mapping):
        address, bound = bound.get("HostIp"), bound.get("HostPort")
    if bound is not None and bound != "" and not _is_port(str(bound)):
        raise Wrong(f"{bound!r} is not a port of the host; give a number, None, or (address, number)")
    return "" if bound is None else str(bound), str(address or "")


def _is_port(text: str) -> bool:
    return text.isdecimal() and int(text) < 65536


_REQUEST = ("Driver", "Count", "DeviceIDs", "Capabilities", "Options")


def device_requests(value: Any, dialect: Dialect) -> tuple[str, ...]:
    return tuple(flag for each in items_of(value) for flag in _device_request(fields_of(each, _REQUEST), dialect))


def _device_request(fields: Mapping[str, Any], dialect: Dialect) -> tuple[str, ...]:
    devices, driver = texts_of(fields.get("DeviceIDs") or []), fields.get("Driver") or ""
    if driver == "cdi":
        return tuple(f"--device={device}" for device in devices)
    alternatives = [set(texts_of(each)) for each in items_of(fields.get("Capabilities") or [])]
    if len(alternatives) != 1 or "gpu" not in alternatives[0]:
        raise Wrong("docker's command line requests GPUs only: give capabilities=[['gpu']]")
    more = alternatives[0] - {"gpu"}
    count = int(integer_of(fields.get("Count") or 0))
    if not devices and count == 0:
        raise Wrong("names no devices: give count=-1 for all, another count, or device_ids")
    if driver or more or fields.get("Options"):
        return (_long_request(str(driver), devices, count, more, pairs(fields.get("Options") or {}), dialect),)
    return gpu_flags(dialect, f'"device={",".join(devices)}"' if devices else "all" if count == -1 else str(count))


def _long_request(
    driver: str, devices: tuple[str, ...], count: int, more: set[str], options: dict[str, str], dialect: Dialect
) -> str:
    if dialect.gpu_device is not None:
        raise Wrong(f"{dialect.name} takes neither driver nor options, nor capabilities besides gpu; leave them out")
    fields = [f"driver={driver}"] if driver else []
    fields += [f'"device={",".join(devices)}"' if devices else f"count={count}"]
    fields += [f'"capabilities={",".join(sorted({*more, "gpu"}))}"'] if more else []
    fields += [f'"options={",".join(f"{key}={text}" for key, text in options.items())}"'] if options else []
    return f"--gpus={','.join(fields)}"
