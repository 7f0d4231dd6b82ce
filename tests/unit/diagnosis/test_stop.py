"""What it means how a server ended after SIGTERM."""

from __future__ import annotations

import pytest

from ivdocker.diagnosis.stop import failure_of


@pytest.mark.parametrize("exit_code", [0, 143])
def test_a_server_that_ended_by_itself_is_fine(exit_code: int) -> None:
    assert failure_of(exit_code, 10) is None


@pytest.mark.parametrize(
    ("exit_code", "words", "signal"),
    [(137, "did not end within 10 s of SIGTERM and was killed", "SIGKILL"), (1, "exit code 1 after SIGTERM", None)],
)
def test_any_other_end_is_unclean(exit_code: int, words: str, signal: str | None) -> None:
    failure = failure_of(exit_code, 10)
    assert failure is not None
    assert (failure.code, failure.exit_code, failure.signal) == ("unclean-stop", exit_code, signal)
    assert words in failure.message


def test_an_engine_that_does_not_tell_is_no_verdict() -> None:
    failure = failure_of(None, 10)
    assert failure is not None
    assert failure.is_environment
