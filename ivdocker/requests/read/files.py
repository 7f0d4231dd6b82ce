"""Reads the requests that a user names: a file of any known format, a directory of such files, or standard input."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from ivdocker.errors import UsageError
from ivdocker.requests.formats import tfrecord
from ivdocker.requests.model import Request, Requests
from ivdocker.requests.read import arrays, body_file, csv_table, json_files, source, tf_example
from ivdocker.requests.read.jsonl_line import request_of
from ivdocker.requests.read.source import Source

_log = logging.getLogger(__name__)

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
    ".tsv": csv_table.read,
}
"""The reader for each file name ending, without ``.gz``. A file with any other ending is one request body."""

_CERTAIN = {".jsonl", ".ndjson", ".json", ".npy", ".npz", ".csv", ".tsv", ".tfrecord", ".tfrecords"}
"""Endings that name the format. A file with any other ending may be a TFRecord file, so its first bytes decide."""


_TABLES = {".parquet", ".feather", ".arrow", ".orc", ".avro", ".xlsx", ".xls", ".ods", ".pkl", ".pickle", ".joblib"}
"""Endings of tables and pickles that are not read. No server that ivdocker knows takes them as they are."""

_NO_REQUESTS = re.compile(
    r"(readme|licen[cs]e|copying|notice|changelog|makefile)(\.txt)?|.*\.(md|rst|adoc|py|sh|ipynb)"
)

"""Names of files beside requests that are about them, such as README.md or the script that wrote them."""


def open_requests(requests: str | os.PathLike[str] | list[Any], ignore_columns: Sequence[str] = ()) -> Requests:
    """The requests of a path (see :func:`load`) or of a list of bodies. Raises UsageError."""
    return of_list(requests) if isinstance(requests, list) else load(requests, ignore_columns)


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


def load(path: str | os.PathLike[str], ignore_columns: Sequence[str] = ()) -> Requests:
    """Return the requests in ``path``: a file, a directory of files, or ``-`` for standard input.

    ``ignore_columns``: columns of CSV files that are not sent, by their names or numbers.

    All requests are read once now, so that every mistake in them is found now. They are read again, one at a time,
    when they are sent. Raises UsageError, which names the file and the line.
    """
    name = os.fspath(path)
    choose = partial(_choose_reader, ignore_columns=ignore_columns)
    if name == "-":
        return _load_spool(*source.spool_stdin(), choose)
    if os.path.isdir(name):
        return _read_once(_list_directory(name), choose)
    if not source.is_regular(name):
        return _load_spool(*source.spool_pipe(name), choose)
    return _read_once([source.file_source(name)], choose)


def _load_spool(spool: Source, close: Callable[[], None], choose: Callable[[Source], Reader]) -> Requests:
    try:
        return _read_once([spool], choose, close)
    except BaseException:
        close()
        raise


def _read_once(
    sources: Sequence[Source], choose: Callable[[Source], Reader], close: Callable[[], object] = lambda: None
) -> Requests:
    # The format of each file is decided once, so that it cannot change between the rounds of sending.
    known = [(each, choose(each)) for each in sources]
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
    """Return the directory's files, sorted by name. Hidden files (``.name``) and folders are left out, and with a
    warning the files that are about requests."""
    with source.cannot_read(name):
        entries = sorted(entry.path for entry in os.scandir(name) if entry.is_file() and entry.name[0] != ".")
    left_out = [path for path in entries if _NO_REQUESTS.fullmatch(os.path.basename(path).lower())]
    found = [path for path in entries if path not in left_out]
    if not found:
        raise UsageError(f"requests directory {name!r} holds no requests file; put at least one into it")
    for path in left_out:
        _log.warning("%s is no request and is left out; give it alone if it is one", path)
    return [source.file_source(path) for path in found]


def _choose_reader(each: Source, ignore_columns: Sequence[str]) -> Reader:
    ending = os.path.splitext(each.name.lower().removesuffix(".gz"))[1]
    if ending in _TABLES:
        raise UsageError(
            f"requests file {each.name!r}: {ending} is not read; write it as .csv, or as .jsonl with one request body"
            " per line (a server that takes such files gets one by a line with 'file' and 'content_type')"
        )
    if _READERS.get(ending) is csv_table.read:
        return partial(csv_table.read, ignored=ignore_columns)
    if ending not in _CERTAIN and tfrecord.is_record_header(_read_head(each)):
        return tf_example.read
    return _READERS.get(ending, body_file.read)


def _read_head(each: Source) -> bytes:
    with source.open_unpacked(each) as stream:
        return source.read_piece(stream, each.name, tfrecord.HEADER_BYTES)
