"""Answers are held against what was expected."""

from __future__ import annotations

import contextlib
import copy
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivdocker.requests.judge.compare import first_difference, parse_path
from ivdocker.requests.model import ATOL, RTOL
from tests.unit.json_values import JSON_VALUES


def difference(expected: Any, found: Any, rtol: float = RTOL, atol: float = ATOL) -> str | None:
    seen = first_difference(expected, found, rtol, atol)
    return str(seen) if seen else None


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
