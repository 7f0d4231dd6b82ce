"""Tables: a request for each row."""

from __future__ import annotations

from pathlib import Path

import pytest

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
        ("x,y\n", "has a header and no row; write each request as a row"),
        ("x,y\n1,2\n3\n", "r.csv:3: the number of fields is 1, but the header has 2"),
        ("x,y\n1,2,3\n", "r.csv:2: the number of fields is 3, but the header has 2"),
        ("x,,y\n1,2,3\n", "r.csv:1: column 2 of the header has no name"),
        ("x,x\n1,2\n", "r.csv:1: the header names 'x' twice"),
        ('x\n"1\n', "r.csv:2: not valid CSV"),
        (b"x\n\xff\n", "r.csv:2: not UTF-8"),
        ("x\n" + "1" * 200_000, "r.csv:2: not valid CSV (field larger than field limit"),
    ],
)
def test_a_table_that_is_wrong_is_named_with_its_line(tmp_path: Path, content: bytes | str, words: str) -> None:
    assert words in refused(made(tmp_path, "r.csv", content))
