"""ivdocker's errors as TFX's: each class is one of ours and one of TFX's. Importing this file imports TFX."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tfx.components.infra_validator import error_types

from ivdocker import errors


class DeadlineExceeded(errors.DeadlineExceeded, error_types.DeadlineExceeded):  # type: ignore[misc]
    """TFX tries again, and advises to raise max_loading_time_seconds."""


class JobAborted(errors.JobAborted, error_types.JobAborted):  # type: ignore[misc]
    """TFX tries again."""


class ValidationFailed(errors.ValidationFailed, error_types.ValidationFailed):  # type: ignore[misc]
    """TFX tries again."""


class RequestTimedOut(errors.RequestTimedOut, error_types.ValidationFailed):  # type: ignore[misc]
    """TFX tries again. For a DeadlineExceeded it would advise to raise max_loading_time_seconds, which is not for
    requests."""


class GracefulShutdown(errors.GracefulShutdown, error_types.GracefulShutdown):  # type: ignore[misc]
    """TFX ends the component."""


class EnvironmentFailed(errors.EnvironmentFailed, error_types.GracefulShutdown):  # type: ignore[misc]
    """TFX ends the component: another try would fail too, and says nothing about the model."""


class UsageError(errors.UsageError, error_types.GracefulShutdown):  # type: ignore[misc]
    """TFX ends the component."""


_PAIRS: tuple[tuple[type[errors.InfraValidationError], type[errors.InfraValidationError]], ...] = (
    (errors.UsageError, UsageError),
    (errors.GracefulShutdown, GracefulShutdown),
    (errors.EnvironmentFailed, EnvironmentFailed),
    (errors.RequestTimedOut, RequestTimedOut),
    (errors.DeadlineExceeded, DeadlineExceeded),
    (errors.JobAborted, JobAborted),
    (errors.ValidationFailed, ValidationFailed),
)


@contextmanager
def as_tfx_errors() -> Iterator[None]:
    """Raise an error of this file in place of one of ours. Its cause is the original."""
    try:
        yield
    except errors.InfraValidationError as error:
        for ours, theirs in _PAIRS:
            # The time that docker run took, or an engine that does not answer, says nothing about the model.
            is_ours = isinstance(error, ours) or (ours is errors.EnvironmentFailed and _is_environments(error))
            if is_ours and not isinstance(error, error_types.InfraValidationError):
                raised = theirs(_text(error))
                vars(raised).update(vars(error))
                raise raised from error
        raise


def _is_environments(error: errors.InfraValidationError) -> bool:
    # A container that is gone is JobAborted, as TFX's own tests have it, though nothing is known about the model.
    failure = error.failure if isinstance(error, errors.DeadlineExceeded) else None
    if failure is None or not failure.is_environment:
        return False
    # An error that was made from a text alone carries this failure, and only its class means something.
    return failure != errors.Failure("engine-error", str(error))


def _text(error: errors.InfraValidationError) -> str:
    """TFX logs the text alone, so the code and the hint are in it."""
    failure = error.failure
    if failure is None:
        return str(error)
    return f"{failure.code}: {error}" + (f" ({failure.hint})" if failure.hint else "")
