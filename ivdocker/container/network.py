"""The network of an offline container: made for one container and removed with it.

It is an internal docker network. Its only other member is this machine's end of the bridge. This machine reaches the
server at the container's own address, and the server reaches nothing outside this machine.
"""

from __future__ import annotations

from ivdocker import clock
from ivdocker.container import labels, own_container, removal
from ivdocker.container.session import Session
from ivdocker.engine.client import Engine, EngineError
from ivdocker.errors import UsageError


class OfflineNetwork:
    """The network has the same name as its container."""

    def __init__(self, engine: Engine, name: str, keep: bool) -> None:
        self._engine = engine
        self._name = name
        self._keep = keep
        self._may_exist = False

    def create(self, session: Session) -> None:
        """Create the network. Raises UsageError if the engine is on another machine, EngineError."""
        host = self._engine.remote_host
        if host:
            raise UsageError(f"--offline needs an engine on this machine; this one is on {host}: leave --offline out")
        session.guard_network(self._name)
        self._may_exist = True
        try:
            inside = own_container.id_on(self._engine)
            self._engine.create_network(self._name, labels.of_this_process(inside, self._keep, network=True))
        except EngineError as error:
            # If the engine refused, there is no network. After a timeout there may be one.
            self._may_exist = error.kind == "timeout"
            raise

    def remove(self, deadline: clock.Deadline) -> bool:
        """Remove the network, if it may exist. Return whether it is gone. Raises nothing."""
        if self._may_exist:
            self._may_exist = not removal.remove_network(self._engine, self._name, deadline)
        return not self._may_exist
