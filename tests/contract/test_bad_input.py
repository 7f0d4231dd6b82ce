"""What a user gets wrong, and what the machine lacks: one line that says so, the right exit code, nothing left."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import ivdocker
from ivdocker import UsageError
from tests.conftest import Cli, Engine, Finished, ModelFactory
from tests.fakes.verbs import IMAGE

_PATIENCE_S = 15
"""Seconds, on a busy machine too; who waits in vain for an engine that is not there needs longer."""


@pytest.fixture
def no_docker(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine that has a shell and no docker.

    A usage error is found before docker is called: where it were called after all, it would not be found.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to("/bin/sh")
    return {"PATH": str(folder)}


def assert_refused(done: Finished, exit_code: int, *words: str) -> None:
    assert done.returncode == exit_code, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("ivdocker")
    assert done.stdout == ""
    for word in words:
        assert word in line


# Usage: exit code 2, and docker is not called


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], ["no command given"]),
        (["validte"], ["unknown command 'validte'", "did you mean validate?"]),
        (["validate", "m", "--imgae", IMAGE], ["--imgae", "did you mean --image?"]),
        (["serve", "m", "--imgae=x"], ["--imgae=x", "did you mean --image?"]),
        (["validate", "/", "--image", IMAGE], ["'/'", "root of this machine's files"]),
        (["validate", "m/../../../../../../..//", "--image", IMAGE], ["root of this machine's files"]),
        (["nosuchcommand"], ["nosuchcommand"]),
        (["validate"], ["MODEL"]),
        (["validate", "m"], ["--image", "--spec"]),
        (["validate", "m", "--image", IMAGE, "--nosuch"], ["--nosuch"]),
        (["validate", "nosuch", "--image", IMAGE], ["no such model", "nosuch"]),
        (["validate", "", "--image", IMAGE], ["no such model"]),
        (["validate", "file", "--image", IMAGE], ["is a file", "folder"]),
        (["validate", "dangling", "--image", IMAGE], ["symbolic link", "does not exist"]),
        (["validate", "m", "--image=-x"], ["'-x'", "not the name of an image"]),
        (["validate", "m", "--image="], ["--image is empty"]),
        (["validate", "m", "--image", IMAGE, "--memory", "2 gigs"], ["--memory", "'2 gigs' is not a size"]),
        (["validate", "m", "--image", IMAGE, "--memory=0"], ["--memory", "no limit"]),
        (["validate", "m", "--image", IMAGE, "--shm-size", "1Gx"], ["--shm-size", "not a size"]),
        (["validate", "m", "--image", IMAGE, "--cpus", "two"], ["--cpus", "'two' is not a number of CPUs"]),
        (["serve", "m", "--image", IMAGE, "--cpus", "0m"], ["--cpus", "no limit"]),
        (["validate", "m", "--image", "two words"], ["not the name of an image"]),
        (["validate", "m", "--image", IMAGE, "--server", "nosuch"], ["unknown server", "nosuch", "tensorflow-serving"]),
        (["validate", "empty", "--image", "team/server:1"], ["cannot tell which model server", "--server"]),
        (["validate", "m", "--image", IMAGE, "--timeout", "0"], ["timeout", "more than 0"]),
        (["validate", "m", "--image", IMAGE, "--timeout", "-1"], ["timeout", "more than 0"]),
        (["validate", "m", "--image", IMAGE, "--timeout", "nan"], ["timeout"]),
        (["validate", "m", "--image", IMAGE, "--timeout", "soon"], ["--timeout", "soon"]),
        (["validate", "m", "--image", IMAGE, "--jobs", "0"], ["jobs", "at least 1"]),
        (["validate", "m", "--image", IMAGE, "--spec", "spec.json"], ["--image", "--spec", "not both"]),
        (["validate", "m", "--image", IMAGE, "-v", "-q"], ["-v", "-q"]),
        (["validate", "m", "--image", IMAGE, "--network", "none"], ["--network none"]),
        (["validate", "m", "--image", IMAGE, "--env", "NOT_SET_ANYWHERE"], ["NOT_SET_ANYWHERE", "not set"]),
        (["validate", "m", "--image", IMAGE, "--env", "=x"], ["--env"]),
        (["validate", "m", "--image", IMAGE, "--env-file", "nosuch"], ["--env-file", "nosuch"]),
        (["validate", "m", "--image", IMAGE, "--requests", "nosuch"], ["requests", "nosuch"]),
        (
            ["validate", "m", "--image", IMAGE, "--requests", "empty"],
            ["requests", "directory", "holds no requests file"],
        ),
        (["validate", "m", "--spec", "nosuch"], ["--spec", "nosuch"]),
        (["validate", "m", "--spec", "file"], ["ServingSpec", "JSON"]),
        (["validate", "m", "--spec", "spec.json"], ["unknown key 'nosuch'"]),
        (["serve", "nosuch", "--image", IMAGE], ["no such model"]),
        (["serve", "m", "--image", IMAGE, "--timeout", "0"], ["timeout", "more than 0"]),
        (["serve", "m"], ["--image"]),
    ],
    ids=lambda value: " ".join(value).replace(IMAGE, "IMAGE") if value and "-" in value[-1] else None,
)
def test_a_usage_error_is_one_line(args: list[str], words: list[str], cli: Cli, no_docker: dict[str, str]) -> None:
    (cli.folder / "m").mkdir()
    (cli.folder / "m" / "saved_model.pb").touch()
    (cli.folder / "empty").mkdir()
    (cli.folder / "file").write_text("no JSON")
    (cli.folder / "spec.json").write_text('{"nosuch": 1}')
    (cli.folder / "dangling").symlink_to("nowhere")
    before = sorted(os.listdir(cli.folder))
    assert_refused(cli(*args, env=no_docker), 2, *words)
    assert sorted(os.listdir(cli.folder)) == before


def options_with_a_value() -> list[str]:
    """Every option of ``validate`` that takes a value, as its help lists them."""
    text = subprocess.run(
        [sys.executable, "-m", "ivdocker", "validate", "--help"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    return re.findall(r"^  (--[\w-]+) (?:[A-Z{]|\[N\]|docker|all)", text, re.MULTILINE)


@pytest.mark.parametrize("words", [["{}="], ["{}", ""], ["{}= "]], ids=["equals", "word", "blank"])
def test_an_empty_value_is_a_usage_error_and_never_no_limit(
    words: list[str], cli: Cli, no_docker: dict[str, str]
) -> None:
    """A shell variable that is not set must not drop a check."""
    (cli.folder / "m").mkdir()
    options = options_with_a_value()
    assert len(options) > 40
    for option in options:
        given = [word.format(option) for word in words]
        done = cli("validate", "m", "--image", IMAGE, *given, env=no_docker)
        assert_refused(done, 2, f"{option} is empty", "leave it out")


@pytest.mark.parametrize("name", ["requests", "spec", "model_name", "record", "server"])
def test_an_empty_argument_is_a_usage_error_in_python_too(name: str, model: ModelFactory) -> None:
    arguments: dict[str, Any] = {"images": [IMAGE], "synthesize": 1, name: ""}
    with pytest.raises(UsageError, match=f"{name} is empty"):
        ivdocker.validate(model(), **arguments)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["is empty"]),
        (b"\n  \n", ["is empty"]),
        (b'{"instances": [1]}\n{"instances": [1\n', ["requests.jsonl:2"]),
        (b'{"instances": [1]}\n\n"text"\n', ["requests.jsonl:3", "JSON object"]),
        (b"\xff\xfe\n", ["requests.jsonl:1"]),
        (b'{"request": {}, "expected": {}}\n', ["requests.jsonl:1", "unknown key 'expected'"]),
        (b'{"request": {}, "expect": {}, "rtol": -1}\n', ["requests.jsonl:1", "rtol"]),
        (b"[" * 100_000, ["requests.jsonl:1"]),
    ],
    ids=["empty", "blank", "cut", "text", "bytes", "key", "rtol", "deep"],
)
def test_a_broken_requests_file_is_one_line_with_its_line_number(
    content: bytes, words: list[str], cli: Cli, no_docker: dict[str, str]
) -> None:
    (cli.folder / "m" / "1").mkdir(parents=True)
    (cli.folder / "requests.jsonl").write_bytes(content)
    done = cli("validate", "m", "--image", IMAGE, "--requests", "requests.jsonl", env=no_docker)
    assert_refused(done, 2, *words)


# The environment: exit code 3


def test_kubernetes_units_reach_the_engine_as_its_own(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    limits = ("--memory=256Mi", "--cpus", "500m", "--shm-size=64Mi", "--max-memory=1Gi")
    done = cli("validate", model(), "--image", engine.image, *limits)
    assert done.returncode == 0, done.stderr
    (call,) = engine.calls("run")
    assert {"--memory=256m", "--cpus=0.5", "--shm-size=64m"} <= set(call)


def assert_no_verdict(done: Finished, code: str, *words: str) -> None:
    """One line that says what is wrong, one that says what to do."""
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    verdicts = [line for line in done.stderr.splitlines() if code in line]
    assert len(verdicts) == 1, done.stderr
    for word in words:
        assert word in verdicts[0]
    assert sum("to do: " in line for line in done.stderr.splitlines()) == 1


def validate(cli: Cli, model: Path, image: str, *args: str, env: dict[str, str] | None = None) -> Finished:
    return cli("validate", model, "--image", image, *args, env=env)


def test_a_port_that_is_taken(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        publish = f"--docker-arg=--publish=127.0.0.1:{taken.getsockname()[1]}:9999"
        assert_no_verdict(validate(cli, model(), engine.image, publish), "port-unavailable", "already taken")
    assert engine.containers() == []


def test_no_docker(model: ModelFactory, cli: Cli, no_docker: dict[str, str]) -> None:
    assert_no_verdict(validate(cli, model(), IMAGE, env=no_docker), "engine-missing", "docker: not found")


def test_another_engine_that_is_not_there(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    done = validate(cli, model(), engine.image, "--engine", "/nowhere/podman")
    assert_no_verdict(done, "engine-missing", "/nowhere/podman: not found")


def test_no_engine(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    before = time.monotonic()
    done = validate(cli, model(), engine.image, env={"DOCKER_HOST": "unix:///nowhere.sock"})
    assert_no_verdict(done, "engine-unreachable", "no container engine answers", "unix:///nowhere.sock")
    assert time.monotonic() - before < _PATIENCE_S


@pytest.mark.parametrize("engine", ["fake"], indirect=True)
@pytest.mark.parametrize("what", ["Docker daemon socket", "docker API"])
def test_no_permission(what: str, engine: Engine, model: ModelFactory, cli: Cli) -> None:
    """In the words of docker 20.10 and of docker 28; whoever runs the tests as root has all permissions."""
    text = f"permission denied while trying to connect to the {what} at unix:///var/run/docker.sock"
    engine.faults(
        {"verb": "run", "exit": 126, "stderr": f"docker: {text}\n"}, {"verb": "rm", "exit": 1, "stderr": f"{text}\n"}
    )
    before = time.monotonic()
    assert_no_verdict(validate(cli, model(), engine.image), "engine-permission", "no permission")
    assert time.monotonic() - before < _PATIENCE_S


@pytest.mark.parametrize("pull", ["missing", "always", "never"])
def test_an_image_that_is_not_there(pull: str, engine: Engine, model: ModelFactory, cli: Cli) -> None:
    image = "127.0.0.1:1/tensorflow/serving:1"
    done = validate(cli, model(), image, f"--pull={pull}")
    assert_no_verdict(done, "image-not-found", image)
    assert engine.containers() == []


@pytest.mark.parametrize("tag", ["", ":nosuch"])
@pytest.mark.parametrize("command", ["validate", "serve"])
def test_an_image_with_another_tag_is_named(
    command: str, tag: str, engine: Engine, model: ModelFactory, cli: Cli
) -> None:
    image = engine.image.partition(":")[0]
    done = cli(command, model(), "--image", image + tag, "--pull=never")
    assert done.returncode == 3
    assert "image-not-found" in done.stderr
    assert re.search(rf"did you mean .*{engine.image}.*, which is on this machine\?", done.stderr)
    assert (f"{image!r} has no tag, which means {image}:latest" in done.stderr) == (not tag)


def test_an_image_name_that_docker_refuses(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    done = validate(cli, model(), "Tensorflow/Serving:1")
    assert_no_verdict(done, "image-not-found", "not a valid image name", "lowercase")
    assert engine.containers() == []


def test_a_gpu_that_is_not_there(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    assert_no_verdict(validate(cli, model(), engine.image, "--gpus=all"), "gpu-unavailable", "GPU")
    assert engine.containers() == []


def test_without_a_verdict_the_report_is_written_all_the_same(
    model: ModelFactory, cli: Cli, no_docker: dict[str, str]
) -> None:
    done = validate(cli, model(), IMAGE, "--json=-", env=no_docker)
    report = json.loads(done.stdout)
    assert (report["verdict"], report["engine"]) == ("no_verdict", None)
    assert report["runs"][0]["failure"]["code"] == "engine-missing"


def test_serve_without_docker(model: ModelFactory, cli: Cli, no_docker: dict[str, str]) -> None:
    done = cli("serve", model(), "--image", IMAGE, "-q", env=no_docker)
    assert_refused(done, 3, "engine-missing", "docker: not found")


def test_doctor_does_not_recommend_itself(engine: Engine, cli: Cli) -> None:
    del engine
    done = cli("doctor", env={"DOCKER_HOST": "unix:///nowhere.sock"})
    assert done.returncode == 3
    assert "engine-unreachable" in done.stdout
    assert "doctor" not in done.stdout


def test_doctor_without_docker(cli: Cli, no_docker: dict[str, str]) -> None:
    done = cli("doctor", env=no_docker)
    assert done.returncode == 3
    assert "docker: not found" in done.stdout
    assert "to do: " in done.stdout
