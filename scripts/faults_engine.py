"""The faults of the engine, and orphans: on a second engine in a network of its own, as root."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from faults_catalogue import END_S, Fault, RequestResult, completed, folder, slack, started, validate
from faults_lab import HERE, IMAGE, LABEL, ROOT, Left, Place, Run, make_model, wait_until

HOST = "faults-orphans"
"""The host name of all runs here: they see each other's containers as those of one machine."""
_CALL_S = 5
_NO_ENGINE_S = 3.0


class SecondEngine:
    """A dockerd that may be stopped, killed and started again; nobody else uses it.

    ``disk_mb``: the size of its disk; ``hidden``: a folder that is empty for it.
    """

    def __init__(self, disk_mb: int = 0, hidden: Path | None = None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ivd-engine-"))
        lines = ["ip link set lo up"]
        if disk_mb:
            lines.append(f"mkdir {self._folder}/data && mount -t tmpfs -o size={disk_mb}m none {self._folder}/data")
        if hidden:
            lines.append(f"mount -t tmpfs none {hidden}")
        lines += [f"touch {self._folder}/ready", "exec sleep 100000"]
        self._namespaces = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", " && ".join(lines)])
        self.network = f"/proc/{self._namespaces.pid}/ns/net"
        wrapper = ("nsenter", f"--net={self.network}")
        self.place = Place(wrapper, {"DOCKER_HOST": f"unix://{self._folder}/docker.sock"})
        wait_until((self._folder / "ready").exists, 10, "the engine's namespaces")

    def start(self) -> None:
        env = {**os.environ, "IVDOCKER_DOCKERD_DIR": str(self._folder)}
        mounts = f"--mount=/proc/{self._namespaces.pid}/ns/mnt"
        command = [*self.place.wrapper, mounts, str(ROOT / "scripts/engine")]
        subprocess.run(command, env=env, check=True, timeout=120, stderr=subprocess.DEVNULL)

    def load_image(self) -> None:
        save = subprocess.Popen(["docker", "save", IMAGE], stdout=subprocess.PIPE)
        load = [*self.place.wrapper, "docker", "load", "--quiet"]
        env = {**os.environ, **self.place.env}
        subprocess.run(load, env=env, stdin=save.stdout, stdout=subprocess.DEVNULL, check=True)
        save.wait()

    @property
    def pid(self) -> int:
        return int((self._folder / "docker.pid").read_text())

    def kill(self) -> None:
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not Path("/proc", str(pid), "cmdline").exists() or _is_zombie(pid), 10, "dockerd's end")

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        pid = self.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """Nothing of it stays: containers, dockerd, its containerd, its mounts, its folder."""
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            names = self.place.docker("ps", "--all", "--quiet").split()
            if names:
                self.place.docker("rm", "--force", *names, check=False)
        with contextlib.suppress(OSError, ValueError):
            pid = self.pid
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not Path("/proc", str(pid)).exists() or _is_zombie(pid), 30, "dockerd's end")
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self._folder / "docker/containerd/containerd.pid").read_text()), signal.SIGTERM)
        self._namespaces.kill()
        self._namespaces.wait()
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(str(self._folder))), reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self._folder, ignore_errors=True)


def _is_zombie(pid: int) -> bool:
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def can_have_one() -> bool:
    tools = ("unshare", "nsenter", "dockerd", "ip")
    return os.geteuid() == 0 and all(shutil.which(tool) for tool in tools)


# The engine's faults


def without_engine_faults() -> Iterator[Fault]:
    """Those for which none is needed."""
    nowhere = Place(env={"DOCKER_HOST": "unix:///nowhere/docker.sock"})
    yield Fault("engine", "no engine", "start", partial(_no_engine, nowhere, "engine-unreachable"))
    missing = partial(_no_engine, HERE, "engine-missing", "--engine=/no/docker")
    yield Fault("engine", "no docker program", "start", missing)
    if os.geteuid() == 0 and shutil.which("setpriv"):
        yield Fault("engine", "no permission", "start", _no_permission)


def _no_engine(place: Place, code: str, *args: str) -> RequestResult:
    with folder() as path:
        command = validate(make_model(path), *args)
        run = Run(Place(place.wrapper, place.env), command)
        try:
            run.wait(END_S)
            processes = tuple(run.processes().values())
            outcome = RequestResult(f"{run.exit_code} {' '.join(run.codes())}", run.seconds, Left(processes=processes))
            if run.exit_code != 3 or run.codes() != [code]:
                outcome.wrong.append(f"not 3 {code}: {run.stderr[-300:]}")
            if run.seconds > _NO_ENGINE_S * slack():
                outcome.wrong.append(f"it took {run.seconds:.0f} s and {len(run.stderr.splitlines())} lines to say so")
            return outcome
        finally:
            run.place = HERE
            run.clean()


def _no_permission() -> RequestResult:
    """Root that may not override permissions, before a socket that belongs to somebody else."""
    with folder() as path, socket.socket(socket.AF_UNIX) as listener:
        address = str(path / "docker.sock")
        listener.bind(address)
        listener.listen()
        os.chown(address, 65534, 65534)
        os.chmod(address, 0o600)
        wrapper = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
        return _no_engine(Place(wrapper, {"DOCKER_HOST": f"unix://{address}"}), "engine-permission")


def engine_faults(engine: SecondEngine) -> Iterator[Fault]:
    """One after another, please: each does something to the engine."""
    for name, code in (("SIGSTOP", "engine-timeout"), ("SIGKILL", "engine-unreachable")):
        for moment, reached in _MOMENTS:
            yield Fault("engine", f"dockerd gets {name}", moment, partial(_broken, engine, name, reached, code))
    yield Fault("engine", "dockerd frozen, SIGTERM to us", "load", partial(_signal_while_frozen, engine))
    yield Fault("engine", "dockerd restarted", "load", partial(_restarted, engine))


_MOMENTS: tuple[tuple[str, Callable[[Run], bool]], ...] = (
    ("start (docker run)", lambda run: run.runs("run", "--detach")),
    ("load", lambda run: completed(run, "running")),
)


def _with_call_timeout(path: Path) -> list[object]:
    """A run whose docker calls have a short deadline, as a ServingSpec says it."""
    tag = {"image_name": IMAGE.rpartition(":")[0], "tags": [IMAGE.rpartition(":")[2]]}
    config = {"client_timeout_seconds": _CALL_S}
    spec = path / "spec.json"
    spec.write_text(json.dumps({"tensorflow_serving": tag, "local_docker": config, "model_name": "half_plus_two"}))
    model = make_model(path, {"load_seconds": 60})
    return ["validate", model, f"--spec={spec}", "--json=report.json"]


def _broken(engine: SecondEngine, what: str, reached: Callable[[Run], bool], code: str) -> RequestResult:
    with folder() as path, started(engine.place, _with_call_timeout(path), host=HOST) as run:
        wait_until(lambda: run.ended or reached(run), END_S, "the moment", pause=0.005)
        broken_at = time.monotonic()
        with contextlib.ExitStack() as stack:
            if what == "SIGSTOP":
                stack.enter_context(engine.frozen())
            else:
                engine.kill()
            run.wait(120)
            seconds = time.monotonic() - broken_at
            processes = tuple(run.processes().values())
        if what == "SIGKILL":
            engine.start()
        outcome = RequestResult(f"{run.exit_code} {' '.join(run.codes())}", seconds)
        if run.exit_code != 3 or run.codes() not in ([code], ["engine-unreachable"]):
            outcome.wrong.append(f"not 3 {code}: {run.stderr[-300:]}")
        if "bug in ivdocker" in run.stderr:
            outcome.wrong.append(run.stderr[-300:])
        if processes:
            outcome.wrong.append(f"processes left: {processes}")
        outcome.left = _left_by_next_run(engine, run)
        return outcome


def _left_by_next_run(engine: SecondEngine, run: Run) -> Left:
    """What is still there of it when another run has come and gone."""
    with folder() as path, started(engine.place, validate(make_model(path)), host=HOST) as following:
        following.wait(END_S)
        left = run.left()
        return left if following.exit_code == 0 else Left(files=(f"next run: {following.stderr[-200:]}",))


def _signal_while_frozen(engine: SecondEngine) -> RequestResult:
    with folder() as path, started(engine.place, _with_call_timeout(path), host=HOST) as run:
        wait_until(lambda: run.ended or completed(run, "running"), END_S, "the load")
        with engine.frozen():
            sent = time.monotonic()
            run.send(signal.SIGTERM)
            run.wait(60)
            seconds = time.monotonic() - sent
        outcome = RequestResult(str(run.exit_code), seconds)
        if run.exit_code != 143:
            outcome.wrong.append(f"exit code {run.exit_code}, not 143: {run.stderr[-300:]}")
        outcome.left = _left_by_next_run(engine, run)
        return outcome


def _restarted(engine: SecondEngine) -> RequestResult:
    with folder() as path, started(engine.place, _with_call_timeout(path), host=HOST) as run:
        wait_until(lambda: run.ended or completed(run, "running"), END_S, "the load")
        engine.kill()
        engine.start()
        run.wait(120)
        outcome = RequestResult(f"{run.exit_code} {' '.join(run.codes())}", run.seconds)
        if run.exit_code not in (1, 3) or run.codes() not in (["engine-unreachable"], ["container-exited"]):
            outcome.wrong.append(f"not 3 engine-unreachable: {run.stderr[-300:]}")
        if run.exit_code == 1:
            outcome.wrong.append("a restarted engine is not the model's fault")
        outcome.left = _left_by_next_run(engine, run)
        return outcome


# Orphans


def orphan_faults(engine: SecondEngine) -> Iterator[Fault]:
    orphans = Orphans(engine.place)
    for name, moment, check in (
        ("owner and watchdog SIGKILLed", "then: validate", orphans.swept),
        ("owner and watchdog SIGKILLed", "then: prune", orphans.pruned),
        ("live owner, strangers", "validate, prune", orphans.untouched),
        ("kept with --keep", "prune, prune --all", orphans.kept),
        ("of another machine", "prune, prune --all", orphans.foreign),
        ("pid used again", "prune", orphans.reused_pid),
        ("an earlier boot", "prune", orphans.earlier_boot),
    ):
        yield Fault("orphan", name, moment, check)


class Orphans:
    """What prune and the next run remove, and what they must not."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._wrong: list[str] = []
        self._watch = 0.0

    def swept(self) -> RequestResult:
        self._begin()
        with self._orphan() as run:
            self._ivdocker(*validate(make_model(run.folder / "next")))
            self._expect("the next run removed it", not run.containers())
        return self._end()

    def pruned(self) -> RequestResult:
        self._begin()
        with self._orphan() as run:
            name = str(run.containers()[0]["Names"])
            listed = self._ivdocker("ps")
            self._expect("ps calls it an orphan", name in listed and "orphan" in listed)
            self._expect("--dry-run names it", f"would remove {name}" in self._ivdocker("prune", "--dry-run"))
            self._expect("--dry-run removes nothing", bool(run.containers()))
            self._expect("--older-than 1h leaves it", "nothing" in self._ivdocker("prune", "--older-than=1h"))
            self._expect("it is still there", bool(run.containers()))
            self._expect("prune removes it", f"removed {name}" in self._ivdocker("prune", "--older-than=0s"))
            self._expect("it is gone", not run.containers())
        return self._end()

    def untouched(self) -> RequestResult:
        self._begin()
        label = f"{LABEL}=stranger"
        self._place.docker("run", "--detach", f"--label={label}", "--entrypoint=sleep", IMAGE, "600")
        try:
            with folder() as served, self._serving(served) as run:
                wait_until(lambda: run.ended or "is ready" in run.stderr, END_S, "serve")
                with folder() as path:
                    self._ivdocker(*validate(make_model(path)))
                self._expect("prune finds nothing", "nothing" in self._ivdocker("prune"))
                self._expect("prune --all finds nothing", "nothing" in self._ivdocker("prune", "--all"))
                self._expect("the live one is there", [c["State"] for c in run.containers()] == ["running"])
                self._expect("the stranger is there", len(self._place.containers(label)) == 1)
                run.send(signal.SIGINT)
                run.wait(END_S)
                self._expect("serve ends with 130", run.exit_code == 130)
        finally:
            self._place.remove(label)
        return self._end()

    def _serving(self, path: Path) -> contextlib.AbstractContextManager[Run]:
        return started(self._place, ["serve", make_model(path), f"--image={IMAGE}"], host=HOST)

    def kept(self) -> RequestResult:
        self._begin()
        with folder() as path:
            args = validate(make_model(path, {"exit_during_load": 3}), "--keep")
            with started(self._place, args, host=HOST) as run:
                run.wait(END_S)
                self._expect("--keep leaves it and says so", len(run.containers()) == 1 and "docker logs" in run.stderr)
                self._expect("no helper is left", not run.processes())
                self._expect("prune leaves it", "nothing" in self._ivdocker("prune"))
                self._expect("ps says kept", "kept" in self._ivdocker("ps"))
                self._ivdocker("prune", "--all")
                self._expect("prune --all removes it", not run.containers())
        return self._end()

    def foreign(self) -> RequestResult:
        return self._forged({"host": "elsewhere"}, plain=False, every=True)

    def reused_pid(self) -> RequestResult:
        return self._forged({"started": "1"}, plain=True, every=True)

    def earlier_boot(self) -> RequestResult:
        return self._forged({"boot": "an-earlier-boot/ns", "pid": "1"}, plain=True, every=True)

    def _forged(self, changed: dict[str, str], plain: bool, every: bool) -> RequestResult:
        """A container with our own labels, but for what is changed: is it removed by prune, and by prune --all?"""
        self._begin()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        owner = {"pid": str(os.getpid()), "started": fields[19], "host": HOST}
        owner |= {"boot": f"{boot}/{os.readlink('/proc/self/ns/pid')}", **changed}
        labels = [f"--label=ivdocker.owner-{name}={value}" for name, value in owner.items()]
        labels += ["--label=ivdocker.session=forged", f"--label={LABEL}=forged", "--label=ivdocker.created=1"]
        try:
            self._place.docker("run", "--detach", *labels, "--entrypoint=sleep", IMAGE, "600")
            self._ivdocker("prune")
            self._expect(f"prune {'removes' if plain else 'leaves'} it", bool(self._containers()) != plain)
            self._ivdocker("prune", "--all")
            self._expect(f"prune --all {'removes' if every else 'leaves'} it", bool(self._containers()) != every)
        finally:
            self._place.remove(f"{LABEL}=forged")
        return self._end()

    def _containers(self) -> list[object]:
        return list(self._place.containers(f"{LABEL}=forged"))

    @contextlib.contextmanager
    def _orphan(self) -> Iterator[Run]:
        """A run that was killed, with its watchdog and all its helpers before it."""
        with folder() as path, started(self._place, validate(make_model(path, {"load_seconds": 60})), host=HOST) as run:
            wait_until(lambda: run.ended or completed(run, "running"), END_S, "the load")
            for pid, line in run.processes().items():
                if "watchdog.sh" in line:
                    os.kill(pid, signal.SIGKILL)
            run.send(signal.SIGKILL, group=True)
            run.wait(5)
            self._expect("the orphan is there", len(run.containers()) == 1)
            yield run

    def _ivdocker(self, *args: object) -> str:
        with started(self._place, list(args), host=HOST) as run:
            run.wait(END_S)
            self._expect(f"{args[0]} ends well: {run.stderr[-200:]}", run.exit_code == 0)
            return run.stdout

    def _begin(self) -> None:
        self._wrong, self._watch = [], time.monotonic()

    def _expect(self, what: str, holds: bool) -> None:
        if not holds:
            self._wrong.append(f"not so: {what}")

    def _end(self) -> RequestResult:
        left = tuple(str(found["Names"]) for found in self._place.containers("ivdocker.session"))
        return RequestResult("0", time.monotonic() - self._watch, Left(left), self._wrong)
