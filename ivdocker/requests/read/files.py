"""Reads the requests that a user names: a file of any known format, a directory of them, or standard input."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from ivdocker.errors import UsageError
from ivdocker.requests.formats import tfrecord
from ivdocker.requests.model import Request, Requests
from ivdocker.requests.read import arrays, body_file, csv_table, json_files, source, tf_example
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


def load(path: str | os.PathLike[str]) -> Requests:
    """The requests in ``path``: a file, a directory, ``-`` for standard input.

    All are read once, so that what is wrong shows now, and once more each time they are sent. Raises UsageError, which
    names file and line.
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
    # Looked at once: what a file holds is not to be told anew while it is sent.
    known = [(each, _choose_reader(each)) for each in sources]
    count = sum(_count(each, reader) for each, reader in known)
    return Requests(lambda: (request for each, reader in known for request in reader(each)), count, close)


def _count(each: Source, reader: Callable[[Source], Iterator[Request]]) -> int:
    count = sum(1 for _ in reader(each))
    if not count:
        raise UsageError(f"requests file {each.name!r} is empty; write one JSON request body a line")
    return count


def _list_directory(name: str) -> list[Source]:
    """Its files by name, without those whose name begins with a dot; folders in it are not entered."""
    try:
        entries = sorted(entry.path for entry in os.scandir(name) if entry.is_file() and entry.name[0] != ".")
    except OSError as error:
        raise source.unreadable(name, error) from None
    if not entries:
        raise UsageError(f"requests directory {name!r} holds no file; put requests into it, one or more a file")
    return [source.file_source(path) for path in entries]


def _choose_reader(each: Source) -> Callable[[Source], Iterator[Request]]:
    ending = os.path.splitext(each.name.lower().removesuffix(".gz"))[1]
    if ending not in _SURE and tfrecord.is_record_header(_read_head(each)):
        return tf_example.read
    return _READERS.get(ending, body_file.read)


def _read_head(each: Source) -> bytes:
    with source.open_unpacked(each) as stream:
        return source.read_piece(stream, each.name, tfrecord.HEADER_BYTES)
