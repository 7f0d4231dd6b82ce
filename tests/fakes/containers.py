"""Containers without an engine: the stand-in server as a process of this machine, under a supervisor of its own.

A container is a folder: ``record`` (what ``run`` was told), ``pid`` (once it was started), ``log`` (frames of
stream number, length, bytes), ``exit`` (once it has ended), ``root`` (its file system: only its mounts).
"""

from __future__ import annotations

import marshal
import os
import select
import struct
import time

TYPE_CHECKING = False  # importing typing for it would slow each call
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from typing import Any, NoReturn

STANDIN = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "servers", "tensorflow_serving")

SIGTERM, SIGKILL, SIGSTOP, SIGCONT = 15, 9, 19, 18  # importing signal would slow each call

_LIFETIME_S = 600.0
"""A container that nobody removes ends by itself."""

_POLL_S = 0.005
_FRAME = struct.Struct(">BLd")


class Conflict(Exception):
    """The name is taken; the text is the other container's ID."""


class PortTaken(Exception):
    """The text is ``address:port``."""


class Container:
    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.record: dict[str, Any] = _read(self._path("record")) or {}

    @property
    def exists(self) -> bool:
        return os.path.exists(self.folder)

    @property
    def end(self) -> dict[str, Any] | None:
        return _read(self._path("exit"))

    @property
    def status(self) -> str:
        if self.end or not self.main_pid:
            return "exited" if self.end else "created"
        return "paused" if os.path.exists(self._path("paused")) else "running"

    @property
    def main_pid(self) -> int:
        """0 before it was started."""
        return int((_read(self._path("pid")) or {}).get("main", 0))

    def start(self) -> None:
        """Raises PortTaken, and then it stays created."""
        for target, source in self.record["mounts"]:
            link = self._path("root") + target
            os.makedirs(os.path.dirname(link), exist_ok=True)
            os.symlink(source, link)
        holders = [_reserve(binding) for bindings in self.record["ports"].values() for binding in bindings]
        _write(self._path("record"), self.record)
        ready_read, ready_write = os.pipe()
        middle = os.fork()
        if middle == 0:
            os.setsid()
            if os.fork() == 0:
                _supervise(self, ready_write)
            os._exit(0)
        os.close(ready_write)
        os.waitpid(middle, 0)
        os.read(ready_read, 1)
        for holder in holders:
            holder.close()

    def pause(self) -> None:
        _write(self._path("paused"), {})
        _kill(os.killpg, self.main_pid, SIGSTOP)

    def unpause(self) -> None:
        os.unlink(self._path("paused"))
        _kill(os.killpg, self.main_pid, SIGCONT)

    @property
    def was_signalled(self) -> bool:
        return os.path.exists(self._path("signalled"))

    def stop(self, grace_s: float) -> None:
        os.close(os.open(self._path("signalled"), os.O_CREAT, 0o600))
        if self.status == "paused":
            self.unpause()
        # PID 1 has no default handlers: without --init the image's shell never learns of a SIGTERM.
        if self.record["init"] and self.status == "running":
            _kill(os.kill, self.main_pid, SIGTERM)
        if self.main_pid and not self._wait_for_end(grace_s):
            self.kill()

    def kill(self) -> None:
        if self.main_pid and not self.end:
            _kill(os.killpg, self.main_pid, SIGKILL)
            self._wait_for_end(5)

    def remove(self) -> bool:
        """False when somebody else was faster."""
        import shutil  # it costs 10 ms, and most calls remove nothing

        if self.was_signalled:
            for name in (self.record["name"], self.record["id"]):
                _remember_signal(self.folder, name)
        doomed = f"{self.folder}.{os.getpid()}.removed"
        try:
            os.rename(self.folder, doomed)
        except FileNotFoundError:
            return False
        self.folder = doomed
        self.kill()
        shutil.rmtree(doomed)
        return True

    def log(self, follow: bool, since: float = 0) -> Iterator[tuple[int, bytes]]:
        """What it has written, with the number of the stream (1 stdout, 2 stderr), and, with ``follow``, what comes."""
        try:
            file = open(self._path("log"), "rb")  # noqa: SIM115
        except FileNotFoundError:
            return
        with file:
            while True:
                last = not follow or self.end is not None or not self.exists
                while head := file.read(_FRAME.size):
                    stream, length, at = _FRAME.unpack(head)
                    chunk = file.read(length)
                    if at >= since:
                        yield stream, chunk
                if last:
                    return
                time.sleep(_POLL_S)

    def socket_table(self) -> str:
        """As /proc/net/tcp and tcp6 would read in it: its own ports, by the numbers that it knows them by."""
        text = ""
        for path in ("/proc/net/tcp", "/proc/net/tcp6"):
            with open(path, encoding="ascii") as file:
                text += file.read()
        for port, bindings in self.record["ports"].items():
            text = text.replace(f":{int(bindings[0]['HostPort']):04X} ", f":{int(port.partition('/')[0]):04X} ")
        return text

    def _wait_for_end(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not self.end and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return self.end is not None

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)


def create(state: str, record: dict[str, Any]) -> Container:
    """Raises Conflict."""
    folder = os.path.join(state, "containers", record["name"])
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    try:
        os.mkdir(folder)
    except FileExistsError:
        raise Conflict(Container(folder).record["id"]) from None
    _write(os.path.join(folder, "record"), record)
    return Container(folder)


def _remember_signal(folder: str, name: str) -> None:
    """An engine remembers its events also when the container is gone."""
    memory = os.path.join(os.path.dirname(os.path.dirname(folder)), "signalled")
    os.makedirs(memory, exist_ok=True)
    os.close(os.open(os.path.join(memory, name), os.O_CREAT, 0o600))


def was_signalled(state: str, name: str) -> bool:
    """Whether a container that is gone was sent a signal."""
    return os.path.exists(os.path.join(state, "signalled", name))


def find(state: str, name: str) -> Container | None:
    """By its name or its ID."""
    for container in every(state):
        if name and name in (container.record["name"], container.record["id"]):
            return container
    return None


def every(state: str) -> list[Container]:
    folder = os.path.join(state, "containers")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    found = [Container(os.path.join(folder, name)) for name in names if not name.endswith(".removed")]
    return [container for container in found if container.record]


def _reserve(binding: dict[str, str]) -> socket.socket:
    """Bind the port, and leave it to the server to listen there: with SO_REUSEADDR on both sides Linux allows that,
    and gives the port to nobody else. Fills in the port. Raises PortTaken."""
    import socket  # it costs 10 ms, and most calls reserve nothing

    address = binding["HostIp"]
    holder = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        holder.bind((address, int(binding["HostPort"] or 0)))
    except OSError:
        raise PortTaken(f"{address}:{binding['HostPort']}") from None
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    binding["HostPort"] = str(holder.getsockname()[1])
    return holder


def _supervise(container: Container, ready: int) -> NoReturn:
    """Runs the server, keeps its log, and writes down how it ended."""
    os.chdir(container.folder)  # where the folder goes when the container is removed
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    main = os.fork()
    if main == 0:
        os.setsid()
        os.dup2(out_write, 1)
        os.dup2(err_write, 2)
        _exec_server(container)
    os.close(out_write)
    os.close(err_write)
    streams = {out_read: 1, err_read: 2}
    root = os.path.join(container.folder, "root").encode()
    with open("log", "ab", buffering=0) as log:
        _write("pid", {"main": main})
        os.write(ready, b"!")
        os.close(ready)
        oom_killed = _record(main, streams, log.write, root, container.record["memory"])
    status = os.waitpid(main, 0)[1]
    code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    _write("exit", {"code": code, "oom_killed": oom_killed, "at": time.time()})
    os._exit(0)


def _exec_server(container: Container) -> NoReturn:
    record, root = container.record, os.path.join(container.folder, "root")
    env = {"MODEL_BASE_PATH": "/models", "MODEL_NAME": "model", **record["env"]}
    env["MODEL_BASE_PATH"] = root + env["MODEL_BASE_PATH"]
    python = os.path.dirname(os.readlink("/proc/self/exe"))
    env["PATH"] = os.pathsep.join([STANDIN, python, "/usr/bin", "/bin"])
    flags = {"8500/tcp": "--port", "8501/tcp": "--rest_api_port"}
    ports = [f"{flags[port]}={record['ports'][port][0]['HostPort']}" for port in flags if record["ports"].get(port)]
    entrypoint = os.path.join(STANDIN, "tf_serving_entrypoint.sh")
    try:
        os.execve(entrypoint, [entrypoint, *ports, *record["command"]], env)
    finally:
        os._exit(127)


def _record(main: int, streams: dict[int, int], write: Any, root: bytes, memory: int) -> bool:
    """Until the server's first process has ended and all that it left was killed; whether it ran out of memory."""
    ended = os.pidfd_open(main)
    poll = select.poll()
    for fd in (*streams, ended):
        poll.register(fd, select.POLLIN)
    deadline = time.monotonic() + _LIFETIME_S
    oom_killed = False
    while streams:
        for fd, _ in poll.poll(5 if memory else 1000):
            if fd == ended:
                poll.unregister(ended)
                _kill(os.killpg, main, SIGKILL)
                continue
            chunk = os.read(fd, 65536).replace(root, b"")
            if chunk:
                write(_FRAME.pack(streams[fd], len(chunk), time.time()) + chunk)
            else:
                poll.unregister(fd)
                del streams[fd]
        if time.monotonic() > deadline:
            _kill(os.killpg, main, SIGKILL)
        oom_killed = oom_killed or (memory > 0 and _kill_who_exceeds(memory, main))
    return oom_killed


def _kill_who_exceeds(memory: int, main: int) -> bool:
    """Kill the server when its memory has ever been larger."""
    try:
        with open(f"/proc/{main}/task/{main}/children", encoding="ascii") as file:
            pids = [int(word) for word in file.read().split()]
        for pid in pids:
            with open(f"/proc/{pid}/status", encoding="utf-8") as file:
                peak = next((int(line.split()[1]) for line in file if line.startswith("VmHWM")), 0)
            if peak * 1024 > memory:
                os.kill(pid, SIGKILL)
                return True
    except (OSError, ValueError):
        pass  # it has just ended
    return False


def _kill(how: Any, pid: int, signum: int) -> None:
    try:
        how(pid, signum)
    except ProcessLookupError:
        return  # it has just ended


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:
            record: dict[str, Any] = marshal.load(file)
            return record
    except (FileNotFoundError, NotADirectoryError):
        return None


def _write(path: str, record: dict[str, Any]) -> None:
    """Whole or not at all."""
    with open(f"{path}.{os.getpid()}", "wb") as file:
        marshal.dump(record, file)
    os.replace(file.name, path)
