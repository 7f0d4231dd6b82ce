"""TFX's own tests of its docker runner, with ivdocker's runner swapped in.

They have an image and a model that are not here, so they get the stand-in's, and mocks in place of the Docker SDK. What
those would make happen, the fake engine does; and what is asserted of the mocks alone fails, as it must.
"""

from __future__ import annotations

import json
import re
import unittest
from pathlib import Path
from typing import Any

import pytest
from tfx.components.infra_validator.model_server_runners import local_docker_runner_test

import ivdocker.tfx
from tests.conftest import Engine, ModelFactory

pytestmark = [pytest.mark.tfx, pytest.mark.parametrize("engine", ["fake"], indirect=True)]

CREATED, DEAD = (
    json.dumps([{"Id": "0", "State": {"Status": status}, "NetworkSettings": {"Ports": {}}}])
    for status in ("created", "dead")
)
HOLD: list[tuple[str, list[dict[str, Any]]]] = [
    ("testStartMultipleTimesFail", []),
    ("testGetEndpoint_FailWithoutStartingFirst", []),
    ("testWaitUntilRunning_FailWithoutStartingFirst", []),
    ("testWaitUntilRunning_FailWhenBadContainerStatus", [{"verb": "inspect", "stdout": DEAD}]),
    ("testWaitUntilRunning_FailIfContainerNotFound", [{"verb": "inspect", "vanish": True}]),
]
"""Name, and the engine's faults in place of what the mock does."""

OF_THE_MOCKS = {
    "testStart": "Expected 'run' to have been called",
    "testWaitUntilRunning": "Expected 'reload' to have been called",
    "testGetEndpoint_AfterWaitUntilRunning": "!= 'localhost:1234'",
    "testWaitUntilRunning_FailIfNotRunningUntilDeadline": "Expected 'sleep' to have been called|StopIteration",
}
"""Name, and what the test says: a call of the Docker SDK, the SDK's port, a call of time.sleep, or more calls of
time.time than it has prepared."""


def run(name: str, model: Path) -> unittest.TestResult:
    class WithTheStandin(local_docker_runner_test.LocalDockerRunnerTest):  # type: ignore[misc]
        def setUp(self) -> None:
            super().setUp()
            self._model_path = str(model / "1")
            self._serving_binary._image = "ivdocker/tensorflow-serving-standin:1"

        def _create_local_docker_runner(self) -> Any:
            runner = super()._create_local_docker_runner()
            assert isinstance(runner, ivdocker.LocalDockerRunner)
            self.addCleanup(runner.Stop)
            return runner

    result = unittest.TestResult()
    with ivdocker.tfx.use_ivdocker():
        WithTheStandin(name).run(result)
    return result


def said(result: unittest.TestResult) -> str:
    return "\n".join(text for _, text in result.failures + result.errors)


@pytest.mark.parametrize(("name", "faults"), HOLD, ids=lambda value: value if isinstance(value, str) else "")
def test_it_holds(name: str, faults: list[dict[str, Any]], engine: Engine, model: ModelFactory) -> None:
    engine.faults(*faults)
    result = run(name, model())
    assert result.testsRun == 1
    assert result.wasSuccessful(), said(result)


@pytest.mark.parametrize("name", OF_THE_MOCKS)
def test_only_what_is_asserted_of_the_mocks_does_not_hold(name: str, engine: Engine, model: ModelFactory) -> None:
    if name.endswith("UntilDeadline"):
        engine.faults({"verb": "inspect", "stdout": CREATED})
    result = run(name, model())
    assert re.search(OF_THE_MOCKS[name], said(result)), said(result)
    assert len(result.failures + result.errors) == 1


@pytest.mark.usefixtures("engine")
def test_there_are_no_others() -> None:
    names = unittest.TestLoader().getTestCaseNames(local_docker_runner_test.LocalDockerRunnerTest)
    assert set(names) - {"test_session"} == {name for name, *_ in HOLD} | set(OF_THE_MOCKS)
