"""What it means how a server ended after SIGTERM. Pure."""

from __future__ import annotations

from ivdocker.errors import Failure

_CLEAN = (0, 143)
"""The server's own exit, and an end by the signal itself as an init or a shell reports it."""

_KILLED = 137

_HINT = (
    "have the image's entrypoint exec the server, so that it is PID 1 itself and gets the signal, or give the image an"
    " init (tini); else every rollout waits for the grace period and cuts requests short"
)


def failure_of(exit_code: int | None, grace_s: float) -> Failure | None:
    """The failure of a server that did not end by itself within the grace period, with 0 or 143; None when it did.

    ``exit_code`` is None when the engine did not tell.
    """
    if exit_code is None:
        return Failure("engine-error", "the engine did not tell how the server ended after SIGTERM")
    if exit_code in _CLEAN:
        return None
    if exit_code == _KILLED:
        text = f"the server did not end within {grace_s:g} s of SIGTERM and was killed"
        return Failure("unclean-stop", text, _HINT, exit_code=_KILLED, signal="SIGKILL")
    text = f"the server ended with exit code {exit_code} after SIGTERM, not with 0 or 143"
    hint = "see the last lines of its log for what went wrong while it shut down"
    return Failure("unclean-stop", text, hint, exit_code=exit_code)
