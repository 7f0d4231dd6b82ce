"""Errors, verdicts and how they are shown."""

from __future__ import annotations

import copy
import io
import json
import pickle
from pathlib import Path
from typing import Any, get_args

import pytest

from ivdocker import errors
from ivdocker.engine.parse import EngineVersion
from ivdocker.errors import (
    ENVIRONMENT_CODES,
    MODEL_CODES,
    DeadlineExceeded,
    EnvironmentCode,
    EnvironmentFailed,
    Failure,
    GracefulShutdown,
    InfraValidationError,
    JobAborted,
    ModelCode,
    NoRequestPossible,
    RequestFailed,
    RequestTimedOut,
    UsageError,
    ValidationFailed,
    error_for,
)
from ivdocker.report.as_json import as_dict, as_json
from ivdocker.report.blessing import write_blessing
from ivdocker.report.terminal import Terminal
from ivdocker.report.verdict import Report, RequestFigures, RunReport, Verdict
from ivdocker.requests.model import Request
from ivdocker.requests.send import RequestResult

ESCAPE = "\x1b"
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
    RequestFailed,
    RequestTimedOut,
    NoRequestPossible,
)
FAILURE = Failure(
    "model-load-failed",
    "the weights are rotten",
    hint="export the model anew",
    stage="load",
    exit_code=1,
    log_tail=("one", "two"),
    command="docker run x",
)


def run_with(failure: Failure | None = None, image: str = "image:1") -> RunReport:
    run = RunReport(image, "triton")
    run.stages = {"start": 0.2804, "running": 0.01, "load": 1.5, "stop": 0.18}
    run.endpoints = {"http": "127.0.0.1:1"}
    run.failure = failure
    return run


def report(*failures: Failure | None) -> Report:
    engine = EngineVersion("docker", "28.2.2", "20.10.24", "1.41", "linux/amd64")
    return Report("/models/m", 2.123456, [run_with(failure) for failure in failures], engine)


def test_no_failure_code_is_renamed_or_lost() -> None:
    assert set(DESIGN_ENVIRONMENT.split()) <= ENVIRONMENT_CODES
    assert set(DESIGN_MODEL.split()) <= MODEL_CODES
    assert not ENVIRONMENT_CODES & MODEL_CODES


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
    error: type[InfraValidationError], code: EnvironmentCode | ModelCode
) -> None:
    assert error("what happened").failure == Failure(code, "what happened")
    assert error("what happened", FAILURE).failure is FAILURE


@pytest.mark.parametrize("error", [InfraValidationError, GracefulShutdown, UsageError])
def test_an_error_that_is_about_no_failure_carries_none(error: type[InfraValidationError]) -> None:
    assert error("what happened").failure is None


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


def test_the_json_report_has_the_keys_of_its_schema() -> None:
    record = json.loads(as_json(report(FAILURE)))
    assert record["schema"] == "ivdocker/report/v1"
    assert {"schema", "verdict", "model", "engine", "seconds", "runs"} <= set(record)
    (run,) = record["runs"]
    assert {
        "image", "image_id", "server", "verdict", "attempts", "stages", "endpoints", "requests", "failure"
    } <= set(run)  # fmt: skip
    assert {"sent", "failed", "mismatched", "p50_ms", "p95_ms", "p99_ms"} <= set(run["requests"])
    assert {
        "code", "message", "hint", "stage", "exit_code", "signal", "oom_killed", "log_tail", "command"
    } <= set(run["failure"])  # fmt: skip
    assert {"name", "client", "server", "api", "platform"} <= set(record["engine"])


def test_the_json_report_has_its_values() -> None:
    record = as_dict(report(FAILURE))
    assert (record["verdict"], record["model"], record["seconds"]) == ("not_blessed", "/models/m", 2.123)
    run = record["runs"][0]
    assert (run["verdict"], run["image"], run["server"], run["attempts"]) == ("not_blessed", "image:1", "triton", 1)
    assert run["stages"] == {"start": 0.28, "running": 0.01, "load": 1.5, "stop": 0.18}
    assert run["endpoints"] == {"http": "127.0.0.1:1"}
    assert run["failure"]["code"] == "model-load-failed"
    assert list(run["failure"]["log_tail"]) == ["one", "two"]


def test_the_json_report_of_a_blessing_has_no_failure() -> None:
    record = json.loads(as_json(report(None)))
    assert record["verdict"] == record["runs"][0]["verdict"] == "blessed"
    assert record["runs"][0]["failure"] is None


def test_the_json_report_without_an_engine_says_null() -> None:
    assert json.loads(as_json(Report("/m", 1.0, [])))["engine"] is None


@pytest.mark.parametrize("text", ["ü 模型 🙂", 'a "quote"', "half \ud83d a character", "bell \a"])
def test_the_json_report_can_be_written_whatever_a_server_said(text: str) -> None:
    written = as_json(report(Failure("request-failed", text))).encode()
    assert json.loads(written)["runs"][0]["failure"]["message"] == text


@pytest.mark.parametrize(
    ("verdict", "files"),
    [("blessed", ["INFRA_BLESSED"]), ("not_blessed", ["INFRA_NOT_BLESSED"]), ("no_verdict", [])],
)
@pytest.mark.parametrize("earlier", ["INFRA_BLESSED", "INFRA_NOT_BLESSED", None])
def test_a_blessing_is_one_empty_file_and_takes_an_earlier_one_back(
    tmp_path: Path, verdict: Verdict, files: list[str], earlier: str | None
) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    if earlier:
        folder.mkdir(parents=True)
        (folder / earlier).touch()
    write_blessing(folder, verdict)
    assert [path.name for path in folder.iterdir()] == files
    assert all(path.read_bytes() == b"" for path in folder.iterdir())


def test_a_blessing_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot write the blessing to '.*file"):
        write_blessing(tmp_path / "file", "blessed")


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, *failures: Failure | None, level: int = 1, images: int = 1) -> str:
    terminal = Terminal(stream, level, images)
    terminal.stage("image:1", "start", 0.28, "docker run image:1")
    terminal.outcome("image:1", RequestResult(Request({"x": 1}, "f:1"), {"y": 2}, 1.5))
    terminal.outcome(
        "image:1", RequestResult(Request({"x": 2}, "f:2"), None, None, Failure("request-failed", "f:2: no"))
    )
    terminal.verdict(report(*failures))
    return stream.getvalue()


@pytest.fixture
def no_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.usefixtures("no_no_color")
def test_a_terminal_sees_colours_and_a_file_sees_none() -> None:
    assert ESCAPE in shown(Tty(), FAILURE)
    assert ESCAPE not in shown(io.StringIO(), FAILURE)


def test_a_terminal_sees_no_colours_where_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert ESCAPE not in shown(Tty(), FAILURE)


@pytest.mark.parametrize(
    "failure",
    [
        FAILURE._replace(log_tail=("\x1b[31mred\x1b[0m", "half\rover", "\x07bell", "\x9b2J")),
        Failure("request-failed", "f:1: HTTP 500: \x1b]0;title\x07 gone"),
    ],
    ids=["log", "message"],
)
def test_control_codes_of_a_server_do_not_reach_what_people_read(failure: Failure) -> None:
    text = shown(io.StringIO(), failure)
    assert [letter for letter in text if letter < " " and letter != "\n"] == []
    assert "\x9b" not in text


def test_a_verdict_says_model_image_cause_and_what_to_do() -> None:
    text = shown(io.StringIO(), FAILURE)
    assert "NOT BLESSED  m on image:1: model-load-failed: the weights are rotten" in text
    assert "to do: export the model anew" in text
    assert "| one" in text
    assert "run it yourself: docker run x" in text


def test_a_blessing_says_how_long_it_took() -> None:
    assert "BLESSED  m on image:1 (loaded, 1.97 s)" in shown(io.StringIO(), None)


def test_requests_that_were_answered_are_counted() -> None:
    run = run_with()
    run.requests = RequestFigures(3, 0, 0, 1.0, 2.0, 3.0)
    stream = io.StringIO()
    Terminal(stream).verdict(Report("/models/m", 1.0, [run]))
    assert "3 requests answered" in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "stage", "good", "bad"), [(0, False, False, True), (1, True, False, True), (2, True, True, True)]
)
def test_the_level_says_how_much_is_shown(level: int, stage: bool, good: bool, bad: bool) -> None:
    text = shown(io.StringIO(), None, level=level)
    assert ("docker run image:1" in text) is stage
    assert ('{"y": 2}' in text) is good
    assert ("f:2: no" in text) is bad
    assert "BLESSED" in text


def test_with_several_images_each_line_bears_its_own() -> None:
    lines = shown(io.StringIO(), None, images=2).splitlines()
    assert lines[0].startswith("image:1  start")


def test_a_very_long_request_is_cut() -> None:
    stream = io.StringIO()
    huge: Any = {"x": [1] * 100_000}
    Terminal(stream, 2).outcome("image:1", RequestResult(Request(huge, "f:1"), huge, 1.0))
    assert len(stream.getvalue()) < 1000


def asked(count: int, level: int = 1, failure: Failure | None = None) -> list[str]:
    stream = io.StringIO()
    terminal = Terminal(stream, level, requests=count)
    for number in range(count):
        terminal.outcome("image:1", RequestResult(Request({"x": number}, "f:1"), {"y": 2}, 1.5, failure))
    return stream.getvalue().splitlines()


def test_a_line_tells_every_thousand_requests_how_far_it_has_come() -> None:
    lines = [line for line in asked(3000) if "requests sent" in line]
    assert [line.partition(" s  ")[2] for line in lines] == [
        "1000 of 3000 requests sent",
        "2000 of 3000 requests sent",
    ]
    assert asked(3000, level=0) == []


def test_of_many_failures_the_first_are_shown() -> None:
    failure = Failure("request-failed", "f:1: no")
    shown_failures = [line for line in asked(500, failure=failure) if "f:1: no" in line]
    assert len(shown_failures) == 20


def test_a_body_of_bytes_is_shown_by_its_length() -> None:
    stream = io.StringIO()
    Terminal(stream, 2).outcome("image:1", RequestResult(Request(b"abc", "x.bin"), {}, 1.0))
    assert "3 bytes of application/octet-stream" in stream.getvalue()
