"""A server that this machine cannot reach says nothing about the model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import ivdocker
from ivdocker import RunOptions
from tests.conftest import Engine, ModelFactory

pytestmark = pytest.mark.parametrize("engine", ["docker"], indirect=True)


def elsewhere(folder: Path) -> str:
    """A docker whose ports are published on another machine: here nobody listens on port 1."""
    program = folder / "docker"
    program.write_text(
        f'#!/bin/sh\n[ "$1 $2" = \'container inspect\' ] || exec {shutil.which("docker")} "$@"\n'
        f'{shutil.which("docker")} "$@" | sed \'s/"HostPort": "[0-9]*"/"HostPort": "1"/\'\n'
    )
    program.chmod(0o755)
    return str(program)


def test_a_port_that_is_published_elsewhere_is_no_verdict_on_the_model(
    engine: Engine, model: ModelFactory, tmp_path: Path
) -> None:
    options = RunOptions(engine=elsewhere(tmp_path))
    report = ivdocker.validate(model(), images=[engine.image], options=options, timeout_s=60)
    failure = report.runs[0].failure
    assert report.verdict == "no_verdict"
    assert failure is not None
    assert failure.code == "endpoint-unreachable"
    assert "127.0.0.1:1" in failure.message
    assert "DOCKER_HOST" in (failure.hint or "")
    assert report.seconds < 55  # the evidence ends the wait, not the time limit
    assert engine.containers() == []
