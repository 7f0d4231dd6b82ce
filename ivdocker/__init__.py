"""Will this model load and answer in the exact server image that we deploy?

``validate`` gives the verdict. ``serve`` runs a server for a ``with`` block. ``LocalDockerRunner`` is a model server
runner for TFX's InfraValidator that uses docker's command line. Each name is imported on first use, so importing
ivdocker itself costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing takes 10 ms

if TYPE_CHECKING:
    from ivdocker.container.base import BaseModelServerRunner
    from ivdocker.container.options import RunOptions
    from ivdocker.container.runner import LocalDockerRunner
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
    from ivdocker.report.observer import Observer
    from ivdocker.report.verdict import Report, RunReport
    from ivdocker.servers.base import ServingBinary
    from ivdocker.servers.records import Endpoint
    from ivdocker.servers.tensorflow_serving import TensorFlowServing
    from ivdocker.servers.triton import Triton
    from ivdocker.serving_spec import ServingSpec
    from ivdocker.validation.budgets import Budgets
    from ivdocker.validation.plan import Checks
    from ivdocker.validation.serve import Server, serve
    from ivdocker.validation.validate import validate

__version__ = "0.1.0"

_HOMES = {
    "BaseModelServerRunner": "container.base",
    "Budgets": "validation.budgets",
    "Checks": "validation.plan",
    "DeadlineExceeded": "errors",
    "Endpoint": "servers.records",
    "EnvironmentFailed": "errors",
    "Failure": "errors",
    "GracefulShutdown": "errors",
    "InfraValidationError": "errors",
    "JobAborted": "errors",
    "LocalDockerRunner": "container.runner",
    "Observer": "report.observer",
    "Report": "report.verdict",
    "RunOptions": "container.options",
    "RunReport": "report.verdict",
    "Server": "validation.serve",
    "ServingBinary": "servers.base",
    "ServingSpec": "serving_spec",
    "TensorFlowServing": "servers.tensorflow_serving",
    "Triton": "servers.triton",
    "UsageError": "errors",
    "ValidationFailed": "errors",
    "serve": "validation.serve",
    "validate": "validation.validate",
}

__all__ = [
    "BaseModelServerRunner",
    "Budgets",
    "Checks",
    "DeadlineExceeded",
    "Endpoint",
    "EnvironmentFailed",
    "Failure",
    "GracefulShutdown",
    "InfraValidationError",
    "JobAborted",
    "LocalDockerRunner",
    "Observer",
    "Report",
    "RunOptions",
    "RunReport",
    "Server",
    "ServingBinary",
    "ServingSpec",
    "TensorFlowServing",
    "Triton",
    "UsageError",
    "ValidationFailed",
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
