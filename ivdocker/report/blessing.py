"""TFX's blessing: an empty file whose name is the verdict."""

from __future__ import annotations

import os
from pathlib import Path

from ivdocker.errors import UsageError
from ivdocker.report.verdict import Verdict

BLESSED = "INFRA_BLESSED"
NOT_BLESSED = "INFRA_NOT_BLESSED"


def write_blessing(folder: str | os.PathLike[str], verdict: Verdict) -> None:
    """Write INFRA_BLESSED or INFRA_NOT_BLESSED, and remove an earlier run's file. Without a verdict, write neither.

    Raises UsageError if the folder cannot be written.
    """
    wanted = {"blessed": BLESSED, "not_blessed": NOT_BLESSED}.get(verdict)
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name in (BLESSED, NOT_BLESSED):
            if name == wanted:
                Path(folder, name).touch()
            else:
                Path(folder, name).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write the blessing to {os.fspath(folder)!r}: {error.strerror}") from None
