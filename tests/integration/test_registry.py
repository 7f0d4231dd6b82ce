"""Pulling, from a real registry on this machine: Debian's docker-registry, with and without a password."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import ivdocker
from tests.conftest import Cli, ModelFactory, wait_until
from tests.fakes.verbs import IMAGE

pytestmark = pytest.mark.engine

CONFIG = """version: 0.1
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "127.0.0.1:{port}"}}
{auth}
"""


def docker(*words: str, **env: str) -> None:
    subprocess.run(["docker", *words], env={**os.environ, **env}, capture_output=True, timeout=300, check=True)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status in (200, 401)
    except OSError:
        return False
    finally:
        connection.close()


@contextmanager
def registry(root: Path, password: str | None = None) -> Iterator[str]:
    """A registry's address. docker speaks plain HTTP to 127.0.0.0/8."""
    program = shutil.which("docker-registry")
    if program is None and os.environ.get("CI"):
        pytest.fail("no docker-registry, and this is CI")
    if program is None:
        pytest.skip("no docker-registry; Debian has it in a package of that name")
    port, auth = free_port(), ""
    if password:
        entry = subprocess.run(["htpasswd", "-Bbn", "me", password], capture_output=True, text=True, check=True).stdout
        (root / "htpasswd").write_text(entry)
        auth = f"auth: {{htpasswd: {{realm: here, path: {root / 'htpasswd'}}}}}"
    config = root / "config.yml"
    config.write_text(CONFIG.format(root=root / "data", port=port, auth=auth))
    command = [program, "serve", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: answers(port))
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()


@contextmanager
def pushed(host: str, **env: str) -> Iterator[str]:
    """The stand-in's image under a name of that registry, there and no longer here."""
    image = f"{host}/team/tensorflow-serving:1"
    docker("tag", IMAGE, image)
    try:
        docker("push", image, **env)
    finally:
        docker("rmi", image)
    yield image
    subprocess.run(["docker", "rmi", "--force", image], capture_output=True, timeout=60, check=False)


def test_an_image_is_pulled_when_it_is_missing_and_only_then(tmp_path: Path, model: ModelFactory, cli: Cli) -> None:
    folder = model()
    with registry(tmp_path) as host, pushed(host) as image:
        never = cli("validate", folder, "--image", image, "--pull", "never")
        assert never.returncode == 3
        assert "image-not-found" in never.stderr

        missing = cli("validate", folder, "--image", image, "--json", "-", timeout=120)
        assert missing.returncode == 0, missing.stderr
        stages = json.loads(missing.stdout)["runs"][0]["stages"]
        assert list(stages) == ["pull", "start", "running", "load", "stop"]
        assert f"pulling {image}: " in missing.stderr

        here = cli("validate", folder, "--image", image, "--json", "-")
        assert "pull" not in json.loads(here.stdout)["runs"][0]["stages"]

        always = cli("validate", folder, "--image", image, "--pull", "always", "--json", "-")
        assert "pull" in json.loads(always.stdout)["runs"][0]["stages"]

        other = cli("validate", folder, "--image", f"{image}2")
        assert other.returncode == 3
        assert "image-not-found" in other.stderr


def test_a_registry_that_wants_a_password_is_told_from_an_image_that_is_not_there(
    tmp_path: Path, model: ModelFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, logged_in = model(), str(tmp_path / "docker")
    with registry(tmp_path, "secret") as host:
        docker("login", "--username=me", "--password=secret", host, DOCKER_CONFIG=logged_in)
        with pushed(host, DOCKER_CONFIG=logged_in) as image:
            denied = ivdocker.validate(folder, images=[image])
            assert denied.verdict == "no_verdict"
            failure = denied.runs[0].failure
            assert failure is not None
            assert failure.code == "registry-denied"
            assert "docker login" in (failure.hint or "")

            monkeypatch.setenv("DOCKER_CONFIG", logged_in)
            assert ivdocker.validate(folder, images=[image]).blessed
