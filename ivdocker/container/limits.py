"""Checks the user's limits and other values for docker run, and writes them as docker does."""

from __future__ import annotations

from ivdocker.container.options import RunOptions
from ivdocker.errors import UsageError
from ivdocker.text import docker_cpus, docker_size

_TEXTS = ("engine", "memory", "cpus", "shm_size", "gpus", "platform", "user", "network")


def as_docker_writes(options: RunOptions) -> RunOptions:
    """The options with sizes and CPUs in docker's notation. Raises UsageError: an empty value, as of a shell variable
    that is not set, or a wrong unit is never the same as no limit."""
    for name in _TEXTS:
        value = getattr(options, name)
        if isinstance(value, str) and not value.strip():
            raise UsageError(f"{name} is empty; give it a value, or leave it out")
    try:
        return options._replace(
            memory=options.memory if options.memory is None else docker_size(options.memory),
            shm_size=options.shm_size if options.shm_size is None else docker_size(options.shm_size),
            cpus=options.cpus if options.cpus is None else docker_cpus(str(options.cpus)),
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
