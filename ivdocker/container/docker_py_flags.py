"""The table from docker-py's parameters to the flags of ``docker run``, for all that is a flag and nothing more."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ivdocker.container.docker_py_values import (
    Wrong,
    fields_of,
    integer_of,
    items_of,
    pairs,
    size_of,
    text_of,
    texts_of,
)

ToFlags = Callable[[Any], tuple[str, ...]]

READABLE_LOGS = ("json-file", "local", "journald")
"""The log drivers whose logs every engine can read back."""


def _one(flag: str, convert: Callable[[Any], str]) -> ToFlags:
    def to_flags(value: Any) -> tuple[str, ...]:
        text = convert(value)
        return (f"--{flag}={text}",) if text else ()

    return to_flags


def _each(flag: str, convert: Callable[[Any], tuple[str, ...]] = texts_of) -> ToFlags:
    return lambda value: tuple(f"--{flag}={text}" for text in convert(value))


def _switch(flag: str) -> ToFlags:
    return lambda value: (f"--{flag}",) if value else ()


def _joined(separator: str) -> Callable[[Any], tuple[str, ...]]:
    """A dict as ``key`` ``separator`` ``value``, or a list as it is."""

    def convert(value: Any) -> tuple[str, ...]:
        if isinstance(value, (list, tuple)):
            return tuple(separator.join(item) if isinstance(item, tuple) else text_of(item) for item in value)
        return tuple(f"{key}{separator}{text}" if text else key for key, text in pairs(value).items())

    return convert


def _records(*names: str) -> Callable[[Any], tuple[str, ...]]:
    """A list of dicts such as ``{"Path": p, "Rate": r}``, as ``p:r``; of texts as they are."""

    def convert(value: Any) -> tuple[str, ...]:
        return tuple(each if isinstance(each, str) else _record(each, names) for each in items_of(value))

    return convert


def _record(value: Any, names: tuple[str, ...]) -> str:
    fields = fields_of(value, names)
    return ":".join(text_of(fields[name]) for name in names if name in fields)


def _cpus(value: Any) -> str:
    return f"{int(integer_of(value)) / 10**9:.9f}".rstrip("0").rstrip(".")


def _security(value: Any) -> tuple[str, ...]:
    found = texts_of(value)
    for text in found:
        if re.match(r"seccomp[:=]\s*\{", text):
            raise Wrong(
                "docker's command line reads a seccomp profile from a file: write seccomp=/path/to/profile.json"
            )
    return found


def _ulimits(value: Any) -> tuple[str, ...]:
    return tuple(_ulimit(fields_of(each, ("Name", "Soft", "Hard"))) for each in items_of(value))


def _ulimit(fields: Mapping[str, Any]) -> str:
    name, given = fields.get("Name"), [fields.get("Soft"), fields.get("Hard")]
    limits = [integer_of(limit) for limit in given if limit is not None]
    if not name or not limits:
        raise Wrong("a limit needs a name, and soft or hard")
    return f"{name}={':'.join(limits)}"


def _log(value: Any) -> tuple[str, ...]:
    fields = fields_of(value, ("Type", "Config"))
    driver = fields.get("Type") or ""
    if driver and driver not in READABLE_LOGS:
        raise Wrong(f"the log of the driver {driver!r} may not be readable here; use {', '.join(READABLE_LOGS)}")
    options = tuple(f"--log-opt={key}={text}" for key, text in pairs(fields.get("Config") or {}).items())
    return (*((f"--log-driver={driver}",) if driver else ()), *options)


_HEALTH_TIMES = {"Interval": "health-interval", "Timeout": "health-timeout", "StartPeriod": "health-start-period"}


def _health(value: Any) -> tuple[str, ...]:
    fields = fields_of(value, ("Test", *_HEALTH_TIMES, "Retries"))
    test = fields.get("Test") or ()
    if isinstance(test, str):
        test = ("CMD-SHELL", test)
    if tuple(test) == ("NONE",):
        return ("--no-healthcheck",)
    if test and (test[0] != "CMD-SHELL" or len(test) != 2):
        raise Wrong("docker's command line runs a health check in a shell: give test as one text, or leave it out")
    flags = [f"--health-cmd={test[1]}"] if test else []
    flags += [f"--{flag}={integer_of(fields[name])}ns" for name, flag in _HEALTH_TIMES.items() if fields.get(name)]
    flags += [f"--health-retries={integer_of(fields['Retries'])}"] if fields.get("Retries") else []
    return tuple(flags)


def _volumes_from(value: Any) -> tuple[str, ...]:
    return tuple(value.split(",")) if isinstance(value, str) else texts_of(value)


_TEXTS = {
    "cgroup_parent": "cgroup-parent",
    "cgroupns": "cgroupns",
    "cpuset_cpus": "cpuset-cpus",
    "cpuset_mems": "cpuset-mems",
    "domainname": "domainname",
    "hostname": "hostname",
    "ipc_mode": "ipc",
    "mac_address": "mac-address",
    "pid_mode": "pid",
    "runtime": "runtime",
    "stop_signal": "stop-signal",
    "user": "user",
    "userns_mode": "userns",
    "uts_mode": "uts",
    "volume_driver": "volume-driver",
    "working_dir": "workdir",
}
_INTEGERS = (
    "blkio_weight", "cpu_period", "cpu_quota", "cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "oom_score_adj",
    "pids_limit",
)  # fmt: skip
_SIZES = {
    "kernel_memory": "kernel-memory",
    "mem_limit": "memory",
    "mem_reservation": "memory-reservation",
    "memswap_limit": "memory-swap",
    "shm_size": "shm-size",
}
_SWITCHES = {
    "oom_kill_disable": "oom-kill-disable",
    "privileged": "privileged",
    "read_only": "read-only",
    "stdin_open": "interactive",
    "tty": "tty",
}
_LISTS = {
    "cap_add": "cap-add",
    "cap_drop": "cap-drop",
    "device_cgroup_rules": "device-cgroup-rule",
    "dns": "dns",
    "dns_opt": "dns-option",
    "dns_search": "dns-search",
    "group_add": "group-add",
}
_RATES = ("device_read_bps", "device_read_iops", "device_write_bps", "device_write_iops")

FLAGS: Mapping[str, ToFlags] = MappingProxyType(
    {
        **{name: _one(flag, text_of) for name, flag in _TEXTS.items()},
        **{name: _one(name.replace("_", "-"), integer_of) for name in _INTEGERS},
        **{name: _one(flag, size_of) for name, flag in _SIZES.items()},
        **{name: _switch(flag) for name, flag in _SWITCHES.items()},
        **{name: _each(flag) for name, flag in _LISTS.items()},
        **{name: _each(name.replace("_", "-"), _records("Path", "Rate")) for name in _RATES},
        "blkio_weight_device": _each("blkio-weight-device", _records("Path", "Weight")),
        "devices": _each("device", _records("PathOnHost", "PathInContainer", "CgroupPermissions")),
        "extra_hosts": _each("add-host", _joined(":")),
        "healthcheck": _health,
        "links": _each("link", _joined(":")),
        "log_config": _log,
        "mem_swappiness": _one("memory-swappiness", integer_of),
        "nano_cpus": _one("cpus", _cpus),
        "security_opt": _each("security-opt", _security),
        "storage_opt": _each("storage-opt", _joined("=")),
        "sysctls": _each("sysctl", _joined("=")),
        "tmpfs": _each("tmpfs", _joined(":")),
        "ulimits": _each("ulimit", _ulimits),
        "volumes_from": _each("volumes-from", _volumes_from),
    }
)
"""By docker-py's name: what makes the flags. It raises Wrong."""
