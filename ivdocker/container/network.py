"""A network with no way out, made for one container and removed with it.

An internal network of docker: its only other member is this machine's end of the bridge, so the server is reached at
its own address, and nothing that it asks for beyond this machine is answered.
"""

from __future__ import annotations

from ivdocker import clock
from ivdocker.container import labels, removal
from ivdocker.container.session import Session
from ivdocker.engine.client import Engine, EngineError
from ivdocker.errors import UsageError


class OfflineNetwork:
    """It has the same name as its container."""

    def __init__(self, engine: Engine, name: str, keep: bool) -> None:
        self._engine = engine
        self._name = name
        self._keep = keep
        self._may_exist = False

    def create(self, session: Session) -> None:
        """Raises UsageError where the bridge is another machine's, EngineError."""
        host = self._engine.remote_host
        if host:
            raise UsageError(f"--offline needs an engine on this machine; this one is on {host}: leave --offline out")
        session.guard_network(self._name)
        self._may_exist = True
        try:
            self._engine.create_network(self._name, labels.of_this_process(self._keep, network=True))
        except EngineError as error:
            # What was refused was not made; what was cut short may have been.
            self._may_exist = error.kind == "timeout"
            raise

    def remove(self, deadline: clock.Deadline) -> None:
        """Raises nothing."""
        if self._may_exist:
            self._may_exist = not removal.remove_network(self._engine, self._name, deadline)
