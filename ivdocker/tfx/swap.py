"""Puts ivdocker's runner and client in the place of TFX's own, and back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ivdocker.container.options import RunOptions
from ivdocker.errors import UsageError


class Swap:
    """What :func:`use_ivdocker` has put in place. Leaving the ``with`` block calls :meth:`restore`."""

    def __init__(self, runner: Any, make_client: Callable[[Any, str], Any]) -> None:
        self._replacements = runner, make_client

    def __enter__(self) -> Swap:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.restore()

    def restore(self) -> None:
        """Put back what was there before. Does nothing when it is called again. Swaps may end in any order."""
        with _lock:
            if self in _active:
                _active.remove(self)
                _put(*(_active[-1]._replacements if _active else _originals.pop()))


def use_ivdocker(options: RunOptions | None = None) -> Swap:
    """Make TFX's InfraValidator start, watch and ask its model servers with ivdocker, in this process.

    It replaces two things in TFX: the ``LocalDockerRunner`` of the ServingSpec's platform ``local_docker``, and the
    client of ``TensorFlowServing``. TFX's executor stays as it is. Use it as a context manager, or call
    :meth:`Swap.restore`. ``options``: limits and engine for each container.

    What ivdocker raises is an error of TFX too. InfraValidator takes each error for a failed validation and tries again
    (except ``GracefulShutdown``). Therefore EnvironmentFailed and UsageError are errors of that class here: without
    docker or an image there is no verdict on the model, so the component fails and gives no blessing.

    Raises UsageError if TFX is not installed.
    """
    try:
        from ivdocker.tfx.runner import runner_class

        runner = runner_class(options)
        from ivdocker.tfx.client import make_client
    except ImportError as error:
        raise UsageError(f"use_ivdocker() needs TFX: {error}; run: pip install tfx") from error

    swap = Swap(runner, make_client)
    with _lock:
        if not _active:
            _originals.append(_current())
        _active.append(swap)
        _put(*swap._replacements)
    return swap


_lock = threading.Lock()
_active: list[Swap] = []
_originals: list[tuple[Any, Any]] = []


def _current() -> tuple[Any, Any]:
    from tfx.components.infra_validator import serving_bins
    from tfx.components.infra_validator.model_server_runners import local_docker_runner

    return local_docker_runner.LocalDockerRunner, serving_bins.TensorFlowServing.MakeClient


def _put(runner: Any, make_client: Any) -> None:
    from tfx.components.infra_validator import serving_bins
    from tfx.components.infra_validator.model_server_runners import local_docker_runner

    local_docker_runner.LocalDockerRunner = runner
    serving_bins.TensorFlowServing.MakeClient = make_client
