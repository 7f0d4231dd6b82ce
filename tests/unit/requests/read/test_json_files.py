"""JSON files: one request, or a list of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivdocker.requests.read.files import load
from tests.unit.requests.read.helpers import made, one, refused


def test_a_json_file_is_one_request_or_a_list_of_them(tmp_path: Path) -> None:
    assert one(made(tmp_path, "a.json", '{\n "instances": [1]\n}')).body == {"instances": [1]}
    found = list(load(made(tmp_path, "b.json", '[{"a": 1},\n {"request": {"b": 2}, "status": 400}]')))
    assert [(request.body, request.status) for request in found] == [({"a": 1}, None), ({"b": 2}, 400)]
    assert found[1].where.endswith("b.json: request 2")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("[]", "is empty"),
        ('{"a": 1}\n{"b": 2}', "use the ending .jsonl"),
        ("[{}, 5]", "b.json: request 2: a request body must be a JSON object, not 5"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_a_json_file_that_is_wrong_is_named(tmp_path: Path, content: str, words: str) -> None:
    assert words in refused(made(tmp_path, "b.json", content))
