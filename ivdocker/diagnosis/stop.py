"""Judges how a server ended after SIGTERM. Pure: it calls nothing."""

from __future__ import annotations

from ivdocker.errors import Failure

_CLEAN = (0, 143)
"""0 is the server's own exit. 143 (128 + SIGTERM) is how an init or a shell reports that the signal ended it."""

_KILLED = 137
"""128 + SIGKILL."""

_HINT = (
    "start the server with exec in the image's entrypoint, so that it is PID 1 and gets the signal itself, or add an"
    " init (tini) to the image; otherwise every rollout waits for the whole grace period and interrupts requests"
)


def failure_of(exit_code: int | None, grace_s: float) -> Failure | None:
    """Return the failure of a server that did not end cleanly, None when it exited with 0 or 143.

    ``exit_code``: None when the engine did not report it. ``grace_s``: the seconds between SIGTERM and SIGKILL.
    """
    if exit_code is None:
        return Failure("engine-error", "the engine did not report how the server ended after SIGTERM")
    if exit_code in _CLEAN:
        return None
    if exit_code == _KILLED:
        text = f"the server did not end within {grace_s:g} s of SIGTERM and was killed"
        return Failure("unclean-stop", text, _HINT, exit_code=_KILLED, signal="SIGKILL")
    text = f"the server ended with exit code {exit_code} after SIGTERM; 0 and 143 are the clean exit codes"
    hint = "read the last lines of its log to see what failed while it shut down"
    return Failure("unclean-stop", text, hint, exit_code=exit_code)
