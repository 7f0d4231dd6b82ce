"""Answers are kept: in a requests file for the next run, and as what is expected of other images."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from ivdocker.errors import Failure, UsageError
from ivdocker.requests.model import Request
from ivdocker.requests.read import files
from ivdocker.requests.record import Answers, Recording, as_line
from ivdocker.requests.send import RequestResult
from tests.unit.requests.helpers import requests_in


def test_a_recorded_line_asks_the_same_again(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"\xff\xd8")
    lines = [
        {"request": {"a": 1}, "expect": {"id": 1, "y": 2}, "ignore": ["$.id"], "rtol": 0.1, "model": "m"},
        {"request": {"a": 1}, "status": 400, "expect": {"error": "no"}},
        {"file": "cat.jpg", "headers": {"a": "b"}},
    ]
    first = requests_in(tmp_path, "\n".join(map(json.dumps, lines)))
    answers = [{"id": 7, "y": 2}, {"error": "no, never"}, {"label": "cat"}]
    recorded = "".join(as_line(RequestResult(*pair)) for pair in zip(first, answers, strict=True))
    again = requests_in(tmp_path, recorded)
    assert [request.expect for request in again] == [{"id": 7, "y": 2}, {"error": "no"}, {"label": "cat"}]
    for one, other in zip(first, again, strict=True):
        assert one._replace(expect=None) == other._replace(expect=None, where=one.where, file=one.file)


def outcome(body: Any, answer: Any, **rest: Any) -> RequestResult:
    return RequestResult(Request(body, "f:1", **rest), answer, 1.0)


def test_what_was_recorded_is_a_requests_file(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    with Recording(path) as recording:
        recording.add(outcome({"x": "ü"}, {"y": math.inf, "half": "\ud800"}, rtol=0.5))
        recording.add(outcome([1], [2]))
        recording.keep()
    first, second = files.load(path)
    assert (first.body, first.expect, first.rtol) == ({"x": "ü"}, {"y": math.inf, "half": "\ud800"}, 0.5)
    assert (second.body, second.expect, second.rtol) == ([1], [2], None)
    assert os.listdir(tmp_path) == ["recorded.jsonl"]


def test_what_else_a_request_says_is_recorded_too(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    with Recording(path) as recording:
        recording.add(
            outcome({}, 1, model_name="m", version="2", signature="s", headers={"A": "b"}, content_type="c/d")
        )
        recording.keep()
    said = json.loads(path.read_text())
    assert said == {
        "request": {},
        "expect": 1,
        "model": "m",
        "version": "2",
        "signature": "s",
        "headers": {"A": "b"},
        "content_type": "c/d",
    }


def test_nothing_is_written_unless_it_is_kept_and_what_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    path.write_text("before")
    with Recording(path) as recording:
        recording.add(outcome({}, 1))
    assert (path.read_text(), os.listdir(tmp_path)) == ("before", ["recorded.jsonl"])


def test_another_attempt_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    with Recording(path) as recording, Answers("image") as answers:
        for keeper in (recording, answers):
            keeper.add(outcome({"long": "x" * 10_000}, 1))
            keeper.restart()
            keeper.add(outcome({}, 2))
        recording.keep()
        assert [request.expect for request in answers] == [2]
    assert [request.expect for request in files.load(path)] == [2]


def test_a_link_stays_one_and_its_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "recorded.jsonl"
    link.symlink_to(tmp_path / "elsewhere" / "file")
    with Recording(link) as recording:
        recording.add(outcome({}, 1))
        recording.keep()
    assert link.is_symlink()
    assert len(files.load(tmp_path / "elsewhere" / "file")) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [("missing/file", "No such file or directory"), ("", "is a folder"), ("f/file", "Not a directory")],
)
def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "f").touch()
    with pytest.raises(UsageError, match=f"cannot record to .*{words}"), Recording(tmp_path / name):
        pytest.fail("it cannot be written")


def test_answers_become_what_is_expected_as_often_as_they_are_read() -> None:
    with Answers("ref:1") as answers:
        for number in range(1000):
            answers.add(outcome({"n": number}, {"y": number / 2}, rtol=0.25))
        answers.add(outcome(b"\x00\xff", {"y": None}, headers={"A": "b"}))
        one, other = iter(answers), iter(answers)
        assert [next(one).body for _ in range(3)] == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert next(other).body == {"n": 0}
        again = list(answers)
    assert [request.expect for request in again[:1000]] == [{"y": number / 2} for number in range(1000)]
    assert {request.rtol for request in again} == {0.25, None}
    assert again[-1].body == b"\x00\xff"
    assert again[-1].request_body.headers == {"A": "b"}
    assert again[0].where == "f:1, compared with the response of ref:1"


def test_a_wrong_answer_is_expected_of_nobody() -> None:
    with Answers("ref:1") as answers:
        answers.add(outcome({}, {"y": 2}, expect={"y": 1})._replace(failure=Failure("response-mismatch", "wrong")))
        (again,) = answers
    assert (again.expect, again.where) == ({"y": 1}, "f:1")
