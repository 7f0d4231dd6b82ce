"""numpy's files: .npz with an array for each input, .npy for a model of one input. Needs the extra ``numpy``."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from ivdocker.errors import UsageError
from ivdocker.requests.model import ONLY_INPUT, Request
from ivdocker.requests.read.source import PIECE_LIMIT, Source, open_unpacked, read_piece, too_long
from ivdocker.text import one_line

_JSON_KINDS = "biufU"
"""numpy's letters for bool, int, unsigned, float and str. Not bytes: numpy cuts off their trailing zeros."""


def read_npy(source: Source) -> Iterator[Request]:
    """One request: the array as it stands, its first dimension the batch. Raises UsageError."""
    data = _content(source)
    if data:
        yield Request(None, source.name, values={ONLY_INPUT: _values(data, source.name)})


def read_npz(source: Source) -> Iterator[Request]:
    """One request: each array as it stands, for the input of its name. Raises UsageError."""
    data = _content(source)
    if not data:
        return
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > PIECE_LIMIT:
                raise too_long(source.name)
            contents = {member.filename.removesuffix(".npy"): archive.read(member) for member in members}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{source.name}: no .npz file, or a damaged one ({error}); copy it anew") from None
    values = {name: _values(content, f"{source.name}: array {name!r}") for name, content in contents.items()}
    if values:
        yield Request(None, source.name, values=values)


def _content(source: Source) -> bytes:
    with open_unpacked(source) as stream:
        return read_piece(stream, source.name)


def _values(data: bytes, where: str) -> Any:
    """Nested lists of the array. Raises UsageError."""
    try:
        import numpy
    except ImportError:
        raise UsageError(f"{where}: reading it needs numpy; pip install 'ivdocker[numpy]'") from None
    try:
        array = numpy.lib.format.read_array(BytesIO(data), allow_pickle=False)
    except Exception as error:  # noqa: BLE001 - of a damaged header, whatever Python's tokenizer raises comes through
        reason = one_line(str(error))[:200]
        raise UsageError(f"{where}: no array of numpy that can be read ({reason})") from None
    if array.dtype.kind not in _JSON_KINDS:
        raise UsageError(f"{where}: an array of {array.dtype} cannot be sent as JSON; make it numbers, bool or str")
    return array.tolist()
