"""Answers that are not JSON are taken where the server's contract allows them, or where the request expects them."""

from __future__ import annotations

from typing import Any

import pytest

from ivdocker.errors import Failure
from ivdocker.http import Response
from ivdocker.requests.judge.response import judge_response
from ivdocker.requests.model import Request
from ivdocker.servers.protocol import ANY_TYPE, EVENTS
from tests.unit.requests.helpers import request

PNG = b"\x89PNG\r\n\x1a\n\xff"
STREAM = b'data: {"id": "a", "n": 1}\n\n: a comment\n\ndata: {"id": "b", "n": 2}\n\ndata: [DONE]\n\n'


def judged(
    body: bytes, kind: str, types: tuple[str, ...] = ANY_TYPE, asked: Request | None = None, volatile: Any = ()
) -> tuple[Any, Failure | None]:
    return judge_response(asked or request(), Response(200, body, 0.1, kind), volatile, types)


def failure(*args: Any, **what: Any) -> Failure:
    found = judged(*args, **what)[1]
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("body", "kind", "answer"),
    [
        (b"a cat\n", "text/plain", {"text": "a cat"}),
        (b"0.5,cat\n1,dog\n", "text/csv", {"rows": [[0.5, "cat"], [1.0, "dog"]]}),
        (b"<p>1</p>", "application/xml", {"text": "<p>1</p>"}),
        (STREAM, EVENTS, {"events": [{"id": "a", "n": 1}, {"id": "b", "n": 2}, "[DONE]"]}),
        (b'{"a": 1}\n{"a": 2}\n', "application/jsonlines", {"events": [{"a": 1}, {"a": 2}]}),
    ],
)
def test_an_answer_that_is_no_json_is_taken_where_the_contract_allows_it(body: bytes, kind: str, answer: Any) -> None:
    assert judged(body, kind) == ({"content_type": kind, **answer}, None)
    assert "is not JSON" in failure(body, kind, ()).message


def test_an_image_is_told_by_its_checksum() -> None:
    answer, found = judged(PNG, "image/png")
    assert found is None
    assert (answer["content_type"], answer["bytes"], len(answer["sha256"])) == ("image/png", 9, 64)
    assert judged(PNG + b"x", "image/png")[0]["sha256"] != answer["sha256"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>It works!</html>", "text/html"),
        (b"\n<!DOCTYPE html><p>", "text/plain"),
        (b"{not json", "application/json"),
        (b"oops", "application/problem+json"),
        (b"text", ""),
        (b" \n", "text/plain"),
        (b"", "image/png"),
    ],
)
def test_what_no_model_answers_is_refused_everywhere(body: bytes, kind: str) -> None:
    assert failure(body, kind).code == "request-failed"


def test_an_answer_without_a_type_is_taken_where_servers_name_none() -> None:
    assert judged(b"cat", "", ("", *ANY_TYPE)) == ({"content_type": "", "text": "cat"}, None)
    assert judged(PNG, "", ("", *ANY_TYPE))[1] is None


@pytest.mark.parametrize("body", [b"Internal Server Error", b"Error: no", b"Traceback (most recent call last):\n x"])
def test_a_text_that_says_error_is_one_unless_it_is_expected(body: bytes) -> None:
    assert failure(body, "text/plain").code == "request-failed"
    assert judged(body, "text/plain", asked=request(expect=body.decode()))[1] is None


@pytest.mark.parametrize(
    "body", [b'data: {"n": 1}\n\ndata: {"error": {"message": "out of memory"}}\n\n', b"event: error\ndata: broken\n\n"]
)
def test_an_error_in_a_stream_is_a_failure(body: bytes) -> None:
    assert "contains an error" in failure(body, EVENTS).message


def test_a_nan_in_a_table_is_a_wrong_answer() -> None:
    assert failure(b"1.0,nan\n", "text/csv").code == "response-mismatch"


@pytest.mark.parametrize(
    ("expect", "body", "kind", "is_right"),
    [
        ("a cat", b"a cat\n", "text/plain", True),
        ("a cat", b"a dog\n", "text/plain", False),
        ("0.5,cat", b"0.5000001,cat\n", "text/csv", True),
        ("0.5,cat", b"0.6,cat\n", "text/csv", False),
        ("0.5", b"0.5\n", "text/csv", True),
        ("text", b'"text"', "application/json", True),
        ({"content_type": "image/png"}, PNG, "image/png", True),
        ({"content_type": "image/png"}, PNG, "image/jpeg", False),
        ({"content_type": "text/html"}, b"<html>", "text/html", True),
        ({"content_type": "application/json", "y": 1}, b'{"y": 1, "z": 2}', "application/json", True),
        ({"content_type": "application/json"}, b"<html>", "text/html", False),
        ({"content_type": EVENTS, "events": [{"n": 1}, {"n": 2}, "[DONE]"]}, STREAM, EVENTS, True),
    ],
)
def test_a_text_or_a_content_type_may_be_expected_of_any_server(
    expect: Any, body: bytes, kind: str, is_right: bool
) -> None:
    found = judged(body, kind, (), request(expect=expect))[1]
    assert (found.code if found else None) == (None if is_right else "response-mismatch")


def test_what_was_answered_is_what_may_be_expected() -> None:
    for body, kind in ((b"1,2\n", "text/csv"), (STREAM, EVENTS), (PNG, "image/png"), (b"0.5", "text/csv")):
        answer, _ = judged(body, kind)
        assert judged(body, kind, (), request(expect=answer))[1] is None


def test_what_changes_in_a_stream_is_left_out() -> None:
    expect = {"content_type": EVENTS, "events": [{"id": "x", "n": 1}, {"id": "y", "n": 2}, "[DONE]"]}
    assert judged(STREAM, EVENTS, asked=request(expect=expect), volatile=("$.events[*].id",))[1] is None
    assert judged(STREAM, EVENTS, asked=request(expect=expect))[1] is not None
