"""Command lines: what docker is told, and what never stands in them."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivdocker.engine import argv
from ivdocker.engine.argv import ContainerSpec, Mount
from ivdocker.engine.dialect import dialect_of
from tests.unit.engine.helpers import options_of


def spec_with(**changes: Any) -> ContainerSpec:
    return ContainerSpec("image:1", "ivdocker-x-1", **changes)


def test_the_plainest_run_is_detached_hardened_and_never_pulls() -> None:
    assert options_of(argv.run(spec_with())) == []


def test_no_run_removes_its_container_by_itself() -> None:
    """Logs and exit code of a server that crashed are evidence."""
    assert "--rm" not in argv.run(spec_with())


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (spec_with(labels={"ivdocker.session": "s 1"}), ["--label=ivdocker.session=s 1"]),
        (spec_with(env={"MODEL_NAME": "a b"}), ["--env=MODEL_NAME=a b"]),
        (spec_with(env={"EMPTY": ""}), ["--env=EMPTY="]),
        (spec_with(secret_env={"TOKEN": "hunter2"}), ["--env=TOKEN"]),
        (spec_with(env_files=("/a b/env", "-")), ["--env-file=/a b/env", "--env-file=-"]),
        (spec_with(ports=(8500, 8501)), ["--publish=127.0.0.1::8500", "--publish=127.0.0.1::8501"]),
        (spec_with(ports=(8501,), publish_address="0.0.0.0"), ["--publish=0.0.0.0::8501"]),
        (spec_with(ports=(8501,), publish_address="::1"), ["--publish=[::1]::8501"]),
        (spec_with(flags=("--memory=2g", "--cap-drop=ALL")), ["--memory=2g", "--cap-drop=ALL"]),
    ],
)
def test_what_is_asked_for_stands_between_run_and_the_image(spec: ContainerSpec, words: list[str]) -> None:
    assert options_of(argv.run(spec)) == words


def test_the_command_comes_after_the_image() -> None:
    assert argv.run(spec_with(command=("serve", "--port=1")))[-3:] == ["image:1", "serve", "--port=1"]


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("/models/m", "type=bind,source=/models/m,target=/t,readonly"),
        ("/my models/m", "type=bind,source=/my models/m,target=/t,readonly"),
        ("/models/a,b", 'type=bind,"source=/models/a,b",target=/t,readonly'),
        ('/models/the "best"', 'type=bind,"source=/models/the ""best""",target=/t,readonly'),
        ("/models/two\nlines", 'type=bind,"source=/models/two\nlines",target=/t,readonly'),
        ("/modèles/模型", "type=bind,source=/modèles/模型,target=/t,readonly"),
        ("/models/it's $HOME;`x`", "type=bind,source=/models/it's $HOME;`x`,target=/t,readonly"),
    ],
)
def test_a_mount_is_read_only_and_quoted_as_csv(source: str, value: str) -> None:
    assert f"--mount={value}" in argv.run(spec_with(mounts=(Mount(source, "/t"),)))


@settings(max_examples=50, deadline=None, database=None)
@given(st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), min_size=1))
def test_any_path_comes_back_out_of_the_mount_as_csv_reads_it(path: str) -> None:
    word = next(w for w in argv.run(spec_with(mounts=(Mount(f"/{path}", "/t"),))) if w.startswith("--mount="))
    rows = list(csv.reader(io.StringIO(word.removeprefix("--mount="), newline=""), strict=True))
    assert rows == [["type=bind", f"source=/{path}", "target=/t", "readonly"]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (argv.inspect("n"), ["container", "inspect", "n"]),
        (argv.logs("n"), ["logs", "--follow", "n"]),
        (argv.stop(dialect_of("docker"), "n", 10), ["stop", "--time=10", "n"]),
        (argv.stop(dialect_of("podman"), "n", 0), ["stop", "--time=0", "n"]),
        (argv.remove("n"), ["rm", "--force", "--volumes", "n"]),
        (argv.pull("image:1", None), ["pull", "image:1"]),
        (argv.pull("image:1", "linux/arm64"), ["pull", "--platform=linux/arm64", "image:1"]),
        (argv.image_inspect("image:1"), ["image", "inspect", "image:1"]),
        (argv.version(), ["version", "--format={{json .}}"]),
    ],
)
def test_each_verb_has_its_command_line(words: list[str], expected: list[str]) -> None:
    assert words == expected
