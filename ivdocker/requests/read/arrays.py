"""numpy's file formats: .npz with an array for each input, .npy for a model with one input. Needs the extra numpy."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from ivdocker.errors import UsageError
from ivdocker.requests.model import ONLY_INPUT, Request
from ivdocker.requests.read.source import PIECE_LIMIT, Source, read_whole, too_long
from ivdocker.text import one_line

_JSON_KINDS = "biufU"
"""numpy's letters for the types bool, int, unsigned int, float and str. Bytes are left out, because numpy removes
zero bytes at their end."""


def read_npy(source: Source) -> Iterator[Request]:
    """Yield one request with the array as it is; its first dimension is the batch. Raises UsageError."""
    data = read_whole(source)
    if data:
        yield Request(None, source.name, values={ONLY_INPUT: _read_array(data, source.name)})


def read_npz(source: Source) -> Iterator[Request]:
    """Yield one request with each array as it is, for the input of the same name. Raises UsageError."""
    data = read_whole(source)
    if not data:
        return
    contents = _unzip(data, source.name)
    values = {name: _read_array(content, f"{source.name}: array {name!r}") for name, content in contents.items()}
    if values:
        yield Request(None, source.name, values=values)


def _unzip(data: bytes, where: str) -> dict[str, bytes]:
    """Return the content of each file in the archive, by its name without ``.npy``. Raises UsageError."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > PIECE_LIMIT:
                raise too_long(where)
            return {member.filename.removesuffix(".npy"): archive.read(member) for member in members}
    except UsageError:
        raise
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise UsageError(f"{where}: not a .npz file, or a damaged one ({error}); copy it again") from None


def _read_array(data: bytes, where: str) -> Any:
    """Return the array as nested lists. Nothing is unpickled. Raises UsageError."""
    try:
        import numpy
    except ImportError:
        raise UsageError(f"{where}: numpy is needed to read it; pip install numpy") from None
    try:
        array = numpy.lib.format.read_array(BytesIO(data), allow_pickle=False)
    except Exception as error:  # noqa: BLE001 - a damaged header can raise anything that Python's tokenizer raises
        reason = one_line(str(error), 200)
        raise UsageError(f"{where}: not a numpy array that can be read ({reason})") from None
    if array.dtype.kind not in _JSON_KINDS:
        raise UsageError(
            f"{where}: an array of {array.dtype} cannot be sent as JSON; convert it to numbers, bool or str"
        )
    return array.tolist()
