"""Records what docker and podman really print, into ``tests/recorded/ENGINE-VERSION/CASE.json``.

    python tests/recorded/record.py docker-28.2 /usr/local/bin/docker
    python tests/recorded/record.py docker-20.10 /usr/bin/docker
    CONTAINERS_CONF=FILE python tests/recorded/record.py podman-4.3 /usr/bin/podman

Needs an engine that answers, root, and the image ``ivd-base:1`` (any small one that has python3). Each file holds
``{"argv", "returncode", "stdout", "stderr"}``; what would identify the machine (its name and kernel) is replaced.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
IMAGE = "ivd-base:1"
EAT_MEMORY = "import itertools; hoard = [bytearray(1 << 20) for _ in itertools.count()]"
AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


class Recorder:
    """One client program and the folder its answers go to."""

    def __init__(self, folder: str, program: str) -> None:
        self.folder = HERE / folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.program = program
        self.is_podman = "podman" in folder
        self.containers: list[str] = []

    def call(
        self, *words: str, before: tuple[str, ...] = (), env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*before, self.program, *words],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            env={**os.environ, **(env or {})},
        )

    def record(
        self, case: str, *words: str, before: tuple[str, ...] = (), env: Mapping[str, str] | None = None
    ) -> None:
        done = self.call(*words, before=before, env=env)
        answer = {
            "argv": [Path(self.program).name, *words],
            "returncode": done.returncode,
            "stdout": scrubbed(done.stdout),
            "stderr": scrubbed(done.stderr),
        }
        (self.folder / f"{case}.json").write_text(json.dumps(answer, indent=1, ensure_ascii=False) + "\n")
        print(f"{case:32} {done.returncode:4} {scrubbed(done.stderr).strip()[:150]}")

    def container(self, name: str, *words: str, verb: str = "run") -> str:
        self.call("rm", "--force", name)
        self.containers.append(name)
        self.call(verb, *(["--detach"] if verb == "run" else []), "--pull=never", f"--name={name}", *words)
        return name

    def inspect(self, case: str, *words: str, verb: str = "run", wait: bool = False, kill: bool = False) -> None:
        name = self.container(f"recorded-{case}", *words, verb=verb)
        if kill:
            self.call("kill", name)
        if wait or kill:
            self.call("wait", name)
        time.sleep(0.5)
        self.record(f"inspect-{case}", "container", "inspect", name)

    def clean(self) -> None:
        for name in self.containers:
            self.call("rm", "--force", "--volumes", "--time=0" if self.is_podman else "--force", name)


def scrubbed(text: str) -> str:
    name = os.uname()
    text = re.sub(rf"\b{re.escape(name.nodename)}\b", "build-host", text)
    text = re.sub(r"\bon \d+\.\d+\.\d+\.\d+:53\b", "on 192.0.2.53:53", text)
    return text.replace(name.release, "6.1.0-18-amd64").replace(name.version, "#1 SMP")


def record_containers(to: Recorder) -> None:
    to.inspect("running-loopback", "-p", "127.0.0.1::8501", "--expose=8500", IMAGE, "sleep", "600")
    to.inspect("running-every-interface", "-p", "8501", IMAGE, "sleep", "600")
    to.inspect("running-no-ports", IMAGE, "sleep", "600")
    to.inspect("running-host-network", "--network=host", IMAGE, "sleep", "600")
    to.inspect("created", "-p", "127.0.0.1::8501", IMAGE, "sleep", "600", verb="create")
    to.inspect("exited-0", "-p", "127.0.0.1::8501", IMAGE, "true", wait=True)
    to.inspect("exited-1", IMAGE, "sh", "-c", "echo the last words >&2; exit 1", wait=True)
    to.inspect("exited-137-killed", IMAGE, "sleep", "600", kill=True)
    to.inspect("exited-137-oom", "--memory=20m", "--memory-swap=20m", IMAGE, "python3", "-c", EAT_MEMORY, wait=True)
    to.inspect("start-failed", IMAGE, "no-such-program")
    labelled = ("--label=ivdocker.session=abc", "--label=ivdocker.owner-host=build-host")
    to.container("recorded-listed-1", *labelled, "-p", "127.0.0.1::8501", IMAGE, "sleep", "600")
    to.container("recorded-listed-2", *labelled, IMAGE, "true")
    to.call("wait", "recorded-listed-2")
    to.record("ps", "ps", "--all", "--no-trunc", "--filter=label=ivdocker.session=abc", "--format={{json .}}")
    to.record("ps-none", "ps", "--all", "--no-trunc", "--filter=label=ivdocker.session=no", "--format={{json .}}")
    to.record("inspect-not-found", "container", "inspect", "recorded-nothing")
    to.record("stop-not-found", "stop", "--time=1", "recorded-nothing")
    to.record("rm-not-found", "rm", "--force", "--volumes", "recorded-nothing")
    to.record("logs-not-found", "logs", "--follow", "recorded-nothing")


def record_runs(to: Recorder) -> None:
    run = ("run", "--detach", "--pull=never", "--name=recorded-run")
    to.containers.append("recorded-run")
    to.record("run-no-such-image", *run, "recorded/no-such-image:1")
    first = to.container("recorded-port", "-p", "127.0.0.1::8501", IMAGE, "sleep", "600")
    port = to.call("port", first, "8501/tcp").stdout.strip().rpartition(":")[2]
    to.record("run-port-allocated", *run, f"--publish=127.0.0.1:{port}:8501", IMAGE, "sleep", "1")
    to.call("rm", "--force", "recorded-run")
    mount = "--mount=type=bind,source=/models/no-such-folder,target=/models/m,readonly"
    to.record("run-bind-source-missing", *run, mount, IMAGE, "true")
    to.call("rm", "--force", "recorded-run")
    to.record("run-gpus-no-driver", *run, "--gpus=all", IMAGE, "true")
    to.call("rm", "--force", "recorded-run")
    to.record("run-bad-image-name", *run, "Bad/IMAGE:::", "true")
    to.record("run-unknown-flag", *run, "--no-such-flag", IMAGE, "true")
    to.record("run-executable-not-found", *run, IMAGE, "no-such-program")
    to.call("rm", "--force", "recorded-run")
    to.record("run-not-executable", *run, IMAGE, "/etc/passwd")
    to.call("rm", "--force", "recorded-run")
    file_over_folder = "--mount=type=bind,source=/etc/passwd,target=/usr,readonly"
    to.record("run-file-mounted-on-folder", *run, file_over_folder, IMAGE, "true")
    to.call("rm", "--force", "recorded-run")
    to.record("run-name-in-use", "run", "--detach", "--pull=never", f"--name={first}", IMAGE, "true")
    to.record("pull-bad-name", "pull", "Bad/IMAGE:::")
    to.record("pull-registry-unreachable", "pull", "registry.invalid/team/server:1")


def record_engine(to: Recorder) -> None:
    version = ("version", "--format={{json .}}")
    to.record("image-inspect", "image", "inspect", IMAGE)
    to.record("image-not-found", "image", "inspect", "recorded/no-such-image:1")
    to.record("version", *version)
    away = {"CONTAINER_HOST": "unix:///nonexistent"} if to.is_podman else {"DOCKER_HOST": "unix:///nonexistent"}
    remote = ("--remote",) if to.is_podman else ()
    to.record("version-no-engine", *remote, *version, env=away)
    to.record("run-no-engine", *remote, "run", "--detach", "--pull=never", IMAGE, "true", env=away)
    if not to.is_podman:
        to.record("version-permission-denied", *version, before=AS_NOBODY, env={"HOME": "/nonexistent"})
        to.record("run-permission-denied", "run", "--detach", IMAGE, before=AS_NOBODY, env={"HOME": "/nonexistent"})
        to.record("version-client-too-old", *version, env={"DOCKER_API_VERSION": "1.10"})
        to.record(
            "run-client-too-new", "run", "--detach", "--pull=never", IMAGE, "true", env={"DOCKER_API_VERSION": "1.99"}
        )


def main(folder: str, program: str) -> None:
    to = Recorder(folder, program)
    try:
        record_engine(to)
        record_containers(to)
        record_runs(to)
    finally:
        to.clean()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
