"""The user's options for the container, besides what the model server needs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from ivdocker.servers.records import Routes

GRACE_S = 10.0
"""Seconds between SIGTERM and SIGKILL for a graceful stop. This is docker's own default."""

QUICK_GRACE_S = 0.5
"""Seconds between SIGTERM and SIGKILL otherwise: after its answers the server is not needed any more. A real Triton
takes 3 s to end."""

PullPolicy = Literal["missing", "always", "never"]


class RunOptions(NamedTuple):
    """How the container is run: production limits to try, and other settings for ``docker run``.

    - ``engine``: ``docker``, ``podman``, or the path of either. ``pull``: when to pull the image.
    - ``env``: environment variables. They may be secrets: docker gets the values through its environment, not through
      its command line. ``env_files``: files of variables, which docker reads.
    - ``memory``, ``shm_size``: sizes in docker's notation (``2g``) or Kubernetes' (``2Gi``). ``cpus``: a number
      (``1.5``, ``1500m``). ``gpus``,
      ``platform``, ``user``, ``network``: as for docker run. ``docker_args``: more flags of docker run.
    - ``hardened``: no capabilities and no new privileges, a read-only root, a limited number of processes.
      ``offline``: the container reaches nothing outside this machine.
    - ``init``: docker's init is process 1, so that an image whose shell script does not pass SIGTERM on ends at once.
      True: production has it too. None (the default): a program that only the init can start is a failure.
    - ``graceful_stop``: SIGTERM must end the server with exit code 0 or 143. docker's init is left out, so that the
      image itself handles SIGTERM. ``grace_s``: seconds between SIGTERM and SIGKILL (default 10 for TFX's runner and
      with ``graceful_stop``, else 0.5).
    - ``keep``: do not remove a container that failed. ``evidence``: the folder for logs, events and states.
    - ``routes``: the port and paths of a server of the kind ``http``.
    """

    engine: str = "docker"
    pull: PullPolicy = "missing"
    env: Mapping[str, str] = MappingProxyType({})
    env_files: tuple[str, ...] = ()
    memory: str | None = None
    cpus: str | float | None = None
    gpus: str | None = None
    shm_size: str | None = None
    platform: str | None = None
    user: str | None = None
    network: str | None = None
    hardened: bool = False
    init: bool | None = None
    docker_args: tuple[str, ...] = ()
    grace_s: float | None = None
    keep: bool = False
    evidence: str | os.PathLike[str] | None = None
    offline: bool = False
    graceful_stop: bool = False
    routes: Routes | None = None

    def __reduce__(self) -> tuple[object, ...]:
        # A read-only view of a dict, such as the default, can neither be pickled nor copied.
        return type(self), tuple(dict(value) if isinstance(value, MappingProxyType) else value for value in self)
