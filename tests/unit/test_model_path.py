"""What a user may call the model, and what is said when it is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath, absolute, is_version, locate


def test_a_folder_is_located_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "m").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for given in ("models/m", "./models/../models/m/", Path("models") / "m"):
        assert locate(given) == ModelPath(str(tmp_path / "models" / "m"))


def test_a_folder_may_be_given_as_bytes_or_below_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in ("~/m", b"~/m/", Path("~/m"), os.fsencode(tmp_path / "m"), FsPath(b"~/m"), FsPath("~/m")):
        assert locate(given) == ModelPath(str(tmp_path / "m"))


class FsPath:
    def __init__(self, path: str | bytes) -> None:
        self.path = path

    def __fspath__(self) -> Any:
        return self.path


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("m", "/w/m"),
        ("../m/", "/m"),
        (b"m", "/w/m"),
        (Path("m"), "/w/m"),
        ("/x/./m", "/x/m"),
        ("gs://bucket/m/", "gs://bucket/m/"),
        (b"s3://bucket/m", "s3://bucket/m"),
        ("file:///m", "file:///m"),
        ("", ""),
    ],
)
def test_a_path_is_made_absolute_and_looked_at_by_nobody(
    given: Any, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getcwd", lambda: "/w")
    assert absolute(given, "model_path") == found


@pytest.mark.parametrize("given", [None, 3, 1.5, ["m"], FsPath(3)])  # type: ignore[arg-type]
def test_what_is_no_path_is_named(given: Any) -> None:
    with pytest.raises(UsageError, match=rf"^model must be a path .*, not {type(given).__name__} "):
        locate(given)


@pytest.mark.parametrize("name", ["with space", "a,b", 'the "best"', "two\nlines", "模型", "it's $HOME"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert locate(tmp_path / name).path == tmp_path / name


def test_a_file_uri_is_a_folder_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "with space").mkdir()
    found = locate((tmp_path / "with space").as_uri())
    assert found == ModelPath(str(tmp_path / "with space"))


@pytest.mark.parametrize("uri", ["gs://bucket/m/1", "s3://bucket/m", "https://h/m", "hdfs://h:9000/m"])
def test_a_uri_is_left_to_the_server(uri: str) -> None:
    assert locate(uri) == ModelPath(uri, is_uri=True)


@pytest.mark.parametrize("given", ["", "no/such/model", "gs:/bucket", "a\0b"])
def test_a_model_that_is_not_there_is_named(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no such model"):
        locate(given)


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(UsageError, match="is a file; give the folder it is in"):
        locate(tmp_path / "saved_model.pb")


def test_a_link_into_nowhere_says_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "m").symlink_to("/no/such/place")
    with pytest.raises(UsageError, match="symbolic link to '/no/such/place', which does not exist"):
        locate(tmp_path / "m")


def test_a_link_to_a_folder_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "m").symlink_to("real")
    assert locate(tmp_path / "m").default_name == "m"


def test_a_path_that_is_no_utf8_is_refused_because_docker_cannot_mount_it(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/m\xff"
    os.mkdir(name)
    with pytest.raises(UsageError, match="not valid UTF-8") as caught:
        locate(os.fsdecode(name))
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("location", "name", "version"),
    [
        ("/models/m", "m", None),
        ("/models/m/3", "m", "3"),
        ("/models/m/0003/", "m", "0003"),
        ("/models/m-1.2_x", "m-1.2_x", None),
        ("/models/with space", "model", None),
        ("/models/模型", "model", None),
        ("/models/.hidden", "model", None),
        ("/models/m/v3", "v3", None),
        ("/models/m/²", "model", None),
        ("/3", "model", "3"),
        ("/", "model", None),
        ("gs://bucket/m/7", "m", "7"),
        ("gs://bucket/m/", "m", None),
        ("gs://bucket", "bucket", None),
    ],
)
def test_name_and_version_come_from_the_path(location: str, name: str, version: str | None) -> None:
    model = ModelPath(location)
    assert (model.default_name, model.version) == (name, version)


@pytest.mark.parametrize(
    ("name", "answer"), [("1", True), ("007", True), ("", False), ("1a", False), ("-1", False), ("٣", False)]
)
def test_a_version_is_a_number(name: str, answer: bool) -> None:
    assert is_version(name) is answer


def test_the_folders_of_a_model_are_sorted_and_files_are_none(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    assert ModelPath(str(tmp_path)).folders() == [ModelPath(f"{tmp_path}/a"), ModelPath(f"{tmp_path}/b")]


def test_a_folder_that_cannot_be_listed_has_no_folders() -> None:
    assert ModelPath("/no/such/folder").folders() == []
