"""Checks, before a run, that the files and folders for its results can be written. Makes nothing."""

from __future__ import annotations

import os

from ivdocker.errors import UsageError


def check_file(option: str, path: str) -> None:
    """Raises UsageError if the file of this option cannot be written."""
    if os.path.isdir(path):
        raise UsageError(f"{option} {path!r} is a folder; name a file in it")
    if os.path.exists(path):
        if not os.access(path, os.W_OK):
            raise UsageError(f"{option} {path!r} cannot be written: {_why(path)}")
        return
    # A symbolic link that leads to nothing is made by writing what it leads to.
    _check_parent(option, path, os.path.dirname(os.path.realpath(path)))


def check_replaceable_file(option: str, path: str) -> None:
    """The same for a file that is written beside its place and then moved there: its folder must be writable too."""
    check_file(option, path)
    _check_parent(option, path, os.path.dirname(os.path.realpath(path)))


def check_folder(option: str, path: str) -> None:
    """Raises UsageError if the folder of this option can neither be made nor written to."""
    nearest = os.path.realpath(path)
    while not os.path.lexists(nearest):
        nearest = os.path.dirname(nearest)
    if not os.path.isdir(nearest):
        raise UsageError(f"{option} {path!r} cannot be written: {nearest!r} is a file; name a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UsageError(f"{option} {path!r} cannot be written: {_why(nearest)}")


def _check_parent(option: str, path: str, folder: str) -> None:
    if not os.path.lexists(folder):
        raise UsageError(f"{option} {path!r} cannot be written: there is no folder {folder!r}; make it first")
    if not os.path.isdir(folder):
        raise UsageError(f"{option} {path!r} cannot be written: {folder!r} is a file; name a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{option} {path!r} cannot be written: {_why(folder)}")


def _why(path: str) -> str:
    return f"{path!r} is on a read-only file system" if _is_read_only(path) else f"no permission to write to {path!r}"


def _is_read_only(path: str) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
