"""Will this model load and answer in the exact server image that we deploy?

``validate`` gives the verdict, ``serve`` runs a server for a ``with`` block, ``LocalDockerRunner`` is the model server
runner of TFX's InfraValidator on docker's command line. Names are imported when they are first used: importing
ivdocker itself costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself takes 10 ms to import

if TYPE_CHECKING:
    from ivdocker.budgets import Budgets
    from ivdocker.errors import (
        DeadlineExceeded,
        EnvironmentFailed,
        Failure,
        GracefulShutdown,
        InfraValidationError,
        JobAborted,
        UsageError,
        ValidationFailed,
    )
    from ivdocker.report.verdict import Report, RunReport
    from ivdocker.runners.base import BaseModelServerRunner
    from ivdocker.runners.local_docker import LocalDockerRunner
    from ivdocker.runners.options import RunOptions
    from ivdocker.server import Server, serve
    from ivdocker.serving.base import ServingBinary
    from ivdocker.serving.client import Endpoint
    from ivdocker.serving.tensorflow_serving import TensorFlowServing
    from ivdocker.serving.triton import Triton
    from ivdocker.spec import RequestSpec, ServingSpec, ValidationSpec
    from ivdocker.validation import validate

__version__ = "0.1.0"

_HOMES = {
    "BaseModelServerRunner": "runners.base",
    "Budgets": "budgets",
    "DeadlineExceeded": "errors",
    "Endpoint": "serving.client",
    "EnvironmentFailed": "errors",
    "Failure": "errors",
    "GracefulShutdown": "errors",
    "InfraValidationError": "errors",
    "JobAborted": "errors",
    "LocalDockerRunner": "runners.local_docker",
    "Report": "report.verdict",
    "RequestSpec": "spec",
    "RunOptions": "runners.options",
    "RunReport": "report.verdict",
    "Server": "server",
    "ServingBinary": "serving.base",
    "ServingSpec": "spec",
    "TensorFlowServing": "serving.tensorflow_serving",
    "Triton": "serving.triton",
    "UsageError": "errors",
    "ValidationFailed": "errors",
    "ValidationSpec": "spec",
    "serve": "server",
    "validate": "validation",
}

__all__ = [
    "BaseModelServerRunner",
    "Budgets",
    "DeadlineExceeded",
    "Endpoint",
    "EnvironmentFailed",
    "Failure",
    "GracefulShutdown",
    "InfraValidationError",
    "JobAborted",
    "LocalDockerRunner",
    "Report",
    "RequestSpec",
    "RunOptions",
    "RunReport",
    "Server",
    "ServingBinary",
    "ServingSpec",
    "TensorFlowServing",
    "Triton",
    "UsageError",
    "ValidationFailed",
    "ValidationSpec",
    "serve",
    "validate",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'ivdocker' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"ivdocker.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
