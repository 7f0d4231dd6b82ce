"""Requests files are read line by line, answers are held against what was expected."""

from __future__ import annotations

import contextlib
import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivdocker.errors import Failure, UsageError
from ivdocker.requests.judge.compare import first_difference, parse_path
from ivdocker.requests.model import ATOL, RTOL, Request
from ivdocker.requests.read import files
from ivdocker.requests.record import as_line
from ivdocker.requests.send import RequestResult, RequestStats
from tests.unit.test_parse import JSON_VALUES


def load(folder: Path, content: str | bytes) -> list[Request]:
    path = folder / "requests.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(files.load(path))


def difference(expected: Any, found: Any, rtol: float = RTOL, atol: float = ATOL) -> str | None:
    seen = first_difference(expected, found, rtol, atol)
    return str(seen) if seen else None


def test_a_line_is_a_request_body(tmp_path: Path) -> None:
    found = load(tmp_path, '{"instances": [1.0]}\n[1, 2]\n')
    assert [request.body for request in found] == [{"instances": [1.0]}, [1, 2]]
    assert [request.where for request in found] == [f"{tmp_path}/requests.jsonl:{n}" for n in (1, 2)]
    assert all(request.expect is None for request in found)


def test_a_line_may_wrap_a_body_with_what_is_expected_and_how_nearly(tmp_path: Path) -> None:
    (found,) = load(tmp_path, '{"request": {"x": 1}, "expect": {"y": 2.5}, "rtol": 0.1, "atol": 0}')
    assert (found.body, found.expect, found.rtol, found.atol) == ({"x": 1}, {"y": 2.5}, 0.1, 0.0)


def test_tolerances_have_defaults(tmp_path: Path) -> None:
    (found,) = load(tmp_path, '{"request": {}}')
    assert (found.rtol, found.atol) == (1e-5, 1e-8)


def test_blank_lines_and_foreign_line_ends_are_passed_over_and_still_counted(tmp_path: Path) -> None:
    found = load(tmp_path, b'\n  \r\n{"a": 1}\r\n\n{"b": 2}')
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
        load(tmp_path, content)
    assert words in str(caught.value)
    assert "requests.jsonl" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_requests_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read requests file '.*missing': No such file"):
        files.load(tmp_path / "missing")


@settings(max_examples=50, deadline=None, database=None)
@given(line=st.binary(max_size=40) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_line_is_a_request_or_a_usage_error(line: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    with contextlib.suppress(UsageError):
        assert load(tmp_path_factory.getbasetemp(), line)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ({"a": 1}, {"a": 1, "more": 2}),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}),
        ([1, 2], [1.0, 2.0]),
        (1.0, 1.000009),
        (0.0, 1e-9),
        (math.nan, math.nan),
        (math.inf, math.inf),
        (-math.inf, -math.inf),
        (10**30, 10**30 + 1),
        (None, None),
        ("ü", "ü"),
        ({}, {"anything": True}),
        ([], []),
        pytest.param(10**400, 10**400, id="beyond any float"),
        ("NaN", math.nan),
        (math.nan, "NaN"),
        ("-Infinity", -math.inf),
        (math.inf, "Infinity"),
        ("NaN", "NaN"),
    ],
)
def test_an_answer_that_holds_what_was_expected_is_no_difference(expected: Any, found: Any) -> None:
    assert difference(expected, found) is None


@pytest.mark.parametrize(
    ("expected", "found", "words"),
    [
        ({"a": 1}, {}, "at $.a: missing key"),
        ({"a": {"b": [0, {"c": 1}]}}, {"a": {"b": [0, {"c": 2}]}}, "at $.a.b[1].c: number differs: expected 1, got 2"),
        ([1, 2], [1], "at $: length differs: expected 2, got 1"),
        ({"p": [[1.0], [2.0]]}, {"p": [[1.0], [2.1]]}, "at $.p[1][0]: number differs: expected 2.0, got 2.1"),
        (1.0, 1.1, "at $: number differs"),
        (1.0, math.nan, "at $: number differs: expected 1.0, got NaN"),
        (math.nan, 1.0, "at $: number differs"),
        (math.inf, -math.inf, "at $: number differs"),
        (math.inf, 1e308, "at $: number differs"),
        (1e308, math.inf, "at $: number differs"),
        (1, True, "at $: type differs"),
        (0, False, "at $: type differs"),
        (1, "1", "at $: type differs"),
        (None, 0, "at $: type differs"),
        ([], {}, "at $: type differs"),
        ("a", "b", 'at $: value differs: expected "a", got "b"'),
        (True, False, "at $: value differs"),
        pytest.param(10**400, 1.0, "at $: number differs", id="beyond any float"),
        ("Infinity", -math.inf, 'at $: number differs: expected "Infinity", got -Infinity'),
        ("NaN", 1.0, "at $: number differs"),
        ("NaN", "nan", "at $: value differs"),
        ("nan", math.nan, "at $: type differs"),
        ("NaN", None, "at $: type differs"),
        ([[1, 2], [3, 4]], [[1, 0], [3]], "at $[0][1]: number differs: expected 2, got 0 (2 of 4 values differ)"),
        ({"a": 1, "b": 2, "c": [3]}, {"a": 1, "c": [3]}, "at $.b: missing key: expected 2, got null (1 of 3 values"),
        ([1], [1, 2, 3], "at $: length differs: expected 1, got 3 (2 of 3 values differ)"),
    ],
)
def test_the_first_difference_says_where_and_what(expected: Any, found: Any, words: str) -> None:
    assert (difference(expected, found) or "").startswith(words)


ANSWER = {"id": "1", "outputs": [{"name": "y", "p": {"t": 1}, "data": [1]}, {"name": "z", "p": {"t": 2}, "data": [2]}]}
OTHER = {"id": "2", "outputs": [{"name": "y", "p": {"t": 8}, "data": [1]}, {"name": "z", "p": {"t": 9}, "data": [2]}]}


@pytest.mark.parametrize(
    ("ignore", "where"),
    [
        ([], "$.id"),
        (["$.id"], "$.outputs[0].p.t"),
        (["$.id", "$.outputs[0].p"], "$.outputs[1].p.t"),
        (["$.id", "$.outputs[*].p"], None),
        (["$.id", "$.outputs[*].p.t"], None),
        (["$.id", "$['outputs'][*].*.t"], None),
        (["$.id", "$.outputs"], None),
        (["$.*"], None),
        (["$.id", "$.outputs[2].p", "$.nosuch"], "$.outputs[0].p.t"),
    ],
)
def test_what_is_ignored_is_not_compared(ignore: list[str], where: str | None) -> None:
    found = first_difference(ANSWER, OTHER, RTOL, ATOL, ignore)
    assert (found.path if found else None) == where


def test_what_is_ignored_need_not_be_there_and_is_not_counted() -> None:
    assert first_difference({"a": 1, "b": 2}, {"b": 2}, RTOL, ATOL, ["$.a"]) is None
    found = first_difference({"a": 1, "b": [2, 3]}, {"a": 9, "b": [0, 3]}, RTOL, ATOL, ["$.a"])
    assert found is not None
    assert (found.differing, found.compared) == (1, 2)


@pytest.mark.parametrize("path", ["", "$", "id", "$.", "$..id", "$.a[", "$.a[-1]", "$.a[x]", "$.a b", "$[?(@.a)]"])
def test_a_path_that_is_none_is_a_value_error(path: str) -> None:
    with pytest.raises(ValueError, match="is not a JSON path"):
        parse_path(path)


@given(st.text(alphabet="$.[]*'0a ", max_size=12))
def test_any_path_is_parsed_or_a_value_error(path: str) -> None:
    with contextlib.suppress(ValueError):
        assert len(parse_path(path)) > 0


def test_an_answer_may_be_nested_as_deeply_as_json_can_be_read() -> None:
    deep = json.loads("[" * 900 + "1" + "]" * 900)
    other = json.loads("[" * 900 + "2" + "]" * 900)
    assert difference(deep, deep) is None
    assert (difference(deep, other) or "").endswith("number differs: expected 1, got 2")
    assert (difference(1, deep) or "").startswith("at $: type differs")


@pytest.mark.parametrize(
    ("rtol", "atol", "same"), [(0, 0, False), (0.1, 0, True), (0.01, 0, False), (0, 1, True), (0, 0.5, False)]
)
def test_a_number_matches_within_its_tolerances(rtol: float, atol: float, same: bool) -> None:
    assert (difference(10, 11, rtol, atol) is None) is same


def test_a_long_value_is_cut_in_the_message() -> None:
    assert len(difference(["x" * 10_000], ["y" * 10_000]) or "") < 500


@settings(max_examples=50, deadline=None, database=None)
@given(JSON_VALUES)
def test_every_json_value_matches_itself(value: Any) -> None:
    assert first_difference(value, copy.deepcopy(value), RTOL, ATOL) is None
    assert first_difference(value, json.loads(json.dumps(value)), RTOL, ATOL) is None


@settings(max_examples=50, deadline=None, database=None)
@given(JSON_VALUES, JSON_VALUES)
def test_any_two_values_can_be_compared(expected: Any, found: Any) -> None:
    text = difference(expected, found)
    assert text is None or text.startswith("at $")


def outcome(milliseconds: float | None, failure: Failure | None = None) -> RequestResult:
    return RequestResult(Request({}, "f:1"), None, milliseconds, failure)


def test_a_tally_counts_failed_and_mismatched_apart_and_keeps_the_first_failure() -> None:
    tally = RequestStats()
    first, second = Failure("response-mismatch", "one"), Failure("request-failed", "two")
    for each in (outcome(1), outcome(2, first), outcome(None, second)):
        tally.add(each)
    assert (tally.sent, tally.failed, tally.mismatched) == (3, 1, 1)
    assert tally.first_failure is first


def test_percentiles_are_by_the_nearest_rank() -> None:
    tally = RequestStats()
    assert tally.percentile(50) is None
    for milliseconds in (30, 10, 20, 40):
        tally.add(outcome(milliseconds))
    assert [tally.percentile(p) for p in (50, 75, 95, 99)] == [20, 30, 40, 40]


def test_a_recorded_line_asks_the_same_again(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"\xff\xd8")
    lines = [
        {"request": {"a": 1}, "expect": {"id": 1, "y": 2}, "ignore": ["$.id"], "rtol": 0.1, "model": "m"},
        {"request": {"a": 1}, "status": 400, "expect": {"error": "no"}},
        {"file": "cat.jpg", "headers": {"a": "b"}},
    ]
    first = load(tmp_path, "\n".join(map(json.dumps, lines)))
    answers = [{"id": 7, "y": 2}, {"error": "no, never"}, {"label": "cat"}]
    recorded = "".join(as_line(RequestResult(*pair)) for pair in zip(first, answers, strict=True))
    again = load(tmp_path, recorded)
    assert [request.expect for request in again] == [{"id": 7, "y": 2}, {"error": "no"}, {"label": "cat"}]
    for one, other in zip(first, again, strict=True):
        assert one._replace(expect=None) == other._replace(expect=None, where=one.where, file=one.file)
