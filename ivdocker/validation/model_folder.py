"""What the model's folder holds that the server in the container does not see, or may not read."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from itertools import islice

from ivdocker.container.options import RunOptions
from ivdocker.errors import Failure
from ivdocker.model_path import ModelPath
from ivdocker.servers.client import MAY_NOT_READ

log = logging.getLogger("ivdocker")

_LOOKED_AT = 20_000
"""So many files and folders are looked at: a folder with more is not waited for."""

_ABOUT_FILES = ("model-not-found", "model-load-failed", "load-timeout", "container-exited")
"""The failures that a file which the server does not see, or may not read, may be the cause of."""

_MORE_MOUNTS = ("-v", "--volume", "--mount")
_RESOLVED = (
    "give a copy in which the links are files (cp -RL), or mount their targets: only the model's folder is mounted"
)


def warn_of_links(model: ModelPath, options: RunOptions) -> None:
    """Say that a link leads out of the folder: it works on this machine, and not in the container."""
    link = _link_out(model, options)
    if link:
        log.warning("the server will not see %s; %s", _leads(model, link), _RESOLVED)


def explained(failure: Failure, model: ModelPath, options: RunOptions, user: str | None) -> Failure:
    """The failure, with what the folder tells of its cause. A link that leads out of the folder makes it one of the
    environment: production may mount more.

    ``user``: as whom the server runs, as the engine says it; None if that is not known.
    """
    if failure.code not in _ABOUT_FILES or model.is_uri:
        return failure
    link = _link_out(model, options)
    if link:
        text = f"the server does not see {_leads(model, link)}: {failure.message}"
        return failure._replace(code="mount-not-found", message=text, hint=_RESOLVED)
    path = next(_unreadable(model, user), None)
    if path:
        code = "model-load-failed" if failure.code == "model-not-found" else failure.code
        text = f"{_inside(model, path)} may not be read by the server, which runs as user {user}: {failure.message}"
        return failure._replace(code=code, message=text, hint=MAY_NOT_READ)
    dead = next((each for each in _entries(model) if os.path.islink(each) and not os.path.exists(each)), None)
    if dead and not failure.hint:
        hint = f"{_inside(model, dead)} is a symbolic link to {os.readlink(dead)}, which does not exist"
        return failure._replace(hint=hint)
    return failure


def _leads(model: ModelPath, link: str) -> str:
    return f"{_inside(model, link)}, a link that leads out of the model's folder, to {os.readlink(link)}"


def _inside(model: ModelPath, path: str) -> str:
    return os.path.relpath(path, os.path.realpath(model.location))


def _link_out(model: ModelPath, options: RunOptions) -> str | None:
    """The first link that leads to something, but not by a relative way within the folder. None also if the user mounts
    more, which may be its target."""
    if model.is_uri or any(each.startswith(_MORE_MOUNTS) for each in options.docker_args):
        return None
    root = os.path.realpath(model.location)
    return next((path for path in _entries(model) if os.path.islink(path) and _leads_out(path, root)), None)


def _leads_out(link: str, root: str) -> bool:
    is_within = os.path.commonpath([os.path.realpath(link), root]) == root
    return os.path.exists(link) and (os.path.isabs(os.readlink(link)) or not is_within)


def _unreadable(model: ModelPath, user: str | None) -> Iterator[str]:
    """The files and folders that surely only others than this user may read. A root without rights is not known."""
    uid = (user or "").partition(":")[0]
    if not uid or uid in ("0", "root"):
        return
    for path in _entries(model):
        try:
            found = os.stat(path)
        except OSError:
            continue
        needed = stat.S_IROTH | stat.S_IXOTH if stat.S_ISDIR(found.st_mode) else stat.S_IROTH
        # The server may be in the group, by a name that only its image knows.
        is_owner = not uid.isdigit() or int(uid) == found.st_uid
        if found.st_mode & needed != needed and not is_owner and not found.st_mode & stat.S_IRGRP:
            yield path


def _entries(model: ModelPath) -> Iterator[str]:
    """The paths of the folder itself and of what is in it; the first 20,000."""
    return islice(_all(os.path.realpath(model.location)), _LOOKED_AT)


def _all(top: str) -> Iterator[str]:
    yield top
    for folder, folders, files in os.walk(top):
        for name in sorted((*folders, *files)):
            yield os.path.join(folder, name)
