"""TFX's blessing: an empty file whose name is the verdict."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ivdocker.errors import UsageError
from ivdocker.report.places import check_folder

if TYPE_CHECKING:
    from ivdocker.report.verdict import Verdict

BLESSED = "INFRA_BLESSED"
NOT_BLESSED = "INFRA_NOT_BLESSED"


def withdraw(folder: str) -> None:
    """Remove the blessing of an earlier run, before anything else is done: however this run ends, it is out of date."""
    for name in (BLESSED, NOT_BLESSED):
        with suppress(OSError, ValueError):
            os.unlink(os.path.join(folder, name))


def check_blessing(option: str, folder: str) -> None:
    """Raises UsageError if the blessing cannot be written, or if an earlier run's could not be removed."""
    check_folder(option, folder)
    for name in (BLESSED, NOT_BLESSED):
        if os.path.lexists(os.path.join(folder, name)):
            raise UsageError(f"{option} {folder!r}: the {name} of an earlier run cannot be removed; remove it by hand")


def write_blessing(folder: str | os.PathLike[str], verdict: Verdict) -> None:
    """Write INFRA_BLESSED or INFRA_NOT_BLESSED, and remove an earlier run's file. Without a verdict, write neither.

    Raises UsageError if the folder cannot be written.
    """
    wanted = {"blessed": BLESSED, "not_blessed": NOT_BLESSED}.get(verdict)
    try:
        os.makedirs(folder, exist_ok=True)
        for name in (BLESSED, NOT_BLESSED):
            path = os.path.join(folder, name)
            if name == wanted:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666))
            else:
                with suppress(FileNotFoundError):
                    os.unlink(path)
    except OSError as error:
        raise UsageError(f"cannot write the blessing to {os.fspath(folder)!r}: {error.strerror}") from None
