"""What in a server's log counts as an error."""

from __future__ import annotations

import pytest

from ivdocker.diagnosis.log_errors import find


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
    assert len(find(f"all is well\n{line}\nall is well\n")) == 1


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
    assert find(line) == []


def test_a_traceback_is_one_error_with_the_line_that_announces_it() -> None:
    log = (
        "2026-11-22 10:11:12,131 [mlserver] ERROR - cannot load\n"
        "Traceback (most recent call last):\n"
        '  File "x.py", line 1, in y\n'
        "KeyError: 'x'\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\n"
        "    raise ValueError\n"
        "ValueError: the weights are rotten\n"
        "all is well\n"
    )
    assert find(log) == ["2026-11-22 10:11:12,131 [mlserver] ERROR - cannot load ValueError: the weights are rotten"]


def test_two_tracebacks_are_two_errors() -> None:
    trace = "Traceback (most recent call last):\n  File x\n"
    assert find(f"{trace}KeyError: 1\n{trace}KeyError: 2\n") == ["KeyError: 1", "KeyError: 2"]


def test_two_errors_one_after_the_other_are_two() -> None:
    assert find("ERROR a\nERROR b\n") == ["ERROR a", "ERROR b"]


def test_a_traceback_that_is_logged_line_by_line_is_one_error() -> None:
    head = "(EngineCore pid=20) ERROR 11-22 22:30:57 [core.py:1510] "
    log = "".join(
        f"{head}{line}\n"
        for line in ("EngineCore failed", "Traceback (most recent call last):", "  File", "KeyError: 1")
    )
    assert len(find(log)) == 1


CPU = 'E1125 04:42:20.797605 6 server.cc:241] "CudaDriverHelper has not been initialized."'


def test_what_is_known_to_be_harmless_is_left_out() -> None:
    log = f"{CPU}\nTraceback (most recent call last):\nKeyError: 'x'\nE1125 04:42:20 6 x.cc:1] other\n"
    assert find(log, ["CudaDriverHelper"]) == ["KeyError: 'x'", "E1125 04:42:20 6 x.cc:1] other"]
    assert find(log, ["CudaDriverHelper", "^KeyError", "other$"]) == []


def test_colours_hide_no_error() -> None:
    assert find("\x1b[31mERR\x1b[1mOR\x1b[0m broken\n") == ["ERROR broken"]
