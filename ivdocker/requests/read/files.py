"""Reads the requests that a user names: a file of any known format, a directory of such files, or standard input."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ivdocker.errors import UsageError
from ivdocker.requests.formats import tfrecord
from ivdocker.requests.model import Request, Requests
from ivdocker.requests.read import arrays, body_file, csv_table, json_files, source, tf_example
from ivdocker.requests.read.jsonl_line import request_of
from ivdocker.requests.read.source import Source

Reader = Callable[[Source], Iterator[Request]]

_READERS: dict[str, Reader] = {
    ".jsonl": json_files.read_lines,
    ".ndjson": json_files.read_lines,
    ".txt": json_files.read_lines,
    "": json_files.read_lines,
    ".json": json_files.read_file,
    ".tfrecord": tf_example.read,
    ".tfrecords": tf_example.read,
    ".npy": arrays.read_npy,
    ".npz": arrays.read_npz,
    ".csv": csv_table.read,
}
"""The reader for each file name ending, without ``.gz``. A file with any other ending is one request body."""

_CERTAIN = {".jsonl", ".ndjson", ".json", ".npy", ".npz", ".csv", ".tfrecord", ".tfrecords"}
"""Endings that name the format. A file with any other ending may be a TFRecord file, so its first bytes decide."""


def open_requests(requests: str | os.PathLike[str] | list[Any]) -> Requests:
    """The requests of a path (see :func:`load`) or of a list of bodies. Raises UsageError."""
    return of_list(requests) if isinstance(requests, list) else load(requests)


def of_list(bodies: Sequence[Any]) -> Requests:
    """Each item is what a line of a requests file may hold, or the bytes of a body. Raises UsageError."""
    if not bodies:
        raise UsageError("the list of requests is empty; give at least one request body")
    found = [_of_item(item, f"request {number}") for number, item in enumerate(bodies, 1)]
    return Requests(lambda: iter(found), len(found))


def _of_item(item: Any, where: str) -> Request:
    if isinstance(item, bytes):
        return Request(item, where)
    try:
        text = json.dumps(item)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{where}: cannot be written as JSON ({error}); give what json.dumps takes, or bytes"
        ) from None
    return request_of(json.loads(text), where, "")


def load(path: str | os.PathLike[str]) -> Requests:
    """Return the requests in ``path``: a file, a directory of files, or ``-`` for standard input.

    All requests are read once now, so that every mistake in them is found now. They are read again, one at a time,
    when they are sent. Raises UsageError, which names the file and the line.
    """
    name = os.fspath(path)
    if name == "-":
        return _load_spool(*source.spool_stdin())
    if os.path.isdir(name):
        return _read_once(_list_directory(name))
    if not source.is_regular(name):
        return _load_spool(*source.spool_pipe(name))
    return _read_once([source.file_source(name)])


def _load_spool(spool: Source, close: Callable[[], None]) -> Requests:
    try:
        return _read_once([spool], close)
    except BaseException:
        close()
        raise


def _read_once(sources: Sequence[Source], close: Callable[[], object] = lambda: None) -> Requests:
    # The format of each file is decided once, so that it cannot change between the rounds of sending.
    known = [(each, _choose_reader(each)) for each in sources]
    count = sum(_count(each, reader) for each, reader in known)
    return Requests(lambda: (request for each, reader in known for request in reader(each)), count, close)


def _count(each: Source, reader: Reader) -> int:
    count = sum(1 for _ in reader(each))
    if not count:
        raise UsageError(
            f"requests file {each.name!r} is empty; write at least one request, such as one JSON request body per line"
        )
    return count


def _list_directory(name: str) -> list[Source]:
    """Return the directory's files, sorted by name. Hidden files (``.name``) and folders are left out."""
    with source.cannot_read(name):
        entries = sorted(entry.path for entry in os.scandir(name) if entry.is_file() and entry.name[0] != ".")
    if not entries:
        raise UsageError(f"requests directory {name!r} holds no file; put at least one requests file into it")
    return [source.file_source(path) for path in entries]


def _choose_reader(each: Source) -> Reader:
    ending = os.path.splitext(each.name.lower().removesuffix(".gz"))[1]
    if ending not in _CERTAIN and tfrecord.is_record_header(_read_head(each)):
        return tf_example.read
    return _READERS.get(ending, body_file.read)


def _read_head(each: Source) -> bytes:
    with source.open_unpacked(each) as stream:
        return source.read_piece(stream, each.name, tfrecord.HEADER_BYTES)
