"""Every error that ivdocker raises, every failure code, and the failure that an error carries.

::

    InfraValidationError
      DeadlineExceeded       a time limit passed first
        RequestTimedOut      one request got no whole response within its time limit
      JobAborted             the container that runs the model server has ended, or was removed
      ValidationFailed       the server runs, but the model does not load or does not answer correctly
        RequestFailed        one request got no response
      EnvironmentFailed      the machine, the engine or the registry is at fault: nothing is known about the model
        NoRequestPossible    no request can be made up for the model's inputs
        ResponseTooLarge     a response is larger than the limit on what is read of one
      GracefulShutdown       a signal asked this process to end
      UsageError             the caller asked for something that cannot be done (also a ValueError)

DeadlineExceeded, JobAborted, ValidationFailed and GracefulShutdown have the names and the meaning of TFX's
InfraValidator, which tries again after each of them except GracefulShutdown.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Literal, NamedTuple, get_args

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
    "endpoint-unreachable",
    "gpu-unavailable",
    "disk-full",
    "engine-error",
    "no-request",
    "response-too-large",
]
"""Failure codes that say nothing about the model. The verdict is ``no_verdict`` and the exit code is 3."""

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
"""Failure codes that are about the model or its server. The verdict is ``not_blessed`` and the exit code is 1."""

FailureCode = EnvironmentCode | ModelCode

ENVIRONMENT_CODES: frozenset[str] = frozenset(get_args(EnvironmentCode))
MODEL_CODES: frozenset[str] = frozenset(get_args(ModelCode))


class Failure(NamedTuple):
    """Why the model is not blessed. A field that is not known is None.

    ``code``: one of the failure codes; they do not change between versions.
    ``message``: one line that names the cause.
    ``hint``: what to do next.
    ``stage``: the stage of the run in which it failed, such as ``load``.
    ``exit_code``, ``signal``: how the server ended; the signal by its name, such as ``"SIGKILL"``.
    ``oom_killed``: the engine's own flag that the kernel killed the server because the memory ran out.
    ``log_tail``: the lines of the server's log around the line that names the cause, or else the last lines.
    ``command``: the docker command that reproduces the failure.
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
        """True when the failure says nothing about the model."""
        return self.code in ENVIRONMENT_CODES

    def at(self, stage: str, command: str | None = None) -> Failure:
        """Return the same failure with this stage and command; a stage or a command that it already has stays."""
        return self._replace(stage=self.stage or stage, command=self.command or command)


class InfraValidationError(Exception):
    """Base class of all errors of a validation.

    ``failure`` is None only where an error has nothing but a text: a UsageError, a GracefulShutdown, and an
    InfraValidationError that other code raises.
    """

    failure: Failure | None

    _default_code: ClassVar[FailureCode | None] = None
    """The code of the failure that an error carries when it is made from a text alone. None: it carries no failure."""

    def __init__(self, message: str = "", failure: Failure | None = None) -> None:
        super().__init__(message or (failure.message if failure else ""))
        if failure is None and self._default_code is not None:
            failure = Failure(self._default_code, message)
        self.failure = failure

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.failure)


class DeadlineExceeded(InfraValidationError):
    """A time limit passed first."""

    failure: Failure
    _default_code: ClassVar[FailureCode | None] = "engine-error"


class JobAborted(InfraValidationError):
    """The container that runs the model server has ended or was removed."""

    failure: Failure
    _default_code: ClassVar[FailureCode | None] = "engine-error"


class ValidationFailed(InfraValidationError):
    """The model failed to load, or a request failed."""

    failure: Failure
    _default_code: ClassVar[FailureCode | None] = "engine-error"


class EnvironmentFailed(InfraValidationError):
    """The environment made a verdict impossible: no engine, no image, no permission, no free port and so on."""

    failure: Failure
    _default_code: ClassVar[FailureCode | None] = "engine-error"


class GracefulShutdown(InfraValidationError):
    """A signal asked this process to end. The container was removed before this is raised.

    ``signum``: the signal's number. None if stop() was called in another thread.
    """

    def __init__(self, message: str = "", failure: Failure | None = None, signum: int | None = None) -> None:
        super().__init__(message, failure)
        self.signum = signum

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.failure, self.signum)


class UsageError(InfraValidationError, ValueError):
    """The caller asked for something that cannot be done. The text says what is wrong and what to do."""


class RequestFailed(ValidationFailed):
    """One request got no response, for example because the server closed the connection. The server still runs."""

    _default_code = "request-failed"


class RequestTimedOut(DeadlineExceeded):
    """One request got no whole response within its time limit. The server still runs."""

    _default_code = "request-timeout"


class NoRequestPossible(EnvironmentFailed):
    """No request can be made up for the model's inputs: they are not known, or the server has no JSON for them."""

    _default_code = "no-request"


class ResponseTooLarge(EnvironmentFailed):
    """A response is larger than the limit on what is read of one. The limit is the user's or ours, not the model's."""

    _default_code = "response-too-large"


def error_for(failure: Failure) -> EnvironmentFailed | DeadlineExceeded | JobAborted | ValidationFailed:
    """Return the error that carries this failure, of the class that TFX expects for it."""
    if failure.is_environment:
        return EnvironmentFailed(failure=failure)
    if failure.code in ("load-timeout", "request-timeout"):
        return DeadlineExceeded(failure=failure)
    if failure.code in ("container-exited", "out-of-memory", "illegal-instruction"):
        return JobAborted(failure=failure)
    return ValidationFailed(failure=failure)


@contextmanager
def os_error_as_usage_error(what: str) -> Iterator[None]:
    """Raise ``UsageError("WHAT: REASON")`` in place of an OSError that this block raises.

    ``what`` says what could not be done, with the name of the file: ``cannot record to 'FILE'``.
    """
    try:
        yield
    except OSError as error:
        raise UsageError(f"{what}: {error.strerror or error}") from None
