"""Bodies that are files of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.requests.read.helpers import made, one, refused


def test_a_lines_body_may_be_a_file_beside_it(tmp_path: Path) -> None:
    made(tmp_path, "in/images/cat.jpg", b"\xff\xd8cat")
    found = one(made(tmp_path, "in/r.jsonl", '{"file": "images/cat.jpg", "expect": {"label": "cat"}}'))
    assert (found.body, found.content_type, found.expect) == (b"\xff\xd8cat", "image/jpeg", {"label": "cat"})
    assert found.request_body.body == b"\xff\xd8cat"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"file": "nosuch.jpg"}', "no such file"),
        ('{"file": "."}', "no such file"),
        ('{"file": "empty"}', "is empty"),
        ('{"file": 5}', "file must be a non-empty string"),
        ('{"file": "a\\u0000b"}', "file must be a non-empty string"),
        ('{"file": "x", "prompt": "y"}', "unknown key 'prompt' beside 'file'"),
    ],
)
def test_a_body_file_that_cannot_be_is_named_with_its_line(tmp_path: Path, line: str, words: str) -> None:
    made(tmp_path, "empty", "")
    message = refused(made(tmp_path, "r.jsonl", line))
    assert "r.jsonl:1" in message
    assert words in message


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("cat.png", "image/png"), ("x.bin", "application/octet-stream"), ("a.unheardof", None)],
)
def test_a_file_of_another_ending_is_a_body(tmp_path: Path, name: str, content_type: str | None) -> None:
    found = one(made(tmp_path, name, b"\0\1\2"))
    assert (found.body, found.content_type, found.where) == (b"\0\1\2", content_type, str(tmp_path / name))


def test_bytes_are_shown_by_their_number(tmp_path: Path) -> None:
    assert one(made(tmp_path, "cat.png", b"abc")).shown == "3 bytes of image/png"
