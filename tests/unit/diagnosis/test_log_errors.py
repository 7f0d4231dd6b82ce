"""What in a server's log counts as an error."""

from __future__ import annotations

import pytest

from ivdocker.diagnosis.log_errors import count


@pytest.mark.parametrize(
    "line",
    [
        "E1122 10:11:12.131415 1 model_repository_manager.cc:1186] failed to load 'm' version 1",
        "2026-11-22 10:11:12.131415: E tensorflow/core/framework/node_def_util.cc:676] NodeDef mentions attribute",
        "2026-11-22 10:11:12,131 [mlserver] ERROR - Couldn't load model 'm'.",
        "2026-11-22T10:11:12,131 [ERROR] W-9000-m_1.0 org.pytorch.serve.wlm.WorkerThread - Backend worker error",
        "2026/11/22 10:11:12 [error] 7#7: *1 connect() failed",
        '{"level":"error","msg":"out of memory"}',
        '{"severity": "critical", "message": "x"}',
        "Traceback (most recent call last):",
    ],
)
def test_a_line_that_reports_an_error_counts(line: str) -> None:
    assert count(f"all is well\n{line}\nall is well\n") == 1


@pytest.mark.parametrize(
    "line",
    [
        "I1122 10:11:12.131415 1 server.cc:674] 0 errors",
        "2026-11-22 10:11:12.131415: I tensorflow_serving/core/loader_harness.cc:95] Successfully loaded",
        "INFO:     127.0.0.1 - GET /v2/errors 200",
        "NO_ERROR_HERE",
        "",
    ],
)
def test_any_other_line_does_not(line: str) -> None:
    assert count(line) == 0
