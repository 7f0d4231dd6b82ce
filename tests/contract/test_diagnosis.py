"""What a server's log is believed, on the fake and on the real engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ivdocker
from ivdocker.errors import Failure
from tests.conftest import Engine, ModelFactory

GPU = "RuntimeError: No CUDA GPUs are available"
TRACE = "Traceback (most recent call last):"
ROTTEN = "ValueError: the weights are rotten"
LOST = "Loading servable: {name: m version: 1} failed: NOT_FOUND: it is not there yet"
"""A line with which TensorFlow Serving's model is given up."""


def requests_file(folder: Path, *bodies: object) -> Path:
    path = folder / "requests.jsonl"
    path.write_text("".join(json.dumps(body) + "\n" for body in bodies))
    return path


def failure_of(folder: Path, engine: Engine, requests: Path | None = None) -> Failure:
    failure = ivdocker.validate(folder, images=[engine.image], requests=requests).runs[0].failure
    assert failure is not None
    return failure


def test_a_server_that_ends_after_a_caught_error_ended_for_another_reason(engine: Engine, model: ModelFactory) -> None:
    folder = model(log_lines=[TRACE, GPU, "using the CPU", TRACE, ROTTEN], exit_during_load=3)
    failure = failure_of(folder, engine)
    assert failure.code == "container-exited"
    assert ROTTEN in failure.message
    assert failure.log_tail[-1] == ROTTEN


def test_a_server_that_ends_for_want_of_a_gpu_says_nothing_of_the_model(engine: Engine, model: ModelFactory) -> None:
    failure = failure_of(model(log_lines=[TRACE, GPU], exit_during_load=3), engine)
    assert failure.code == "gpu-unavailable"


def test_what_the_server_wrote_before_it_was_ready_is_not_why_it_ended_later(
    engine: Engine, model: ModelFactory, tmp_path: Path
) -> None:
    folder = model(log_lines=[TRACE, GPU], exit_after_requests=1, exit_code=9)
    bodies = [{"instances": [1.0]}] * 2
    failure = failure_of(folder, engine, requests_file(tmp_path, *bodies))
    assert (failure.code, failure.exit_code) == ("container-exited", 9)
    assert "after it was ready" in failure.message
    assert GPU not in failure.message


def test_a_line_that_would_be_fatal_is_not_after_the_model_is_ready(
    engine: Engine, model: ModelFactory, tmp_path: Path
) -> None:
    """A request that takes longer than the grace after such a line."""
    folder = model(log_of_request=[LOST], request_seconds=1)
    requests = requests_file(tmp_path, *[{"instances": [1.0]}] * 2)
    report = ivdocker.validate(folder, images=[engine.image], requests=requests)
    assert report.blessed, report.runs[0].failure


def test_of_a_request_that_failed_its_own_log_is_shown(engine: Engine, model: ModelFactory, tmp_path: Path) -> None:
    # The engine may take a moment to get what the server writes.
    folder = model(log_of_request=[TRACE, ROTTEN], request_seconds=0.5)
    bodies = [{"instances": [1.0]}, {"instances": "x"}, {"instances": [1.0]}]
    failure = failure_of(folder, engine, requests_file(tmp_path, *bodies))
    assert failure.code == "request-failed"
    assert f"{ROTTEN} (request 2)" in failure.log_tail
    assert f"{ROTTEN} (request 1)" not in failure.log_tail


def test_colours_in_a_log_hide_no_cause(engine: Engine, model: ModelFactory) -> None:
    coloured = LOST.replace("Loading", "\x1b[31mLoad\x1b[1ming").replace("failed", "fail\x1b[0med")
    failure = failure_of(model(log_lines=[coloured], hang_load=True), engine)
    assert failure.code == "model-load-failed"
    assert "it is not there yet" in failure.message
    assert not any("\x1b" in line for line in failure.log_tail)


def test_a_program_that_needs_a_newer_cpu_is_told(engine: Engine, model: ModelFactory) -> None:
    where = "2026-01-01 00:00:00.1: F tensorflow/core/platform/cpu_feature_guard.cc:37]"
    line = f"{where} The TensorFlow library was compiled to use AVX instructions, but these aren't available here."
    failure = failure_of(model(log_lines=[line], signal_during_load=6), engine)
    assert failure.code == "illegal-instruction"


@pytest.mark.parametrize("place", ["/dev/shm/nccl-1", "/tmp/x"])
def test_a_full_dev_shm_is_told_from_a_full_disk(place: str, engine: Engine, model: ModelFactory) -> None:
    line = f"OSError: [Errno 28] No space left on device: '{place}'"
    failure = failure_of(model(log_lines=[TRACE, line], exit_during_load=1), engine)
    assert failure.code == ("disk-full" if place == "/tmp/x" else "model-load-failed")
    assert ("--shm-size" in (failure.hint or "")) == (place != "/tmp/x")
