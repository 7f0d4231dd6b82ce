"""Arrays of numpy, and what is none."""

from __future__ import annotations

import os
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivdocker.errors import UsageError
from ivdocker.requests.model import ONLY_INPUT
from ivdocker.requests.read.files import load
from tests.unit.requests.read.helpers import array, arrays, made, one, refused


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
    assert "pip install numpy" in message
