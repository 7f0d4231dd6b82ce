"""Every error ivdocker raises, and the failure that it carries.

::

    InfraValidationError
      DeadlineExceeded     the time given for it is over
      JobAborted           the server ended, or never came to run
      ValidationFailed     the server runs, and the model does not load or does not answer rightly
      GracefulShutdown     a signal asked us to end
      EnvironmentFailed    the machine, the engine or the registry is at fault: nothing is known of the model
      UsageError           the caller asked for something that cannot be (also a ValueError)

The first four are TFX's InfraValidator's; TFX retries all but GracefulShutdown.
"""

from typing import Literal, NamedTuple, get_args

EnvironmentCode = Literal[
    "engine-missing",
    "engine-unreachable",
    "engine-permission",
    "engine-timeout",
    "image-not-found",
    "registry-denied",
    "pull-stalled",
    "platform-mismatch",
    "mount-not-found",
    "port-unavailable",
    "gpu-unavailable",
    "disk-full",
    "engine-error",
    "no-request",
]
"""Failure codes that say nothing about the model: the verdict is ``no_verdict``, the exit code 3."""

ModelCode = Literal[
    "model-not-found",
    "container-exited",
    "out-of-memory",
    "illegal-instruction",
    "model-load-failed",
    "load-timeout",
    "not-listening",
    "request-failed",
    "request-timeout",
    "response-mismatch",
    "budget-exceeded",
    "unclean-stop",
]
"""Failure codes that are the model's or its server's: the verdict is ``not_blessed``, the exit code 1."""

FailureCode = EnvironmentCode | ModelCode

ENVIRONMENT_CODES: frozenset[str] = frozenset(get_args(EnvironmentCode))
MODEL_CODES: frozenset[str] = frozenset(get_args(ModelCode))


class Failure(NamedTuple):
    """Why there is no blessing: a stable code, one line that names the cause, and what to do next.

    ``exit_code`` and ``signal`` (``"SIGKILL"``) are the server's, ``oom_killed`` the engine's own flag, ``log_tail``
    the lines of the server's log around the one that names the cause, else its last lines, ``command`` the docker
    command that shows the same. What is not known is None.
    """

    code: FailureCode
    message: str
    hint: str | None = None
    stage: str | None = None
    exit_code: int | None = None
    signal: str | None = None
    oom_killed: bool | None = None
    log_tail: tuple[str, ...] = ()
    command: str | None = None

    @property
    def is_environment(self) -> bool:
        """True when this says nothing about the model."""
        return self.code in ENVIRONMENT_CODES

    def at(self, stage: str, command: str | None = None) -> "Failure":
        """The same failure, with the stage and the command where they were not known before."""
        return self._replace(stage=self.stage or stage, command=self.command or command)


class InfraValidationError(Exception):
    """Base of all errors of a validation. ``failure`` is None where only a text is known."""

    def __init__(self, message: str = "", failure: Failure | None = None) -> None:
        super().__init__(message or (failure.message if failure else ""))
        self.failure = failure

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.failure)


class DeadlineExceeded(InfraValidationError):
    """The deadline passed first."""


class JobAborted(InfraValidationError):
    """The container that runs the model server has ended or was removed."""


class ValidationFailed(InfraValidationError):
    """The model failed to load, or a request failed."""


class GracefulShutdown(InfraValidationError):
    """A signal asked this process to end; what was running has been removed."""


class EnvironmentFailed(InfraValidationError):
    """The environment kept us from a verdict: no engine, no image, no permission, no port, ..."""


class UsageError(InfraValidationError, ValueError):
    """What was asked for cannot be done; the text says what is wrong and what to do."""


def error_for(failure: Failure) -> InfraValidationError:
    """The error of the TFX contract that carries this failure."""
    if failure.is_environment:
        return EnvironmentFailed(failure=failure)
    if failure.code in ("load-timeout", "request-timeout"):
        return DeadlineExceeded(failure=failure)
    if failure.code in ("container-exited", "out-of-memory", "illegal-instruction"):
        return JobAborted(failure=failure)
    return ValidationFailed(failure=failure)
