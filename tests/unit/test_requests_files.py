"""The formats of requests files, and what is wrong in them."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import pty
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivdocker.errors import UsageError
from ivdocker.requests.model import ONLY_INPUT, Request, Requests
from ivdocker.requests.read import source
from ivdocker.requests.read.files import load


def made(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def one(path: Path) -> Request:
    (request,) = load(path)
    return request


def refused(path: Path | str) -> str:
    with pytest.raises(UsageError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def array(value: Any, **what: Any) -> bytes:
    stream = io.BytesIO()
    numpy.save(stream, numpy.array(value, **what))
    return stream.getvalue()


def arrays(**values: Any) -> bytes:
    stream = io.BytesIO()
    numpy.savez(stream, **values)
    return stream.getvalue()


# A line with more than a body


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
        ({"ignore": ["$.id"]}, "ignore without expect"),
        ({"file": "x"}, "either 'request' or 'file'"),
    ],
)
def test_what_cannot_be_in_a_line_is_named(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    path = made(tmp_path, "r.jsonl", "\n" + json.dumps({"request": {}, **more}))
    assert f"r.jsonl:2: {words}" in refused(path)


# Bodies that are files


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


# JSON, gzip, directories


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


def test_a_directorys_files_are_read_by_name(tmp_path: Path) -> None:
    made(tmp_path, "d/2.json", '[{"b": 1}, {"b": 2}]')
    made(tmp_path, "d/1.jsonl", '{"a": 1}\n')
    made(tmp_path, "d/3.png", b"png")
    made(tmp_path, "d/.hidden", "no request")
    made(tmp_path, "d/folder/x.jsonl", "no request")
    assert [request.body for request in load(tmp_path / "d")] == [{"a": 1}, {"b": 1}, {"b": 2}, b"png"]


def test_a_directory_without_requests_is_refused(tmp_path: Path) -> None:
    made(tmp_path, "d/.hidden", "")
    assert "holds no file" in refused(tmp_path / "d")


def test_an_empty_file_in_a_directory_is_named(tmp_path: Path) -> None:
    made(tmp_path, "d/1.jsonl", "{}")
    made(tmp_path, "d/2.jsonl", "")
    assert "2.jsonl' is empty" in refused(tmp_path / "d")


# Standard input


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


# Many


def test_many_requests_are_counted_and_read_one_at_a_time(tmp_path: Path) -> None:
    path = made(tmp_path, "r.jsonl", '{"a": 1}\n' * 10_000)
    found = load(path)
    assert (len(found), bool(found)) == (10_000, True)
    made(tmp_path, "r.jsonl", '{"a": 2}\n')
    assert [request.body for request in found] == [{"a": 2}]


def test_no_requests_are_none() -> None:
    assert not Requests(lambda: iter(()), 0)


# numpy


def test_a_npz_has_an_array_for_each_input(tmp_path: Path) -> None:
    content = arrays(
        x=numpy.array([[1.5, 2.5]], numpy.float32), n=numpy.array([3]), b=numpy.array([True]), s=numpy.array(["ü"])
    )
    assert one(made(tmp_path, "r.npz", content)).values == {"x": [[1.5, 2.5]], "n": [3], "b": [True], "s": ["ü"]}


def test_a_npy_is_for_the_only_input(tmp_path: Path) -> None:
    assert one(made(tmp_path, "r.npy", array([[1, 2]]))).values == {ONLY_INPUT: [[1, 2]]}


class Trap:
    def __reduce__(self) -> Any:
        return os.mkdir, ("sprung",)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("r.npy", b"", "is empty"),
        ("r.npy", b"no array at all", "not a numpy array"),
        ("r.npy", array([1.0])[:-1], "not a numpy array"),
        ("r.npy", array([1.0])[:40], "not a numpy array"),
        ("r.npy", array([Trap()], dtype=object), "not a numpy array that can be read (Object arrays cannot be loaded"),
        ("r.npy", pickle.dumps(Trap()), "not a numpy array"),
        ("r.npy", array([1j]), "an array of complex128 cannot be sent as JSON"),
        ("r.npy", array([b"a\0"]), "an array of |S2 cannot be sent as JSON"),
        ("r.npy", array(["2020-01-01"], dtype="datetime64[D]"), "an array of datetime64[D] cannot"),
        ("r.npz", b"", "is empty"),
        ("r.npz", b"no zip", "not a .npz file"),
        ("r.npz", arrays(x=[1.0])[:-30], "not a .npz file"),
        ("r.npz", arrays(x=numpy.array([Trap()], dtype=object)), "array 'x': not a numpy array"),
    ],
)
def test_what_is_no_array_is_refused_and_nothing_is_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in refused(made(tmp_path, name, content))
    assert not (tmp_path / "sprung").exists()


def test_a_npz_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as member:
        for _ in range(65):
            member.write(bytes(2**20))
    assert "longer than 64 MiB" in refused(path)


@settings(max_examples=50, deadline=None, database=None)
@given(data=st.binary(max_size=200), at=st.integers(0, 300), name=st.sampled_from(["any.npy", "any.npz", "any.csv"]))
def test_any_damage_is_a_usage_error(data: bytes, at: int, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = {"any.npy": array([[1.0, 2.0]]), "any.npz": arrays(x=[1.0]), "any.csv": b'a,b\n1,2\n"x",y\n'}[name]
    path = made(tmp_path_factory.getbasetemp(), name, whole[:at] + data + whole[at + len(data) :])
    try:
        assert len(load(path)) > 0
    except UsageError as error:
        assert name in str(error)  # noqa: PT017


def test_without_numpy_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    message = refused(made(tmp_path, "r.npy", array([1.0])))
    assert "pip install 'ivdocker[numpy]'" in message


# CSV


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
        ("x,y\n", "is empty"),
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
