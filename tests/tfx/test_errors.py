"""What TFX sees in ivdocker's errors, inside use_ivdocker()."""

from __future__ import annotations

import pickle

import pytest
from tfx.components.infra_validator import error_types

from ivdocker import errors
from ivdocker.tfx.errors import as_tfx_errors

pytestmark = pytest.mark.tfx


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (errors.DeadlineExceeded("late"), error_types.DeadlineExceeded),
        (errors.JobAborted("ended"), error_types.JobAborted),
        (errors.ValidationFailed("bad"), error_types.ValidationFailed),
        (errors.RequestFailed("refused"), error_types.ValidationFailed),
        (errors.RequestTimedOut("no answer"), error_types.ValidationFailed),
        (errors.GracefulShutdown("SIGTERM", signum=15), error_types.GracefulShutdown),
        (errors.EnvironmentFailed("no engine"), error_types.GracefulShutdown),
        (errors.NoRequestPossible("no inputs"), error_types.GracefulShutdown),
        (errors.UsageError("no deadline"), error_types.GracefulShutdown),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_is_of_both_classes_and_loses_nothing(
    ours: errors.InfraValidationError, theirs: type[Exception]
) -> None:
    with pytest.raises(theirs) as caught, as_tfx_errors():
        raise ours
    raised = caught.value
    assert isinstance(raised, errors.InfraValidationError)
    assert str(ours) in str(raised)
    assert vars(raised) == vars(ours)
    assert vars(pickle.loads(pickle.dumps(raised))) == vars(ours)


def test_an_error_that_is_tfxs_already_stays_as_it_is() -> None:
    with pytest.raises(errors.JobAborted) as once, as_tfx_errors():
        raise errors.JobAborted("ended")
    with pytest.raises(errors.JobAborted) as twice, as_tfx_errors():
        raise once.value
    assert twice.value is once.value
