"""What people read."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from ivdocker.errors import Failure
from ivdocker.report.terminal import Terminal
from ivdocker.report.verdict import Report, RequestFigures
from ivdocker.requests.model import Request
from ivdocker.requests.send import RequestResult
from ivdocker.servers.base import Selection
from ivdocker.servers.mlflow import MLflow
from tests.unit.report.samples import FAILURE, report, run_with


@pytest.mark.parametrize(
    ("level", "evident", "is_said"), [(0, False, False), (1, True, False), (1, False, True), (2, True, True)]
)
def test_a_decision_that_is_not_evident_is_said(
    capsys: pytest.CaptureFixture[str], level: int, evident: bool, is_said: bool
) -> None:
    binary = MLflow("team/server:1", "m", selection=Selection("the model's folder holds MLmodel", evident))
    Terminal(sys.stderr, level).server(binary)
    said = capsys.readouterr().err
    assert ("mlflow: the model's folder holds MLmodel" in said) == is_said


ESCAPE = "\x1b"


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, *failures: Failure | None, level: int = 1, images: int = 1) -> str:
    terminal = Terminal(stream, level)
    terminal.planned(images, 0)
    terminal.stage("image:1", "start", 0.28, "docker run image:1")
    terminal.outcome("image:1", RequestResult(Request({"x": 1}, "f:1"), {"y": 2}, 1.5))
    terminal.outcome(
        "image:1", RequestResult(Request({"x": 2}, "f:2"), None, None, Failure("request-failed", "f:2: no"))
    )
    terminal.finished(report(*failures))
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


def test_a_blessing_says_how_long_it_took_and_that_nothing_was_asked() -> None:
    words = "BLESSED  m on image:1 (only the load was tried, no request was sent, 1.97 s)"
    assert words in shown(io.StringIO(), None)


@pytest.mark.parametrize(
    ("count", "words"), [(1, "(loaded, 1 request answered, 0 compared,"), (3, "(loaded, 3 requests answered, 0 compa")]
)
def test_requests_that_were_answered_are_counted(count: int, words: str) -> None:
    run = run_with()
    run.requests = RequestFigures(count, 0, 0, 1.0, 2.0, 3.0)
    stream = io.StringIO()
    Terminal(stream).finished(Report("/models/m", 1.0, [run]))
    assert words in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "stage", "good", "bad"), [(0, False, False, False), (1, True, False, True), (2, True, True, True)]
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
    terminal = Terminal(stream, level)
    terminal.planned(1, count)
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


class Pieces(io.StringIO):
    """Remembers each piece that is written."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return super().write(text)


def test_a_line_is_written_with_its_end_so_that_a_signal_leaves_no_half_line() -> None:
    stream = Pieces()
    shown(stream, FAILURE)
    assert stream.pieces
    assert all(piece.endswith("\n") for piece in stream.pieces)


def test_how_many_more_failed_is_said() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream)
    terminal.planned(1, 25)
    for number in range(25):
        failed = Failure("request-failed", "f:1: no")
        terminal.outcome("image:1", RequestResult(Request({"x": number}, "f:1"), None, None, failed))
    terminal.stage("image:1", "query", 1.0, "0 of 25 requests answered as they should be")
    assert "5 more requests failed" in stream.getvalue()


def test_the_verdict_alone_is_one_line_for_each_image() -> None:
    text = shown(io.StringIO(), FAILURE, None, level=0, images=2)
    assert [line.split()[0] for line in text.splitlines()] == ["NOT", "BLESSED"]
    assert "model-load-failed: the weights are rotten" in text


def test_a_body_of_bytes_is_shown_by_its_length() -> None:
    stream = io.StringIO()
    Terminal(stream, 2).outcome("image:1", RequestResult(Request(b"abc", "x.bin"), {}, 1.0))
    assert "3 bytes of application/octet-stream" in stream.getvalue()


def test_what_a_blessing_rests_on_is_said() -> None:
    run = run_with()
    run.requests = RequestFigures(4, 1, 0, compared=2)
    run.unasked = {"b": "its type is FP16", "c": ""}
    stream = io.StringIO()
    Terminal(stream).finished(Report("/models/m", 1.0, [run]))
    assert "(loaded, 3 of 4 requests answered, 2 compared, no request for b, c, 1.97 s)" in stream.getvalue()
