"""An engine in a network of its own, which may be stopped, killed and started again. It needs root."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.conftest import Engine, wait_until
from tests.fakes.verbs import IMAGE

_SCRIPT = Path(__file__).parents[2] / "scripts" / "engine"


def why_none() -> str | None:
    missing = [tool for tool in ("unshare", "nsenter", "dockerd", "ip") if not shutil.which(tool)]
    return "a second engine needs root, unshare, nsenter, dockerd and ip" if missing or os.geteuid() != 0 else None


class SecondEngine:
    """Nobody else uses it. ``disk_mb``: the size of its disk; ``hidden``: a folder that is empty for it."""

    def __init__(self, disk_mb: int = 0, hidden: Path | None = None) -> None:
        # The path of a socket has at most 108 letters: not in pytest's folders.
        self._folder = Path(tempfile.mkdtemp(prefix="ivd-engine-"))
        lines = ["ip link set lo up"]
        if disk_mb:
            lines.append(f"mkdir {self._folder}/data && mount -t tmpfs -o size={disk_mb}m none {self._folder}/data")
        if hidden:
            lines.append(f"mount -t tmpfs none {hidden}")
        lines += [f"touch {self._folder}/ready", "exec sleep 100000"]
        self._namespaces = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", " && ".join(lines)])
        self.network = f"/proc/{self._namespaces.pid}/ns/net"
        env = {"DOCKER_HOST": f"unix://{self._folder}/docker.sock"}
        self.engine = Engine("docker", IMAGE, self._folder, ("nsenter", f"--net={self.network}"), env)

    def __enter__(self) -> SecondEngine:
        wait_until((self._folder / "ready").exists)
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing of it stays: containers, dockerd, its containerd, its mounts, its folder."""
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            for name in self.engine.docker("ps", "--all", "--quiet").split():
                self.engine.docker("rm", "--force", name)
        _end(self._folder / "docker.pid")
        _end(self._folder / "docker/containerd/containerd.pid")
        self._namespaces.kill()
        self._namespaces.wait()
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((mount for mount in mounts if mount.startswith(str(self._folder))), reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        env = {**os.environ, "IVDOCKER_DOCKERD_DIR": str(self._folder)}
        mounts = f"--mount=/proc/{self._namespaces.pid}/ns/mnt"
        command = [*self.engine.wrapper, mounts, str(_SCRIPT)]
        subprocess.run(command, env=env, check=True, timeout=120, stderr=subprocess.DEVNULL)

    def load_image(self) -> None:
        with subprocess.Popen(["docker", "save", IMAGE], stdout=subprocess.PIPE) as save:
            load = [*self.engine.wrapper, "docker", "load", "--quiet"]
            env = {**os.environ, **self.engine.env}
            subprocess.run(load, env=env, stdin=save.stdout, stdout=subprocess.DEVNULL, check=True)

    def _dockerd(self) -> psutil.Process:
        return psutil.Process(int((self._folder / "docker.pid").read_text()))

    def kill(self) -> None:
        dockerd = self._dockerd()
        dockerd.kill()
        _wait_for_end(dockerd, 10)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        dockerd = self._dockerd()
        dockerd.suspend()
        try:
            yield
        finally:
            dockerd.resume()

    @contextlib.contextmanager
    def killed(self) -> Iterator[None]:
        """Until the block ends."""
        self.kill()
        try:
            yield
        finally:
            self.start()


def _end(pid_file: Path) -> None:
    with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess):
        process = psutil.Process(int(pid_file.read_text()))
        process.send_signal(signal.SIGTERM)
        _wait_for_end(process, 30)


def _wait_for_end(process: psutil.Process, seconds: float) -> None:
    """A zombie has ended: whose child it is may be slow to notice."""

    def has_ended() -> bool:
        try:
            return process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    wait_until(has_ended, seconds)
