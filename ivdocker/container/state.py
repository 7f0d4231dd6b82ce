"""The states of a container's life, and the two ways in which it ends."""

from __future__ import annotations

import enum
from typing import NamedTuple


class State(enum.Enum):
    """The state of a container. It never goes back to an earlier state.

    ``INITIAL``: nothing was made. ``STARTING``: start() is running. ``SCHEDULED``: docker run has returned.
    ``RUNNING``: the container runs, and its ports are published. ``STOPPING``: it is being stopped and removed.
    ``ENDED``: everything that start() made is removed, or left in place on purpose.
    """

    INITIAL = 0
    STARTING = 1
    SCHEDULED = 2
    RUNNING = 3
    STOPPING = 4
    ENDED = 5


class End(NamedTuple):
    """How to end a container: :meth:`Container.stop` removes it, :meth:`Container.leave` does not. ``keep_log``: read
    the whole log first. ``prove_life``: find out whether the server lived until it was stopped."""

    leave: bool
    keep_log: bool
    prove_life: bool = False
