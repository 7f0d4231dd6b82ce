"""Every error and every failure code."""

from __future__ import annotations

import copy
import errno
import os
import pickle

import pytest

from ivdocker import errors
from ivdocker.errors import (
    ENVIRONMENT_CODES,
    MODEL_CODES,
    DeadlineExceeded,
    EnvironmentFailed,
    Failure,
    FailureCode,
    GracefulShutdown,
    InfraValidationError,
    JobAborted,
    NoRequestPossible,
    RequestFailed,
    RequestTimedOut,
    UsageError,
    ValidationFailed,
    os_error_as_usage_error,
)
from tests.unit.report.samples import FAILURE

DESIGN_ENVIRONMENT = (
    "engine-missing engine-unreachable engine-permission engine-timeout image-not-found registry-denied pull-stalled"
    " platform-mismatch mount-not-found port-unavailable endpoint-unreachable gpu-unavailable disk-full"
    " engine-error no-request"
)
DESIGN_MODEL = (
    "model-not-found container-exited out-of-memory illegal-instruction model-load-failed load-timeout not-listening"
    " request-failed request-timeout response-mismatch budget-exceeded"
)
ERRORS = (
    InfraValidationError,
    DeadlineExceeded,
    JobAborted,
    ValidationFailed,
    GracefulShutdown,
    EnvironmentFailed,
    UsageError,
    RequestFailed,
    RequestTimedOut,
    NoRequestPossible,
)


def test_no_failure_code_is_renamed_or_lost() -> None:
    assert set(DESIGN_ENVIRONMENT.split()) <= ENVIRONMENT_CODES
    assert set(DESIGN_MODEL.split()) <= MODEL_CODES
    assert not ENVIRONMENT_CODES & MODEL_CODES


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("failure", [None, FAILURE])
def test_an_error_survives_pickling_and_copying(error: type[InfraValidationError], failure: Failure | None) -> None:
    made = error("what happened", failure)
    for same in (pickle.loads(pickle.dumps(made)), copy.copy(made), copy.deepcopy(made)):
        assert (type(same), str(same), same.failure) == (error, "what happened", made.failure)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DeadlineExceeded, "engine-error"),
        (JobAborted, "engine-error"),
        (ValidationFailed, "engine-error"),
        (EnvironmentFailed, "engine-error"),
        (RequestFailed, "request-failed"),
        (RequestTimedOut, "request-timeout"),
        (NoRequestPossible, "no-request"),
    ],
)
def test_an_error_that_is_made_from_a_text_carries_a_failure(
    error: type[InfraValidationError], code: FailureCode
) -> None:
    assert error("what happened").failure == Failure(code, "what happened")
    assert error("what happened", FAILURE).failure is FAILURE


@pytest.mark.parametrize("error", [InfraValidationError, GracefulShutdown, UsageError])
def test_an_error_that_is_about_no_failure_carries_none(error: type[InfraValidationError]) -> None:
    assert error("what happened").failure is None


def test_an_os_error_becomes_a_usage_error_that_names_the_file() -> None:
    message = r"^cannot read 'x': No such file or directory$"
    with pytest.raises(UsageError, match=message), os_error_as_usage_error("cannot read 'x'"):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def test_an_error_without_a_text_says_its_failures() -> None:
    assert str(ValidationFailed(failure=FAILURE)) == "the weights are rotten"


def test_tfxs_errors_have_one_root_and_a_usage_error_is_a_value_error() -> None:
    assert all(issubclass(error, InfraValidationError) for error in ERRORS)
    assert issubclass(UsageError, ValueError)
    assert not issubclass(GracefulShutdown, (JobAborted, ValidationFailed, DeadlineExceeded))
    for name in ("DeadlineExceeded", "JobAborted", "ValidationFailed", "GracefulShutdown"):
        assert getattr(errors, name).__bases__ == (InfraValidationError,)


def test_a_failure_keeps_the_stage_and_the_command_that_it_has() -> None:
    assert FAILURE.at("query", "other") == FAILURE
    found = Failure("load-timeout", "x").at("load", "docker run y")
    assert (found.stage, found.command) == ("load", "docker run y")
