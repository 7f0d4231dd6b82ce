"""Requests files and directories of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivdocker.errors import UsageError
from ivdocker.requests.read import files
from ivdocker.requests.read.files import load
from tests.unit.requests.read.helpers import made, refused


def test_a_requests_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read requests file '.*missing': No such file"):
        files.load(tmp_path / "missing")


def test_a_directorys_files_are_read_by_name(tmp_path: Path) -> None:
    made(tmp_path, "d/2.json", '[{"b": 1}, {"b": 2}]')
    made(tmp_path, "d/1.jsonl", '{"a": 1}\n')
    made(tmp_path, "d/3.png", b"png")
    made(tmp_path, "d/.hidden", "no request")
    made(tmp_path, "d/folder/x.jsonl", "no request")
    assert [request.body for request in load(tmp_path / "d")] == [{"a": 1}, {"b": 1}, {"b": 2}, b"png"]


def test_a_directory_without_requests_is_refused(tmp_path: Path) -> None:
    made(tmp_path, "d/.hidden", "")
    assert "holds no requests file" in refused(tmp_path / "d")


def test_files_about_requests_are_left_out_of_a_directory_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("README.md", "readme", "LICENSE.txt", "make.py", "notes.rst"):
        made(tmp_path, f"d/{name}", "How these requests were made")
    made(tmp_path, "d/readme.jsonl", '{"a": 1}\n')
    assert [request.body for request in load(tmp_path / "d")] == [{"a": 1}]
    assert "README.md is no request and is left out" in caplog.text
    assert len(caplog.records) == 5


@pytest.mark.parametrize("name", ["d/data.parquet", "d/data.xlsx", "d/data.pkl", "d/data.feather"])
def test_a_table_that_is_not_read_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, name, b"PAR1")
    for given in (path, path.parent):
        assert "is not read; write it as .csv, or as .jsonl" in refused(given)


def test_an_empty_file_in_a_directory_is_named(tmp_path: Path) -> None:
    made(tmp_path, "d/1.jsonl", "{}")
    made(tmp_path, "d/2.jsonl", "")
    assert "2.jsonl' is empty" in refused(tmp_path / "d")


def test_many_requests_are_counted_and_read_one_at_a_time(tmp_path: Path) -> None:
    path = made(tmp_path, "r.jsonl", '{"a": 1}\n' * 10_000)
    found = load(path)
    assert (len(found), bool(found)) == (10_000, True)
    made(tmp_path, "r.jsonl", '{"a": 2}\n')
    assert [request.body for request in found] == [{"a": 2}]
