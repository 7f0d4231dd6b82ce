"""Reads docker-py's ``mounts`` and ``volumes``. The model's folder must not be mounted writable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ivdocker.container.docker_py_values import Wrong, fields_of, integer_of, items_of, pairs, text_of
from ivdocker.engine.argv import Mount

_FIELDS = ("Target", "Source", "Type", "ReadOnly", "Consistency", "BindOptions", "VolumeOptions", "TmpfsOptions")


def mounts_of(parameter: str, value: Any, model: str) -> tuple[tuple[Mount, ...], tuple[str, ...]]:
    """The mounts, and the flags of the volumes. Raises Wrong."""
    if parameter == "mounts":
        return tuple(_mount(fields_of(each, _FIELDS), model) for each in items_of(value)), ()
    texts = _from_dict(value) if isinstance(value, Mapping) else [text_of(each) for each in items_of(value)]
    for text in texts:
        source, _, rest = text.partition(":")
        if rest:
            _check_model(source, "ro" in rest.rpartition(":")[2].split(","), model, "the mode 'ro'")
    return (), tuple(f"--volume={text}" for text in texts)


def _from_dict(value: Mapping[Any, Any]) -> list[str]:
    return [f"{source}:{_bound(each)}" for source, each in value.items()]


def _bound(value: Any) -> str:
    if isinstance(value, str):
        return f"{value}:rw"
    fields = fields_of(value, ("bind", "mode", "ro"))
    if "bind" not in fields:
        raise Wrong(f"{value!r} lacks 'bind', the path in the container")
    mode = ("ro" if fields["ro"] else "rw") if "ro" in fields else fields.get("mode") or "rw"
    return f"{text_of(fields['bind'])}:{text_of(mode)}"


def _mount(fields: Mapping[str, Any], model: str) -> Mount:
    kind, source = fields.get("Type") or "volume", fields.get("Source") or ""
    if kind not in ("bind", "volume", "tmpfs"):
        raise Wrong(f"a mount of the type {kind!r} is not known; known: bind, volume, tmpfs")
    if not fields.get("Target"):
        raise Wrong("a mount lacks its target, the path in the container")
    read_only = bool(fields.get("ReadOnly"))
    if kind == "bind":
        _check_model(str(source), read_only, model, "read_only=True")
    return Mount(str(source), str(fields["Target"]), str(kind), read_only, tuple(_options(fields)))


def _check_model(source: str, read_only: bool, model: str, remedy: str) -> None:
    """A server that writes into the model's folder, or one around it, changes what was validated."""
    real, folder = os.path.realpath(source), os.path.realpath(model)
    if os.path.isabs(source) and not read_only and os.path.commonpath([real, folder]) in (real, folder):
        raise Wrong(f"the server could write into the model's folder {source}; give it {remedy}")


def _options(fields: Mapping[str, Any]) -> list[str]:
    bind = fields_of(fields.get("BindOptions") or {}, ("Propagation",))
    volume = fields_of(fields.get("VolumeOptions") or {}, ("NoCopy", "Labels", "DriverConfig"))
    driver = fields_of(volume.get("DriverConfig") or {}, ("Name", "Options"))
    tmpfs = fields_of(fields.get("TmpfsOptions") or {}, ("SizeBytes", "Mode"))
    valued = {
        "consistency": fields.get("Consistency"),
        "bind-propagation": bind.get("Propagation"),
        "volume-driver": driver.get("Name"),
        "tmpfs-size": tmpfs.get("SizeBytes"),
        "tmpfs-mode": f"{int(integer_of(tmpfs['Mode'])):o}" if tmpfs.get("Mode") else None,
    }
    found = [f"{key}={text_of(value)}" for key, value in valued.items() if value]
    found += [f"volume-label={key}={text}" for key, text in pairs(volume.get("Labels") or {}).items()]
    found += [f"volume-opt={key}={text}" for key, text in pairs(driver.get("Options") or {}).items()]
    return [*found, "volume-nocopy"] if volume.get("NoCopy") else found
