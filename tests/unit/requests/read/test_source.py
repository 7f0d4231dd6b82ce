"""Where requests come from: files, gzip, pipes, standard input."""

from __future__ import annotations

import gzip
import io
import os
import pty
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ivdocker.requests.read import source
from ivdocker.requests.read.files import load
from tests.unit.requests.read.helpers import made, one, refused


def test_gzip_is_unpacked_by_its_content(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl", "c.gz", "d"):
        assert one(made(tmp_path, name, gzip.compress(b'{"a": 1}\n'))).body == {"a": 1}


@pytest.mark.parametrize("name", ["r.jsonl.gz", "r.csv.gz", "r.npz.gz", "r.gz"])
@pytest.mark.parametrize("size", [1, 8, 20])
def test_gzip_that_is_cut_is_refused(tmp_path: Path, name: str, size: int) -> None:
    packed = gzip.compress(b'{"a": 1}\n' * 5)
    message = refused(made(tmp_path, name, packed[:-size]))
    assert "the gzip data is cut short" in message
    assert name in message


def test_gzip_that_is_damaged_is_refused(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b'{"a": 1}\n' * 50))
    packed[-8] ^= 1
    assert "the gzip data is damaged" in refused(made(tmp_path, "r.jsonl.gz", bytes(packed)))


def test_a_line_that_has_no_end_is_not_read_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gzip bomb: a kilobyte that becomes a megabyte, where a line may have 64 KiB."""
    monkeypatch.setattr(source, "PIECE_LIMIT", 65536)
    path = made(tmp_path, "r.jsonl.gz", gzip.compress(b"[" * 2**20))
    assert "r.jsonl.gz:1: longer than" in refused(path)


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return put


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_can_be_read_many_times(stdin: Any, pack: Any) -> None:
    stdin(pack(b'{"a": 1}\n{"a": 2}\n'))
    with load("-") as found:
        first, second = iter(found), iter(found)
        assert [next(first).body, next(second).body, next(first).body] == [{"a": 1}, {"a": 1}, {"a": 2}]
        assert [request.where for request in found] == ["<stdin>:1", "<stdin>:2"]


@pytest.mark.parametrize(("content", "words"), [(b"", "'<stdin>' is empty"), (b"{}\nx", "<stdin>:2: not valid JSON")])
def test_standard_input_that_is_wrong_is_named(stdin: Any, content: bytes, words: str) -> None:
    stdin(content)
    assert words in refused("-")


def test_a_terminal_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = pty.openpty()
    with open(follower, encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        assert "is a terminal" in refused("-")
    os.close(leader)


def test_a_pipe_with_a_name_can_be_read_many_times(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b'{"a": 1}\n',))
    writer.start()
    with load(tmp_path / "pipe") as found:
        assert [request.body for request in [*found, *found]] == [{"a": 1}] * 2
    writer.join()
