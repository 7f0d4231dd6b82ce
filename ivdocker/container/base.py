"""The contract of TFX's InfraValidator for whatever runs a model server."""

from __future__ import annotations

import abc


class BaseModelServerRunner(abc.ABC):
    """Runs one model server once.

    ::

        Initial --Start()--> Scheduled --WaitUntilRunning()--> Running --Stop()--> End
                                 |                                |
                                 +------------> Aborted <---------+   the server ended, or was removed

    ``Stop()`` leads to End from every state. A job that was aborted is never taken up again: make another runner.
    """

    @abc.abstractmethod
    def Start(self) -> None:
        """Start the server and do not wait for it. A second call is an AssertionError."""

    @abc.abstractmethod
    def WaitUntilRunning(self, deadline: float) -> None:
        """Return once the server's job runs; that says nothing of the model.

        ``deadline``: UTC timestamp in seconds. Raises JobAborted, DeadlineExceeded; AssertionError before Start().
        """

    @abc.abstractmethod
    def GetEndpoint(self) -> str:
        """``"host:port"`` of the server. AssertionError before it runs."""

    @abc.abstractmethod
    def GetLogs(self) -> str | None:
        """What the server has written so far, also after its death; None before Start(). Raises nothing."""

    @abc.abstractmethod
    def Stop(self) -> None:
        """End the server gracefully and remove all that Start() made. Blocks, raises nothing, may be called at any
        time and any number of times."""
