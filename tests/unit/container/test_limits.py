"""Limits that the user writes as Kubernetes does, wrongly, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from ivdocker.container.limits import as_docker_writes
from ivdocker.container.options import RunOptions
from ivdocker.errors import UsageError


def test_kubernetes_units_become_dockers() -> None:
    options = as_docker_writes(RunOptions(memory="2Gi", cpus="500m", shm_size="64Mi"))
    assert (options.memory, options.cpus, options.shm_size) == ("2g", "0.5", "64m")


def test_a_number_of_cpus_may_be_a_number() -> None:
    assert as_docker_writes(RunOptions(cpus=1.5)).cpus == "1.5"


@pytest.mark.parametrize("name", ["engine", "memory", "cpus", "shm_size", "gpus", "platform", "user", "network"])
def test_an_empty_value_is_never_no_limit(name: str) -> None:
    values: dict[str, Any] = {name: " "}
    with pytest.raises(UsageError, match=f"{name} is empty"):
        as_docker_writes(RunOptions(**values))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (RunOptions(memory="2 gigs"), "'2 gigs' is not a size"),
        (RunOptions(shm_size="0"), "would be no limit"),
        (RunOptions(cpus="2 cores"), "'2 cores' is not a number of CPUs"),
        (RunOptions(cpus=0.0), "would be no limit"),
        (RunOptions(cpus=float("nan")), "not a number of CPUs"),
    ],
)
def test_a_wrong_limit_is_named(options: RunOptions, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        as_docker_writes(options)
