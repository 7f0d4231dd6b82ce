"""The interface that TFX's InfraValidator expects of a model server runner."""

from __future__ import annotations

import abc


class BaseModelServerRunner(abc.ABC):
    """Runs one model server once.

    ::

        Initial --Start()--> Scheduled --WaitUntilRunning()--> Running --Stop()--> End
                                 |                                |
                                 +------------> Aborted <---------+   the server ended, or was removed

    ``Stop()`` leads to End from every state. An aborted job cannot be restarted: make another runner.
    """

    @abc.abstractmethod
    def Start(self) -> None:
        """Start the server and do not wait for it. A second call raises AssertionError."""

    @abc.abstractmethod
    def WaitUntilRunning(self, deadline: float) -> None:
        """Wait until the server's job runs. The model may not be loaded yet.

        ``deadline``: UTC timestamp in seconds. Raises JobAborted, DeadlineExceeded; AssertionError before Start().
        """

    @abc.abstractmethod
    def GetEndpoint(self) -> str:
        """``"host:port"`` of the server. Raises AssertionError before the server runs."""

    @abc.abstractmethod
    def GetLogs(self) -> str | None:
        """The server's log so far, also after its end. None before Start(). Raises nothing."""

    @abc.abstractmethod
    def Stop(self) -> None:
        """Stop the server gracefully and remove everything that Start() made. Blocks. Raises nothing. May be called at
        any time and any number of times."""
