"""TFX's own executor, unchanged, with ivdocker's runner and client: verdicts, errors, and nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ivdocker.tfx
from tests.conftest import Engine, ModelFactory, wait_until
from tests.tfx.executor import Result, run

# The fake's containers speak no gRPC.
pytestmark = [pytest.mark.tfx, pytest.mark.parametrize("engine", ["docker"], indirect=True)]

IMAGE = "ivdocker/tensorflow-serving-standin:grpc"
BLESSED, NOT_BLESSED = ["INFRA_BLESSED"], ["INFRA_NOT_BLESSED"]


@pytest.fixture(autouse=True)
def nothing_left(engine: Engine) -> Iterator[None]:
    yield
    assert engine.containers() == []


@pytest.fixture
def swapped() -> Iterator[None]:
    with ivdocker.tfx.use_ivdocker():
        yield


def validate(model: Path, image: str = IMAGE, **given: Any) -> Result:
    return run(str(model / "1"), image, **given)


def said(result: Result) -> str:
    return "\n".join(result["log"])


@pytest.mark.usefixtures("swapped")
class TestVerdicts:
    @pytest.mark.parametrize("queries", [0, 3], ids=["LOAD_ONLY", "LOAD_AND_QUERY"])
    def test_a_good_model_is_blessed(self, queries: int, model: ModelFactory) -> None:
        result = validate(model(), queries=queries)
        assert (result["files"], result["raised"]) == (BLESSED, "")

    @pytest.mark.parametrize(
        ("standin", "queries", "cause"),
        [
            ({"exit_during_load": 7}, 0, "exit code 7"),
            ({"signal_during_load": 9}, 0, "SIGKILL"),
            ({"http_status": 400}, 1, "request 1 (Predict): INVALID_ARGUMENT"),
            ({"exit_after_requests": 1}, 3, "container-exited"),
            ({"state": "END"}, 0, "state END"),
            ({"hang_load": True}, 0, "load-timeout"),
        ],
        ids=lambda value: "".join(value) if isinstance(value, dict) else "",
    )
    def test_a_bad_model_is_not_blessed_and_the_log_names_the_cause(
        self, standin: dict[str, Any], queries: int, cause: str, model: ModelFactory
    ) -> None:
        result = validate(model(**standin), queries=queries, seconds=5 if "hang_load" in standin else 60)
        assert (result["files"], result["raised"]) == (NOT_BLESSED, "")
        assert cause in said(result)
        assert "BEGIN_MODEL_SERVER_LOG" in said(result)

    def test_a_corrupt_model_is_not_blessed(self, model: ModelFactory) -> None:
        folder = model()
        (folder / "1" / "saved_model.pb").write_text("corrupt")
        result = validate(folder)
        assert result["files"] == NOT_BLESSED
        assert "Can't parse" in said(result)

    def test_a_dead_server_does_not_take_the_deadline(self, model: ModelFactory) -> None:
        """TFX's own client would wait for 300 s, and again in each try."""
        started = time.monotonic()
        result = validate(model(load_seconds=0.5, exit_during_load=3), tries=2, seconds=300)
        assert result["files"] == NOT_BLESSED
        assert time.monotonic() - started < 60

    def test_a_deadline_brings_tfxs_advice(self, model: ModelFactory) -> None:
        assert "max_loading_time_seconds" in said(validate(model(hang_load=True), seconds=3))

    def test_an_image_that_cannot_be_had_is_no_verdict(self, model: ModelFactory) -> None:
        result = validate(model(), image="localhost:1/no/such:image", tries=3)
        assert result["files"] == []
        assert result["raised"].startswith("ivdocker.tfx.errors.EnvironmentFailed: ")
        assert said(result).count("Starting infra validation") == 1

    def test_a_model_that_is_bad_is_tried_again(self, model: ModelFactory) -> None:
        result = validate(model(exit_during_load=3), tries=2)
        assert said(result).count("Starting infra validation") == 2


class TestSwap:
    def test_tfx_has_its_own_again_at_the_end(self) -> None:
        before = in_place()
        with ivdocker.tfx.use_ivdocker():
            assert in_place() != before
        assert in_place() == before

    def test_swaps_may_end_in_any_order_and_twice(self) -> None:
        before = in_place()
        first, second = ivdocker.tfx.use_ivdocker(), ivdocker.tfx.use_ivdocker()
        last = in_place()
        first.restore()
        first.restore()
        assert in_place() == last
        second.restore()
        assert in_place() == before


def in_place() -> tuple[Any, Any]:
    from tfx.components.infra_validator import serving_bins
    from tfx.components.infra_validator.model_server_runners import local_docker_runner

    return local_docker_runner.LocalDockerRunner, serving_bins.TensorFlowServing.MakeClient


@pytest.mark.parametrize("in_thread", [False, True], ids=["main thread", "thread"])
@pytest.mark.parametrize(
    ("phase", "standin"),
    [
        ("start", {}),
        ("load", {"hang_load": True}),
        ("request", {"hang_requests": True}),
        ("stop", {"ignore_sigterm": True}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_sigterm_ends_the_component_without_a_blessing_and_without_another_try(
    phase: str, standin: dict[str, Any], in_thread: bool, engine: Engine, model: ModelFactory
) -> None:
    given = {"model": str(model(**standin) / "1"), "image": IMAGE, "tries": 5, "queries": 1, "in_thread": in_thread}
    command = [sys.executable, "-m", "tests.tfx.executor", json.dumps(given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: has_reached(phase, engine), seconds=300)
            process.send_signal(signal.SIGTERM)
            stdout, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    wait_until(lambda: not engine.containers())
    assert len(engine.calls("run")) == 1, stderr
    if process.returncode != -signal.SIGTERM:
        result = json.loads(stdout.splitlines()[-1])
        assert result["files"] == []
        assert "GracefulShutdown" in result["raised"]


def has_reached(phase: str, engine: Engine) -> bool:
    if phase == "start":
        return bool(engine.calls("run"))
    if phase == "stop":
        return bool(engine.calls("stop"))
    names = engine.containers()
    if not names or engine.state_of(names[0])["State"]["Status"] != "running":
        return False
    done = subprocess.run(["docker", "logs", names[0]], capture_output=True, text=True, check=False)
    return ("Running gRPC" if phase == "request" else "Loading servable") in done.stderr
