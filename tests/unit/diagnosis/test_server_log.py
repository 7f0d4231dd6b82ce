"""What an end of a container, and a line of its log, mean."""

from __future__ import annotations

import time

import pytest

from ivdocker.diagnosis import rows, server_log
from tests.unit.diagnosis.helpers import ended, flaws, log_patterns
from tests.unit.servers.samples import SAMPLES, TENSORFLOW_SERVING


def test_a_server_without_fatal_lines_has_no_pattern() -> None:
    assert rows.fatal_pattern([]) is None
    assert server_log.fatal_line("anything", "", []) is None


def test_a_harmless_line_is_not_fatal() -> None:
    for kind in SAMPLES:
        assert (
            server_log.fatal_line(
                "I server.cc:1] Exporting HTTP/REST API at:localhost:8501 ...", "", log_patterns(kind)
            )
            is None
        )


def test_out_of_memory_is_said_only_when_the_engine_flags_it() -> None:
    assert server_log.ended_container(ended(137, oom=True), "", ()).code == "out-of-memory"
    killed = server_log.ended_container(ended(137), "", ())
    assert killed.code == "container-exited"
    assert (killed.exit_code, killed.signal, killed.oom_killed) == (137, "SIGKILL", False)
    assert "memory" not in killed.message


def test_out_of_memory_weighs_more_than_what_the_log_says() -> None:
    line = TENSORFLOW_SERVING[0][0]
    failure = server_log.ended_container(ended(137, oom=True), line, log_patterns("tensorflow-serving"))
    assert failure.code == "out-of-memory"


def test_an_illegal_instruction_is_told_by_its_signal() -> None:
    failure = server_log.ended_container(ended(132), "", ())
    assert (failure.code, failure.signal) == ("illegal-instruction", "SIGILL")


def test_an_end_that_nobody_knows_stays_container_exited_with_the_last_words() -> None:
    failure = server_log.ended_container(ended(3), "hello\nthe frobnicator is jammed\n\n", log_patterns("triton"))
    assert failure.code == "container-exited"
    assert "the frobnicator is jammed" in failure.message
    assert "exit code 3" in failure.message


def test_an_end_without_a_word_says_so() -> None:
    failure = server_log.ended_container(ended(0), "", ())
    assert failure.code == "container-exited"
    assert "its log is empty" in failure.message
    assert failure.log_tail == ()


def test_a_start_error_of_the_engine_is_told() -> None:
    failure = server_log.ended_container(ended(127, error='exec: "x": executable file not found\nin $PATH'), "", ())
    assert failure.code == "container-exited"
    assert 'exec: "x": executable file not found in $PATH' in failure.message
    assert flaws(failure) == []


def test_the_last_ten_lines_of_a_log_are_shown_and_none_too_long() -> None:
    tail = server_log.log_tail("\n".join([*(f"line {n}\n" for n in range(50)), "x" * 10_000]))
    assert len(tail) == 10
    assert tail[0] == "line 41"
    assert len(tail[-1]) < 500


def test_the_log_is_shown_around_the_line_that_names_the_cause() -> None:
    cause = "Loading servable: {name: m version: 1} failed: DATA_LOSS: rotten"
    noise = [f"line {number}" for number in range(60)]
    log = "\n\n".join([*noise[:30], cause, *noise[30:], ""])
    ended_with = server_log.ended_container(ended(1), log, log_patterns("tensorflow-serving"))
    assert ended_with.log_tail == (*noise[24:30], cause, *noise[30:33])
    still_running = server_log.fatal_line(cause, log, log_patterns("tensorflow-serving"))
    assert still_running is not None
    assert still_running.log_tail == ended_with.log_tail


@pytest.mark.parametrize(("before", "after"), [(0, 20), (3, 20), (20, 0), (20, 2), (2, 2)])
def test_as_many_lines_are_shown_where_the_cause_stands_near_an_end(before: int, after: int) -> None:
    cause = "ValueError: the weights are rotten"
    lines = [*(f"before {number}" for number in range(before)), cause, *(f"after {n}" for n in range(after))]
    shown = server_log.log_tail("\n".join(lines))
    assert len(shown) == min(10, len(lines))
    assert cause in shown
    assert "\n".join(shown) in "\n".join(lines)


NOISE = [
    "+------------------+------+",
    "| Option           | Value|",
    'INFO:     172.17.0.1:40440 - "GET /ping HTTP/1.1" 404 Not Found',
    '2026-01-01T00:00:00,000 [INFO ] nioEventLoopGroup-3-1 ACCESS_LOG - /172.17.0.1:4 "GET /ping HTTP/1.1" 200 1',
    "2026-01-01T00:00:00,000 [INFO ] pool-3-thread-1 TS_METRICS - CPUUtilization.Percent:0.0|#Level:Host",
    "Loading weights:  40%|####      | 4/10 [00:01<00:02,  2.9it/s]",
    "I1125 04:42:22.445107 6 server.cc:604]",
    "   ",
    "           ^^^^^^^^^~~~^^^",
]


def test_tables_and_our_own_probes_leave_room_for_the_cause() -> None:
    cause = "E1125 04:42:22.444914 6 model_lifecycle.cc:642] failed to load 'm'"
    log = "\n".join([cause, *NOISE * 20, "exiting"])
    assert server_log.log_tail(log) == (cause, "exiting")
    assert server_log.ended_container(ended(1), log, ()).log_tail == (cause, "exiting")


def test_a_log_of_noise_alone_shows_nothing() -> None:
    assert server_log.log_tail("\n".join(NOISE)) == ()


def test_colours_hide_nothing_and_are_not_shown() -> None:
    line = "\x1b[31mModuleNot\x1b[0mFoundError: No module named 'sk\x1b[1mlearn'\x1b]0;title\x07"
    failure = server_log.ended_container(ended(1), line, log_patterns("mlflow"))
    assert "'sklearn'" in failure.message
    assert failure.log_tail == ("ModuleNotFoundError: No module named 'sklearn'",)


@pytest.mark.parametrize("kind", sorted(SAMPLES))
@pytest.mark.parametrize(
    "piece", ["{name: ", "OSError: ", "failed: ", "' '", "|  ", "a.", "1%", "\x1b[", "GET /", " - "]
)
def test_a_long_line_costs_little(kind: str, piece: str) -> None:
    """What a server writes must not cost minutes: the parts of the patterns, each repeated in a long line."""
    log = piece * (2**18 // len(piece)) + "\n" + (piece * (4096 // len(piece)) + "\n") * 4
    rows = log_patterns(kind)
    before = time.process_time()
    server_log.ended_container(ended(1), log, rows)
    server_log.fatal_line(log[: 2**16], log, rows)
    assert time.process_time() - before < 20


def test_braces_and_percent_signs_in_a_log_are_only_text() -> None:
    line = "Loading servable: {name: m version: 1} failed: {0} {name!x} %s"
    failure = server_log.ended_container(ended(1), line, log_patterns("tensorflow-serving"))
    assert "{0} {name!x} %s" in failure.message


def test_the_rest_of_the_log_names_the_cause_more_closely_than_the_fatal_line() -> None:
    line = "Loading servable: {name: m version: 1} failed: NOT_FOUND"
    log = (
        f"{line}\nFailed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        "{{name: m version: 1} due to error: NOT_FOUND: Could not find SavedModel .pb or .pbtxt at supplied export "
        "directory path: /models/m/1. Check that the directory exists and that you have the right permissions "
        "for accessing it.}, }\n"
    )
    failure = server_log.fatal_line(line, log, log_patterns("tensorflow-serving"))
    assert failure is not None
    assert failure.message == "there is no saved_model.pb in version 1 of model 'm' (in the container: /models/m/1)"


def test_a_denied_model_file_weighs_more_than_that_the_model_did_not_load() -> None:
    log = (
        "Couldn't load model 'm'. Model will be removed from registry.\n"
        "PermissionError: [Errno 13] Permission denied: '/mnt/models/m/weights.json'\n"
    )
    failure = server_log.fatal_line(log.splitlines()[0], log, log_patterns("mlserver"))
    assert failure is not None
    assert failure.message == "the server is denied access to /mnt/models/m/weights.json"


def test_of_two_models_that_cannot_load_each_has_its_own_cause() -> None:
    failures = (
        "{{name: a version: 1} due to error: RESOURCE_EXHAUSTED: no room}, "
        "{{name: b version: 2} due to error: NOT_FOUND: Op type not registered 'X' in binary running on h.}, "
    )
    log = f"Failed to start server. Error: UNKNOWN: 2 servable(s) did not become available: {{{failures}}}"
    failure = server_log.ended_container(ended(255), log, log_patterns("tensorflow-serving"))
    assert failure.message.startswith("model 'b' uses the operation 'X', which this server does not have")
