"""How the container is run, beyond what the model server asks for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from ivdocker.servers.records import Routes

GRACE_S = 10.0
"""Seconds between SIGTERM and SIGKILL where somebody asks for a graceful stop: docker's own default."""

QUICK_GRACE_S = 0.5
"""The same where nobody does: a server that has answered is not waited for. A real Triton takes 3 s to end."""

PullPolicy = Literal["missing", "always", "never"]


class RunOptions(NamedTuple):
    """How the container is run: the production limits to rehearse, and what else ``docker run`` is to be given.

    - ``engine``: ``docker``, ``podman``, or the path of either. ``pull``: when the image is pulled.
    - ``env``: variables by name. They may be secrets: the values reach docker through its environment, not through its
      command line. ``env_files``: files of variables, which docker reads.
    - ``memory``, ``shm_size``: sizes as docker writes them (``2g``). ``cpus``: a number (``1.5``). ``gpus``,
      ``platform``, ``user``, ``network``: as docker run takes them. ``docker_args``: its further flags.
    - ``hardened``: no capabilities, a read-only root, a bounded number of processes. ``offline``: no way out of the
      container.
    - ``graceful_stop``: SIGTERM must end the server with 0 or 143, without docker's own init as PID 1, so that it shows
      what the image makes of SIGTERM. ``grace_s``: seconds between SIGTERM and SIGKILL; None is 10 for TFX's runner and
      with ``graceful_stop``, else 0.5.
    - ``keep``: leave a container that failed. ``evidence``: a folder to write down in what happens.
    - ``routes``: for a server of the kind ``http``, its port and paths.
    """

    engine: str = "docker"
    pull: PullPolicy = "missing"
    env: Mapping[str, str] = MappingProxyType({})
    env_files: tuple[str, ...] = ()
    memory: str | None = None
    cpus: str | None = None
    gpus: str | None = None
    shm_size: str | None = None
    platform: str | None = None
    user: str | None = None
    network: str | None = None
    hardened: bool = False
    docker_args: tuple[str, ...] = ()
    grace_s: float | None = None
    keep: bool = False
    evidence: str | os.PathLike[str] | None = None
    offline: bool = False
    graceful_stop: bool = False
    routes: Routes | None = None
