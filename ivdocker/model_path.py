"""The model that the user names: a folder on this machine, or a URI. It is checked once and never copied."""

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ivdocker.errors import UsageError
from ivdocker.text import shorten

if TYPE_CHECKING:
    from pathlib import Path

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class ModelPath(NamedTuple):
    """``location``: an absolute path, or with ``is_uri`` a URI that only the server can open."""

    location: str
    is_uri: bool = False

    @property
    def path(self) -> "Path":
        from pathlib import Path

        return Path(self.location)

    @property
    def version(self) -> str | None:
        """The version number if this is a version folder (``models/m/3``), else None."""
        last = self.location.rstrip("/").rpartition("/")[2]
        return last if is_version(last) else None

    @property
    def default_name(self) -> str:
        """The name of the folder (of a version folder: its parent), or ``model`` if that is not a valid model name."""
        parts = self.location.rstrip("/").split("/")
        name = parts[-2] if self.version and len(parts) > 1 else parts[-1]
        return name if _NAME.fullmatch(name) else "model"

    def folders(self) -> list["ModelPath"]:
        """The subfolders, sorted. Empty if the folder cannot be listed: the server will report that."""
        try:
            with os.scandir(self.location) as entries:
                return sorted(ModelPath(entry.path) for entry in entries if entry.is_dir())
        except OSError:
            return []

    def has(self, *names: str) -> bool:
        return any(os.path.exists(os.path.join(self.location, name)) for name in names)


def is_version(name: str) -> bool:
    """Whether the model servers treat a folder with this name as a version."""
    return name.isascii() and name.isdigit()


def path_text(path: Any, name: str) -> str:
    """The caller's argument ``name``, a path in any form, as text; ``~`` is replaced. Raises UsageError."""
    try:
        text = os.fsdecode(path)
    except TypeError:
        given = f"{type(path).__name__} {shorten(repr(path), 80)}"
        raise UsageError(f"{name} must be a path (str, bytes or os.PathLike), not {given}") from None
    return os.path.expanduser(text)


def absolute(path: Any, name: str) -> str:
    """The same, absolute: a later change of the working folder changes nothing. A URI stays as it is. Looks at no file.
    Raises UsageError."""
    text = path_text(path, name)
    return text if not text or _URI.match(text) else os.path.abspath(text)


def locate(model: str | bytes | os.PathLike[str]) -> ModelPath:
    """Find the model. Raises UsageError, which says what is wrong with the path."""
    text = path_text(model, "model")
    if text.startswith("file://"):
        from urllib.parse import unquote, urlsplit

        text = unquote(urlsplit(text).path)
    elif _URI.match(text):
        return ModelPath(text, is_uri=True)
    path = os.path.abspath(text)
    if not text or not os.path.lexists(path):
        raise UsageError(f"no such model: {text!r}; give the model's folder, or a URI such as gs://bucket/model")
    if os.path.islink(path) and not os.path.exists(path):
        raise UsageError(f"model {text!r} is a symbolic link to {os.readlink(path)!r}, which does not exist")
    if not os.path.isdir(path):
        raise UsageError(f"model {text!r} is a file; give the folder it is in")
    if os.path.samefile(path, os.sep):
        raise UsageError(f"model {text!r} is the root of this machine's files; give the model's folder")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise UsageError(f"model {text!r}: the path is not valid UTF-8, docker cannot mount it; rename it") from None
    return ModelPath(path)
