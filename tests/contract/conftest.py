"""A runner whose server is gone after the test."""

from __future__ import annotations

import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from ivdocker import LocalDockerRunner, RunOptions, TensorFlowServing
from tests.conftest import Engine, wait_until

MODEL_NAME = "half_plus_two"
PREDICT = {"instances": [1.0, 2.0, 5.0]}


class RunnerFactory(Protocol):
    def __call__(
        self, model_path: str | os.PathLike[str], *, binary: Any = None, spec: Any = None, **options: Any
    ) -> LocalDockerRunner: ...


def soon() -> float:
    """A deadline as TFX makes them, that nothing here comes near."""
    return time.time() + 60


def name_of(engine: Engine) -> str:
    """The one container's name."""
    (name,) = engine.containers()
    return name


def wait_for_end(engine: Engine) -> None:
    wait_until(lambda: engine.state_of(name_of(engine))["State"]["Status"] == "exited")


def in_threads(work: Callable[[], object], count: int) -> list[BaseException]:
    """Do the work in so many threads at once; returns what they raised."""
    raised: list[BaseException] = []

    def target() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    threads = [threading.Thread(target=target) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.fixture
def binary(engine: Engine) -> TensorFlowServing:
    return TensorFlowServing(engine.image, MODEL_NAME)


@pytest.fixture
def runner(binary: TensorFlowServing) -> Iterator[RunnerFactory]:
    """Makes runners and stops them after the test; ``options`` are those of RunOptions."""
    made: list[LocalDockerRunner] = []

    def make(
        model_path: str | os.PathLike[str], *, binary: Any = binary, spec: Any = None, **options: Any
    ) -> LocalDockerRunner:
        made.append(LocalDockerRunner(model_path, binary, spec or {}, RunOptions(**options)))
        return made[-1]

    yield make
    for each in made:
        each.Stop()


ENTRYPOINT = 'ENTRYPOINT ["/start"]'

BuildImage = Callable[..., str]


@pytest.fixture
def image_with(engine: Engine, tmp_path: Path) -> Iterator[BuildImage]:
    """Builds an image whose entrypoint is this script."""
    made: list[str] = []

    def build(script: str, dockerfile: str = ENTRYPOINT) -> str:
        context = tmp_path / "context"
        context.mkdir()
        (context / "start").write_text(script)
        (context / "start").chmod(0o755)
        lines = [f"FROM {engine.image}", "COPY start /start", dockerfile]
        (context / "Dockerfile").write_text("\n".join(lines))
        made.append(f"ivdocker-test/{uuid.uuid4().hex[:12]}:1")
        engine.docker("build", "--quiet", f"--tag={made[-1]}", str(context))
        return made[-1]

    yield build
    for each in made:
        subprocess.run(["docker", "rmi", "--force", each], capture_output=True, check=False)
