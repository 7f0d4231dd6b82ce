"""Every error and every failure code."""

from __future__ import annotations

import copy
import pickle

import pytest

from ivdocker import errors
from ivdocker.errors import (
    ENVIRONMENT_CODES,
    MODEL_CODES,
    DeadlineExceeded,
    EnvironmentFailed,
    Failure,
    GracefulShutdown,
    InfraValidationError,
    JobAborted,
    UsageError,
    ValidationFailed,
)
from tests.unit.report.samples import FAILURE

DESIGN_ENVIRONMENT = (
    "engine-missing engine-unreachable engine-permission engine-timeout image-not-found registry-denied pull-stalled"
    " platform-mismatch mount-not-found port-unavailable gpu-unavailable disk-full engine-error no-request"
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
        assert (type(same), str(same), same.failure) == (error, "what happened", failure)


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
