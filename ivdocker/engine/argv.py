"""Builds command lines from plain data: the words after the program and its host flag. Pure."""

import csv
import io
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from ivdocker.engine.dialect import Dialect


class Mount(NamedTuple):
    """A mount of ``source`` at ``target`` in the container. ``kind``: ``bind``, ``volume`` or ``tmpfs``. ``options``:
    further fields of docker's ``--mount``."""

    source: str
    target: str
    kind: str = "bind"
    read_only: bool = True
    options: tuple[str, ...] = ()


class Port(NamedTuple):
    """A published port. Without ``host`` docker chooses the host's port; without ``address`` it is the default one."""

    container: int
    host: str = ""
    address: str = ""
    protocol: str = "tcp"


class ContainerSpec(NamedTuple):
    """Everything that ``docker run`` needs.

    ``env`` stands in the command line and may be shown to anyone. Of ``secret_env`` only the names stand there: docker
    reads the values from its own environment. Each of ``ports`` is published on a free port of ``publish_address``.
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
    more_ports: tuple[Port, ...] = ()
    publish_address: str = "127.0.0.1"
    init: bool = True
    """Whether docker's init is PID 1. A shell script as PID 1 often does not forward SIGTERM."""
    unset: tuple[str, ...] = ()
    """Variables of the image that the container does not get."""
    platform: str | None = None
    network: str | None = None
    flags: tuple[str, ...] = ()
    """Further flags of docker run: limits, hardening, and the user's --docker-arg."""


def run(spec: ContainerSpec) -> list[str]:
    """``docker run --detach``. A missing image is an error: pulling is a separate step with its own deadline."""
    mine = ["run", "--detach", "--pull=never", f"--name={spec.name}"]
    return [*mine, *(f"--label={key}={value}" for key, value in spec.labels.items()), *_settings(spec)]


def run_in_foreground(spec: ContainerSpec) -> list[str]:
    """The same for a user at a terminal. It has no name and no labels of ours: else we would remove it as an orphan."""
    return ["run", "--rm", *_settings(spec)]


def _settings(spec: ContainerSpec) -> list[str]:
    argv = ["--init"] if spec.init else []
    argv += [f"--env={key}={value}" for key, value in spec.env.items()]
    argv += [f"--env={key}" for key in (*spec.secret_env, *spec.unset)]
    argv += [f"--env-file={path}" for path in spec.env_files]
    argv += [f"--mount={_mount(mount)}" for mount in spec.mounts]
    argv += [f"--publish={_host_part(spec.publish_address)}::{port}" for port in spec.ports]
    argv += [f"--publish={_published(port, spec.publish_address)}" for port in spec.more_ports]
    argv += [f"--platform={spec.platform}"] if spec.platform else []
    argv += [f"--network={spec.network}"] if spec.network else []
    return [*argv, *spec.flags, spec.image, *spec.command]


def inspect(name: str) -> list[str]:
    """``container inspect``. podman's plain ``inspect`` also finds an image with that name."""
    return ["container", "inspect", name]


def logs(name: str, *, follow: bool = True, timestamps: bool = False, since: float | None = None) -> list[str]:
    """``since``: only what was written after this UTC timestamp."""
    flags = {"--follow": follow, "--timestamps": timestamps, f"--since={since or 0:.6f}": since is not None}
    return ["logs", *(flag for flag, wanted in flags.items() if wanted), name]


def events(name: str) -> list[str]:
    """Follow the events of a container since its creation (at most 10 minutes back), one JSON object per line."""
    return ["events", f"--filter=container={name}", "--since=10m", "--format={{json .}}"]


def past_events(name: str, until: float) -> list[str]:
    """List what ended a container, or a process in it, in the 24 hours before this UTC timestamp."""
    kinds = [f"--filter=event={event}" for event in ("die", "kill", "oom")]
    # Docker cuts a time such as 0s to whole seconds: it would leave out what has just happened.
    return ["events", f"--filter=container={name}", *kinds, "--since=24h", f"--until={until:.6f}"]


def exec(name: str, command: Sequence[str]) -> list[str]:
    return ["exec", name, *command]


def stats(name: str) -> list[str]:
    """The memory and CPU that a container uses now. docker samples for one or two seconds."""
    return ["stats", "--no-stream", "--format={{json .}}", name]


def stop(dialect: Dialect, name: str, grace_s: int) -> list[str]:
    """Send SIGTERM, and SIGKILL after ``grace_s`` seconds."""
    return ["stop", f"{dialect.stop_timeout_flag}={grace_s}", name]


def kill(name: str) -> list[str]:
    """Send SIGKILL."""
    return ["kill", name]


def remove(name: str) -> list[str]:
    return ["rm", "--force", "--volumes", name]


def listing(label: str) -> list[str]:
    """List all containers with the label, in any state."""
    return ["ps", "--all", "--no-trunc", f"--filter=label={label}", "--format={{json .}}"]


def network_create(name: str, labels: Mapping[str, str]) -> list[str]:
    """Create an internal network: its containers reach this machine's bridge and nothing else."""
    return ["network", "create", "--internal", *(f"--label={key}={value}" for key, value in labels.items()), name]


def network_remove(name: str) -> list[str]:
    return ["network", "rm", name]


def network_listing(label: str) -> list[str]:
    """List all networks with the label."""
    return ["network", "ls", f"--filter=label={label}", "--format={{json .}}"]


def pull(image: str, platform: str | None) -> list[str]:
    return ["pull", *([f"--platform={platform}"] if platform else []), image]


def image_inspect(image: str) -> list[str]:
    return ["image", "inspect", image]


def images() -> list[str]:
    """List the names of the images on the engine's machine."""
    return ["images", "--format={{.Repository}}:{{.Tag}}"]


def info() -> list[str]:
    return ["info", "--format={{json .}}"]


def version() -> list[str]:
    return ["version", "--format={{json .}}"]


def _mount(mount: Mount) -> str:
    """The value of --mount: one CSV record, so commas, quotes and line breaks in a path are quoted as in CSV."""
    text = io.StringIO()
    source = [f"source={mount.source}"] if mount.source else []
    fields = [f"type={mount.kind}", *source, f"target={mount.target}", *mount.options]
    fields += ["readonly"] if mount.read_only else []
    csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue()[:-1]


def _published(port: Port, address: str) -> str:
    protocol = "" if port.protocol == "tcp" else f"/{port.protocol}"
    return f"{_host_part(port.address or address)}:{port.host}:{port.container}{protocol}"


def _host_part(address: str) -> str:
    return f"[{address}]" if ":" in address else address
