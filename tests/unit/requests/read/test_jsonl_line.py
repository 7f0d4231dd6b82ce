"""A line of a requests file: a body, or what to send and to expect; what is wrong in it is named."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivdocker.errors import UsageError
from tests.unit.json_values import JSON_VALUES
from tests.unit.requests.helpers import requests_in
from tests.unit.requests.read.helpers import made, one, refused


def test_a_line_is_a_request_body(tmp_path: Path) -> None:
    found = requests_in(tmp_path, '{"instances": [1.0]}\n[1, 2]\n')
    assert [request.body for request in found] == [{"instances": [1.0]}, [1, 2]]
    assert [request.where for request in found] == [f"{tmp_path}/requests.jsonl:{n}" for n in (1, 2)]
    assert all(request.expect is None for request in found)


def test_a_line_may_wrap_a_body_with_what_is_expected_and_how_nearly(tmp_path: Path) -> None:
    (found,) = requests_in(tmp_path, '{"request": {"x": 1}, "expect": {"y": 2.5}, "rtol": 0.1, "atol": 0}')
    assert (found.body, found.expect, found.rtol, found.atol) == ({"x": 1}, {"y": 2.5}, 0.1, 0.0)


def test_tolerances_have_defaults(tmp_path: Path) -> None:
    (found,) = requests_in(tmp_path, '{"request": {}}')
    assert (found.rtol, found.atol, found.tolerance) == (None, None, (1e-5, 1e-8))


def test_blank_lines_and_foreign_line_ends_are_passed_over_and_still_counted(tmp_path: Path) -> None:
    found = requests_in(tmp_path, b'\n  \r\n{"a": 1}\r\n\n{"b": 2}')
    assert [request.where.rpartition(":")[2] for request in found] == ["3", "5"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n \n\t\n", "is empty"),
        ('{"a": 1}\n{"a": \n', ":2: not valid JSON"),
        ('{"a": 1}\n\n\nx', ":4: not valid JSON"),
        (b'{"a": 1}\n{"a": "\xff"}\n', ":2: not valid JSON"),
        ("[" * 100_000, ":1: not valid JSON"),
        ("5", ":1: a request body must be a JSON object, not 5"),
        ('"text"', ':1: a request body must be a JSON object, not "text"'),
        ("null", ":1: a request body must be a JSON object, not null"),
        ('{"instances": [1], "expect": {}}', ":1: 'expect' needs 'request' beside it"),
        ('{"request": {}, "expected": {}}', ":1: unknown key 'expected' beside 'request'"),
        ('{"request": {}, "rtol": -1}', ":1: rtol must be a number of at least 0, not -1"),
        ('{"request": {}, "atol": "1"}', ':1: atol must be a number of at least 0, not "1"'),
        ('{"request": {}, "atol": true}', ":1: atol must be a number of at least 0, not true"),
        ('{"request": {}, "atol": NaN}', ":1: atol must be a number of at least 0, not NaN"),
        ('{"request": {}, "atol": null}', ":1: atol must be a number of at least 0, not null"),
        pytest.param('{"request": {}, "rtol": 1' + "0" * 400 + "}", ":1: rtol must be", id="beyond any float"),
    ],
)
def test_what_is_wrong_in_a_requests_file_is_named_with_its_line(
    tmp_path: Path, content: str | bytes, words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        requests_in(tmp_path, content)
    assert words in str(caught.value)
    assert "requests.jsonl" in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=50, deadline=None, database=None)
@given(line=st.binary(max_size=40) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_line_is_a_request_or_a_usage_error(line: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    with contextlib.suppress(UsageError):
        assert requests_in(tmp_path_factory.getbasetemp(), line)


def test_a_line_may_say_how_its_request_is_sent_and_judged(tmp_path: Path) -> None:
    line = {
        "request": {"x": 1}, "expect": {"y": 2}, "ignore": ["$.id"], "status": 400, "model": "m", "version": 3,
        "signature": "s", "headers": {"X-A": "b"}, "content_type": "text/x"
    }  # fmt: skip
    found = one(made(tmp_path, "r.jsonl", json.dumps(line)))
    assert (found.ignore, found.status, found.model_name, found.version) == (("$.id",), 400, "m", "3")
    assert (found.signature, found.headers, found.content_type) == ("s", {"X-A": "b"}, "text/x")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"status": "400"}, 'status must be an HTTP status from 200 to 599, not "400"'),
        ({"status": True}, "status must be"),
        ({"status": 99}, "status must be"),
        ({"model": ""}, 'model must be a non-empty string of one line, not ""'),
        ({"signature": 5}, "signature must be a non-empty string"),
        ({"content_type": "a\nb"}, "content_type must be a non-empty string of one line"),
        ({"version": -1}, "version must be a number or a name, not -1"),
        ({"version": "1/../2"}, "version must be"),
        ({"headers": ["a"]}, "headers must be a JSON object"),
        ({"headers": {"a b": "c"}}, "'a b' is not a valid name of an HTTP header"),
        ({"headers": {"a": "b\r\nc: d"}}, "header a must be an ASCII string of one line"),
        ({"headers": {"a": 5}}, "header a must be"),
        ({"expect": {}, "ignore": "$.id"}, "ignore must be a list of JSON paths"),
        ({"expect": {}, "ignore": ["id"]}, "ignore: 'id' is not a JSON path"),
        ({"expect": {}, "ignore": ["$.a[x]"]}, "ignore: '$.a[x]' is not a JSON path"),
        ({"file": "x"}, "either 'request' or 'file'"),
    ],
)
def test_what_cannot_be_in_a_line_is_named(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    path = made(tmp_path, "r.jsonl", "\n" + json.dumps({"request": {}, **more}))
    assert f"r.jsonl:2: {words}" in refused(path)
