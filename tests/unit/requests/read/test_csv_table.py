"""Tables: a request for each row."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivdocker.errors import UsageError
from ivdocker.requests.read.files import load
from tests.unit.requests.read.helpers import made, refused


def test_each_row_of_a_table_is_a_request(tmp_path: Path) -> None:
    content = '\ufeffx, name\r\n1.5,"a, ""b""\nc"\r\n\r\n-2,\r\n'
    found = list(load(made(tmp_path, "r.csv", content)))
    assert [dict(request.values or {}) for request in found] == [
        {"x": "1.5", "name": 'a, "b"\nc'},
        {"x": "-2", "name": ""},
    ]
    assert [request.where.rpartition(":")[2] for request in found] == ["3", "5"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("x,y\n", "r.csv: no row follows the header; write one below it"),
        ("x,y\n1,2\n3\n", "r.csv:3: the number of fields is 1, but the header has 2"),
        ("x,y\n1,2,3\n", "r.csv:2: the number of fields is 3, but the header has 2"),
        ("x,,y\n1,2,3\n", "r.csv:1: column 2 of the header has no name"),
        (",x\n0,1\n", "or leave it out with --ignore-columns 1"),
        ("1,2\n3\n", "r.csv:2: the number of fields is 1, but the first row has 2"),
        ("x,x\n1,2\n", "r.csv:1: the header names 'x' twice"),
        ('x\n"1\n', "r.csv:2: not valid CSV"),
        (b"x\n\xff\n", "r.csv:2: not UTF-8"),
        ("x\n" + "1" * 200_000, "r.csv:2: not valid CSV (field larger than field limit"),
    ],
)
def test_a_table_that_is_wrong_is_named_with_its_line(tmp_path: Path, content: bytes | str, words: str) -> None:
    assert words in refused(made(tmp_path, "r.csv", content))


def values(path: Path, *ignored: str) -> list[dict[str, object]]:
    return [dict(request.values or {}) for request in load(path, ignored)]


@pytest.mark.parametrize(
    ("content", "first"),
    [
        ("a;b\n1;2\n", {"a": "1", "b": "2"}),
        ("a\tb\n1\t2\n", {"a": "1", "b": "2"}),
        ("a|b\n1|2\n", {"a": "1", "b": "2"}),
        ('"a;x",b\n1,2\n', {"a;x": "1", "b": "2"}),
        ("a,b;c\n1,2\n", {"a": "1", "b;c": "2"}),
        ("text\nhello; world\n", {"text": "hello; world"}),
        ("0,1\n5,6\n", {"0": "5", "1": "6"}),
        ("name,2025,2026\nx,1,2\n", {"name": "x", "2025": "1", "2026": "2"}),
        ("1.5,2\n", {"": ("1.5", "2")}),
        ("1,5;2,5\n", {"": ("1,5", "2,5")}),
        ("-1e3,.5,setosa\n", {"": ("-1e3", ".5", "setosa")}),
        ("1,,2\n", {"": ("1", "", "2")}),
        ("7\n", {"": ("7",)}),
        ("\n\na;b\n1;2\n", {"a": "1", "b": "2"}),
    ],
)
def test_the_delimiter_and_the_header_are_recognised(tmp_path: Path, content: str, first: dict[str, object]) -> None:
    assert values(made(tmp_path, "r.csv", content))[0] == first
    assert values(made(tmp_path, "r.tsv", content))[0] == first


def test_columns_are_left_out_by_name_or_number(tmp_path: Path) -> None:
    named = made(tmp_path, "named.csv", ",a,a,2\n0,1,9,8\n")
    assert values(named, "1", "2", "3") == [{"a": "1"}]
    assert values(made(tmp_path, "bare.csv", "1.5,2,setosa\n"), "3") == [{"": ("1.5", "2")}]


@pytest.mark.parametrize(
    ("ignored", "words"),
    [
        (["c"], "--ignore-columns c: there is no such column (columns: a, b)"),
        (["3"], "there is no such column"),
        (["a", "b"], "leaves no column to send"),
    ],
)
def test_a_column_that_is_not_there_cannot_be_left_out(tmp_path: Path, ignored: list[str], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(made(tmp_path, "r.csv", "a,b\n1,2\n"), ignored)
    assert words in str(caught.value)
