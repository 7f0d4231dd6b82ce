"""Command lines, from plain data: what comes after the program and its host flag. Pure."""

import csv
import io
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from ivdocker.engine.dialect import Dialect


class Mount(NamedTuple):
    """A host folder or file that the container sees read-only at ``target``."""

    source: str
    target: str


class ContainerSpec(NamedTuple):
    """All that ``docker run`` needs to know.

    ``env`` is written into the command line and may be shown to anyone; of ``secret_env`` only the names are, the
    values go through docker's own environment. ``ports`` are published on a free port of ``publish_address``.
    """

    image: str
    name: str
    command: tuple[str, ...] = ()
    labels: Mapping[str, str] = MappingProxyType({})
    env: Mapping[str, str] = MappingProxyType({})
    secret_env: Mapping[str, str] = MappingProxyType({})
    env_files: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    ports: tuple[int, ...] = ()
    publish_address: str = "127.0.0.1"
    init: bool = True
    """Whether docker's own init is PID 1: the image's own shell script would not pass SIGTERM on."""
    flags: tuple[str, ...] = ()
    """Further flags of docker run: limits, hardening, what the user passes with --docker-arg."""


def run(spec: ContainerSpec) -> list[str]:
    """``docker run --detach``. An image that is not there is an error: pulling has its own step and deadline."""
    mine = ["run", "--detach", "--pull=never", f"--name={spec.name}"]
    return [*mine, *(f"--label={key}={value}" for key, value in spec.labels.items()), *_settings(spec)]


def run_in_foreground(spec: ContainerSpec) -> list[str]:
    """The same for a person at a terminal: without our name and labels, by which it would be taken for an orphan."""
    return ["run", "--rm", *_settings(spec)]


def _settings(spec: ContainerSpec) -> list[str]:
    argv = [*(["--init"] if spec.init else []), "--security-opt=no-new-privileges"]
    argv += [f"--env={key}={value}" for key, value in spec.env.items()]
    argv += [f"--env={key}" for key in spec.secret_env]
    argv += [f"--env-file={path}" for path in spec.env_files]
    argv += [f"--mount={_mount(mount)}" for mount in spec.mounts]
    argv += [f"--publish={_host_part(spec.publish_address)}::{port}" for port in spec.ports]
    return [*argv, *spec.flags, spec.image, *spec.command]


def inspect(name: str) -> list[str]:
    """``container inspect``: the bare ``inspect`` of podman falls through to an image of that name."""
    return ["container", "inspect", name]


def logs(name: str, *, follow: bool = True, timestamps: bool = False) -> list[str]:
    flags = {"--follow": follow, "--timestamps": timestamps}
    return ["logs", *(flag for flag, wanted in flags.items() if wanted), name]


def events(name: str) -> list[str]:
    """What happens to a container, from its creation on, one JSON object a line."""
    return ["events", f"--filter=container={name}", "--since=10m", "--format={{json .}}"]


def oom_events(name: str) -> list[str]:
    """Whether the kernel ran out of the container's memory, up to now."""
    return ["events", f"--filter=container={name}", "--filter=event=oom", "--since=24h", "--until=0s"]


def exec(name: str, command: Sequence[str]) -> list[str]:
    return ["exec", name, *command]


def stats(name: str) -> list[str]:
    """What a container takes at this moment; it samples for a second or two."""
    return ["stats", "--no-stream", "--format={{json .}}", name]


def stop(dialect: Dialect, name: str, grace_s: int) -> list[str]:
    """SIGTERM, and SIGKILL after ``grace_s`` seconds."""
    return ["stop", f"{dialect.stop_timeout_flag}={grace_s}", name]


def kill(name: str) -> list[str]:
    """SIGKILL."""
    return ["kill", name]


def remove(name: str) -> list[str]:
    return ["rm", "--force", "--volumes", name]


def listing(label: str) -> list[str]:
    """All containers that carry a label, whatever their state."""
    return ["ps", "--all", "--no-trunc", f"--filter=label={label}", "--format={{json .}}"]


def network_create(name: str, labels: Mapping[str, str]) -> list[str]:
    """A network with no way out: what is in it reaches this machine's bridge, and nothing beyond."""
    return ["network", "create", "--internal", *(f"--label={key}={value}" for key, value in labels.items()), name]


def network_remove(name: str) -> list[str]:
    return ["network", "rm", name]


def network_listing(label: str) -> list[str]:
    """All networks that carry a label."""
    return ["network", "ls", f"--filter=label={label}", "--format={{json .}}"]


def pull(image: str, platform: str | None) -> list[str]:
    return ["pull", *([f"--platform={platform}"] if platform else []), image]


def image_inspect(image: str) -> list[str]:
    return ["image", "inspect", image]


def version() -> list[str]:
    return ["version", "--format={{json .}}"]


def _mount(mount: Mount) -> str:
    """The value is one line of CSV: a comma, a quote or a line break in a path is quoted as CSV quotes it."""
    text = io.StringIO()
    fields = ["type=bind", f"source={mount.source}", f"target={mount.target}", "readonly"]
    csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue()[:-1]


def _host_part(address: str) -> str:
    return f"[{address}]" if ":" in address else address
