"""The runner that TFX's executor makes in place of its own. Importing this file imports TFX."""

from __future__ import annotations

from typing import Any

from ivdocker.container.options import RunOptions
from ivdocker.container.runner import LocalDockerRunner
from ivdocker.tfx.errors import as_tfx_errors


class TfxRunner(LocalDockerRunner):
    """A LocalDockerRunner whose errors are TFX's too."""

    def __init__(
        self, model_path: str, serving_binary: Any, serving_spec: Any, options: RunOptions | None = None
    ) -> None:
        with as_tfx_errors():
            super().__init__(model_path, serving_binary, serving_spec, options)

    def check(self) -> None:
        with as_tfx_errors():
            super().check()

    def Start(self) -> None:
        with as_tfx_errors():
            super().Start()

    def WaitUntilRunning(self, deadline: float) -> None:
        with as_tfx_errors():
            super().WaitUntilRunning(deadline)


def runner_class(options: RunOptions | None) -> type[TfxRunner]:
    """The class whose runners have these options: TFX's executor passes none."""

    class Runner(TfxRunner):
        def __init__(self, model_path: str, serving_binary: Any, serving_spec: Any) -> None:
            super().__init__(model_path, serving_binary, serving_spec, options)

    return Runner
