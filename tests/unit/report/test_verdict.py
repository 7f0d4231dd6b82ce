"""Which verdict comes of which failures."""

from __future__ import annotations

from typing import get_args

import pytest

from ivdocker.errors import (
    DeadlineExceeded,
    EnvironmentCode,
    EnvironmentFailed,
    Failure,
    JobAborted,
    ModelCode,
    ValidationFailed,
    error_for,
)
from tests.unit.report.samples import FAILURE, report


@pytest.mark.parametrize("code", get_args(EnvironmentCode))
def test_a_failure_of_the_environment_is_no_verdict_and_exit_code_3(code: EnvironmentCode) -> None:
    failed = report(Failure(code, "x"))
    assert (failed.verdict, failed.exit_code, failed.blessed) == ("no_verdict", 3, False)
    assert type(error_for(Failure(code, "x"))) is EnvironmentFailed


@pytest.mark.parametrize("code", get_args(ModelCode))
def test_a_failure_of_the_model_is_not_blessed_and_exit_code_1(code: ModelCode) -> None:
    failed = report(Failure(code, "x"))
    assert (failed.verdict, failed.exit_code, failed.blessed) == ("not_blessed", 1, False)
    assert type(error_for(Failure(code, "x"))) in (DeadlineExceeded, JobAborted, ValidationFailed)


@pytest.mark.parametrize(
    ("failures", "verdict", "exit_code"),
    [
        ([None], "blessed", 0),
        ([None, None], "blessed", 0),
        ([None, FAILURE], "not_blessed", 1),
        ([Failure("engine-error", "x"), FAILURE], "not_blessed", 1),
        ([None, Failure("engine-error", "x")], "no_verdict", 3),
    ],
)
def test_a_model_is_blessed_only_when_it_is_on_every_image(
    failures: list[Failure | None], verdict: str, exit_code: int
) -> None:
    assert (report(*failures).verdict, report(*failures).exit_code) == (verdict, exit_code)
