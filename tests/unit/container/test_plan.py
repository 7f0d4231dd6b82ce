"""What the user asks of the container becomes flags, and secrets stay out of them."""

from __future__ import annotations

from typing import Any

import pytest

from ivdocker.container.options import RunOptions
from ivdocker.container.plan import container_spec
from ivdocker.engine import argv
from ivdocker.engine.argv import ContainerSpec
from ivdocker.engine.connect import connect
from ivdocker.errors import UsageError


class Binary:
    """A serving binary as TFX makes one, with these of docker-py's words."""

    image = "image:1"
    container_port = 8501

    def __init__(self, params: dict[str, object]) -> None:
        self._params = params

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> dict[str, object]:
        del model_path, needs_mount
        return {"image": self.image, **self._params}


def spec_of(options: RunOptions, **params: object) -> ContainerSpec:
    engine = connect(options.engine)
    return container_spec("gs://bucket/model", Binary(params), options, engine, "ivdocker-x-1")


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
        (RunOptions(shm_size="1g", user="1000:1000"), ("--shm-size=1g", "--user=1000:1000")),
        (RunOptions(docker_args=("--cpuset-cpus=0",)), ("--cpuset-cpus=0",)),
        (
            RunOptions(hardened=True),
            ("--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only", "--tmpfs=/tmp", "--pids-limit=1024"),
        ),
    ],
)
def test_options_become_flags_of_docker_run(options: RunOptions, flags: tuple[str, ...]) -> None:
    assert spec_of(options).flags == flags


def test_platform_and_network_are_the_users() -> None:
    words = argv.run(spec_of(RunOptions(platform="linux/arm64", network="backend"), platform="p", network="n"))
    assert {"--platform=linux/arm64", "--network=backend"} <= set(words)
    assert not {"--platform=p", "--network=n"} & set(words)


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
    assert "--rm" not in words
    assert [word for word in words if word.startswith("--publish")] == ["--publish=127.0.0.1::8501"]


@pytest.mark.parametrize("grace_s", [-1, float("nan"), float("inf"), "1", True])
def test_a_grace_period_that_cannot_be_is_refused(grace_s: Any) -> None:
    with pytest.raises(UsageError, match="the grace period must be a number of at least 0 seconds"):
        spec_of(RunOptions(grace_s=grace_s))
