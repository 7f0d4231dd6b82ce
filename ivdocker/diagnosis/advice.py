"""What to do about an exception that a server reports. Pure: it calls nothing."""

from __future__ import annotations

import re

from ivdocker.servers.client import hint_if_denied

_ADVICE = (
    (
        r"FileNotFoundError|No such file or directory",
        "see whether the file is in the model's folder, and whether the code opens it by its path in the container",
    ),
    (
        r"ModuleNotFoundError|ImportError|No module named",
        "install the module in the image, in the version that the model was made with",
    ),
    (
        r"Unpickl|incompatible version|InconsistentVersion|invalid load key",
        "the model's file is damaged, or was written by other versions than the image has: compare both",
    ),
    (
        r"Read-only file system",
        "the model's folder is mounted read-only: let the server write elsewhere, such as to /tmp",
    ),
    (r"CUDA out of memory|OutOfMemoryError", "use a smaller model or batch, or a GPU with more memory"),
)
_ELSE = "correct what the message names; see docs/failures.md#model-load-failed for the usual causes"


def advice(exception: str) -> str:
    """Return what to do about this exception."""
    denied = hint_if_denied(exception)
    found = (text for pattern, text in _ADVICE if re.search(pattern, exception[:2000], re.IGNORECASE))
    return denied or next(found, _ELSE)
