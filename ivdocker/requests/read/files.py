"""Reads the requests that a user names: a file of any known format, a directory of them, or standard input."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ivdocker.errors import UsageError
from ivdocker.requests.formats import tfrecord
from ivdocker.requests.model import Request, Requests
from ivdocker.requests.read import arrays, body_file, csv_table, json_files, source, tf_example
from ivdocker.requests.read.jsonl_line import request_of
from ivdocker.requests.read.source import Source

_READERS: dict[str, Callable[[Source], Iterator[Request]]] = {
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
"""By the file's ending, ``.gz`` taken off; any other ending is that of a body."""

_SURE = {".jsonl", ".ndjson", ".json", ".npy", ".npz", ".csv", ".tfrecord", ".tfrecords"}


def open_requests(
    requests: str | os.PathLike[str] | list[Any] | None,
) -> AbstractContextManager[Requests | Sequence[Request]]:
    """The requests of a path (see :func:`load`) or of a list of bodies, none for None. Raises UsageError."""
    if requests is None:
        return nullcontext(())
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
    """The requests in ``path``: a file, a directory, ``-`` for standard input.

    All are read once, so that what is wrong shows now, and once more each time they are sent. Raises UsageError, which
    names file and line.
    """
    name = os.fspath(path)
    if name == "-":
        return _spooled(*source.stdin())
    if os.path.isdir(name):
        return _checked(_in_directory(name))
    if not source.is_regular(name):
        return _spooled(*source.pipe(name))
    return _checked([source.of_file(name)])


def _spooled(spool: Source, close: Callable[[], None]) -> Requests:
    try:
        return _checked([spool], close)
    except BaseException:
        close()
        raise


def _checked(sources: Sequence[Source], close: Callable[[], object] = lambda: None) -> Requests:
    # Looked at once: what a file holds is not to be told anew while it is sent.
    known = [(each, _reader(each)) for each in sources]
    count = sum(_count(each, reader) for each, reader in known)
    return Requests(lambda: (request for each, reader in known for request in reader(each)), count, close)


def _count(each: Source, reader: Callable[[Source], Iterator[Request]]) -> int:
    count = sum(1 for _ in reader(each))
    if not count:
        raise UsageError(f"requests file {each.name!r} is empty; write one JSON request body a line")
    return count


def _in_directory(name: str) -> list[Source]:
    """Its files by name, without those whose name begins with a dot; folders in it are not entered."""
    try:
        entries = sorted(entry.path for entry in os.scandir(name) if entry.is_file() and entry.name[0] != ".")
    except OSError as error:
        raise source.unreadable(name, error) from None
    if not entries:
        raise UsageError(f"requests directory {name!r} holds no file; put requests into it, one or more a file")
    return [source.of_file(path) for path in entries]


def _reader(each: Source) -> Callable[[Source], Iterator[Request]]:
    ending = os.path.splitext(each.name.lower().removesuffix(".gz"))[1]
    if ending not in _SURE and tfrecord.begins(_head(each)):
        return tf_example.read
    return _READERS.get(ending, body_file.read)


def _head(each: Source) -> bytes:
    with source.reading(each) as stream:
        return source.piece(stream, each.name, tfrecord.HEADER_BYTES)
