"""Command lines: what docker is told, and what never stands in them."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivdocker.container.options import Identity, RunOptions, container_spec
from ivdocker.engine import argv
from ivdocker.engine.argv import ContainerSpec, Mount
from ivdocker.engine.dialect import dialect_of
from ivdocker.errors import UsageError
from ivdocker.validation import validate

FIXED = {"run", "--detach", "--pull=never", "--init", "--security-opt=no-new-privileges", "--name=ivdocker-x-1"}


def spec_with(**changes: Any) -> ContainerSpec:
    return ContainerSpec("image:1", "ivdocker-x-1", **changes)


def options_of(words: list[str]) -> list[str]:
    """What stands before the image beyond that which every run has."""
    assert words[0] == "run"
    before = words[: words.index("image:1")]
    assert set(before) >= FIXED
    return [word for word in before if word not in FIXED]


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


@pytest.mark.parametrize(
    ("engine", "name", "host_flag"),
    [
        ("docker", "docker", "--host"),
        ("podman", "podman", "--url"),
        ("/opt/bin/podman-remote", "podman", "--url"),
        ("/usr/local/bin/docker", "docker", "--host"),
        ("nerdctl", "docker", "--host"),
    ],
)
def test_an_engines_words_are_known_by_its_program(engine: str, name: str, host_flag: str) -> None:
    dialect = dialect_of(engine)
    assert (dialect.name, dialect.program, dialect.host_flag) == (name, engine, host_flag)


def spec_of(options: RunOptions, ports: tuple[int, ...] = (8501,), **params: object) -> ContainerSpec:
    identity = Identity("ivdocker-x-1", {"ivdocker.session": "x"})
    return container_spec({"image": "image:1", **params}, ports, options, identity, "127.0.0.1")


@pytest.mark.parametrize(
    "name",
    [
        "TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "HF_TOKEN",
        "GOOGLE_API_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS_JSON",
        "DOCKER_PASSWORD",
        "HTTP_BEARER_TOKEN",
        "HTTPS_PROXY",
    ],
)
def test_the_value_of_a_variable_given_with_env_is_in_no_command_line(name: str) -> None:
    spec = spec_of(RunOptions(env={name: "hunter2"}))
    assert "hunter2" not in " ".join(argv.run(spec))


def test_a_secret_reaches_docker_by_its_environment() -> None:
    spec = spec_of(RunOptions(env={"TOKEN": "hunter2"}))
    assert spec.secret_env == {"TOKEN": "hunter2"}
    assert "--env=TOKEN" in argv.run(spec)


@pytest.mark.parametrize("name", ["PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "TMPDIR", "LD_PRELOAD"])
def test_a_variable_that_docker_itself_reads_is_never_put_into_dockers_environment(name: str) -> None:
    assert name not in spec_of(RunOptions(env={name: "for the server alone"})).secret_env


def test_a_variable_of_the_user_takes_the_place_of_the_servers_own() -> None:
    words = argv.run(spec_of(RunOptions(env={"MODEL_NAME": "mine"}), environment={"MODEL_NAME": "m", "B": 1}))
    assert [word for word in words if word.startswith("--env")] == ["--env=B=1", "--env=MODEL_NAME"]


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        (RunOptions(), ()),
        (RunOptions(memory="2g"), ("--memory=2g", "--memory-swap=2g")),
        (RunOptions(cpus="1.5", gpus="all"), ("--cpus=1.5", "--gpus=all")),
        (RunOptions(shm_size="1g", platform="linux/arm64"), ("--shm-size=1g", "--platform=linux/arm64")),
        (RunOptions(user="1000:1000", network="backend"), ("--user=1000:1000", "--network=backend")),
        (RunOptions(docker_args=("--cpuset-cpus=0",)), ("--cpuset-cpus=0",)),
        (RunOptions(hardened=True), ("--cap-drop=ALL", "--read-only", "--tmpfs=/tmp", "--pids-limit=1024")),
    ],
)
def test_options_become_flags_of_docker_run(options: RunOptions, flags: tuple[str, ...]) -> None:
    assert spec_of(options).flags == flags


def test_the_servers_own_shared_memory_yields_to_the_users() -> None:
    assert spec_of(RunOptions(), shm_size="256m").flags == ("--shm-size=256m",)
    assert spec_of(RunOptions(shm_size="1g"), shm_size="256m").flags == ("--shm-size=1g",)


def test_docker_arguments_of_the_user_come_last_so_that_they_hold() -> None:
    spec = spec_of(RunOptions(memory="1g", hardened=True, docker_args=("--memory=3g",)))
    assert spec.flags[-1] == "--memory=3g"


def test_host_networking_publishes_nothing() -> None:
    assert spec_of(RunOptions(network="host")).ports == ()


def test_a_container_without_a_network_is_refused() -> None:
    with pytest.raises(UsageError, match="--network none"):
        spec_of(RunOptions(network="none"))


def test_auto_remove_and_wildcard_ports_of_tfx_binaries_are_not_taken_over() -> None:
    words = argv.run(spec_of(RunOptions(), detach=True, auto_remove=True, publish_all_ports=True))
    assert options_of(words) == ["--label=ivdocker.session=x", "--publish=127.0.0.1::8501"]


@pytest.mark.parametrize("image", ["-x", "--privileged", "", "a b", "image:1 --privileged", "image\n"])
def test_an_image_that_docker_could_take_for_something_else_is_refused(image: str, tmp_path: object) -> None:
    with pytest.raises(UsageError, match="is no name of an image"):
        validate.plan(str(tmp_path), images=[image], server="tensorflow-serving")


@pytest.mark.parametrize("image_name", ["--privileged", "-v/:/host"])
def test_an_image_of_a_serving_spec_that_starts_with_a_dash_is_refused(image_name: str, tmp_path: object) -> None:
    spec = {"tensorflow_serving": {"image_name": image_name, "tags": ["1"]}}
    with pytest.raises(UsageError, match="is no name of an image"):
        validate.plan(str(tmp_path), spec=spec)
