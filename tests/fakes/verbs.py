"""The verbs of docker's command line that ivdocker uses, in the words and with the exit codes of docker 28.2 on an
engine 20.10. An argv that is not known ends with exit code 97: teach it here what docker does with it.

State is in the folder that FAKE_DOCKER_STATE names. With FAKE_DOCKER_REAL, a path, the call is only written into the
journal and left to that program, unless a fault with ``exit`` is meant for it.
"""

from __future__ import annotations

import _csv
import os
import sys
import time

from tests.fakes import containers, faults, journal
from tests.fakes.encode import dumps

TYPE_CHECKING = False  # importing typing for it would slow each call
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from tests.fakes.faults import Answer

IMAGE = "ivdocker/tensorflow-serving-standin:1"
IMAGE_ID = "sha256:" + "fa4e" * 16

_SEE_HELP = "\n\nRun 'docker run --help' for more information\n"
_RUN_FLAGS = {"--detach", "--pull=never", "--init", "--security-opt=no-new-privileges", "--read-only", "--cap-drop=ALL"}
_RUN_IGNORED = {"--memory-swap", "--cpus", "--shm-size", "--platform", "--user", "--network", "--tmpfs", "--pids-limit"}


def main(argv: list[str]) -> int:
    state = os.environ["FAKE_DOCKER_STATE"]
    nth = journal.write(state, argv)
    verb = journal.verb_of(argv)
    real = os.environ.get("FAKE_DOCKER_REAL")
    if real:
        fault = faults.find(state, verb, nth)
        if "exit" not in fault:
            os.execv(real, [real, *argv])
        sys.stderr.write(fault.get("stderr", ""))
        return int(fault["exit"])
    if argv[0].startswith("--host="):
        code, out, err = _no_engine(verb, argv[0].partition("=")[2])
    elif "DOCKER_HOST" in os.environ:
        code, out, err = _no_engine(verb, os.environ["DOCKER_HOST"])
    else:
        work = VERBS.get(verb)
        if work is None:
            _unknown(argv)
        name = next((word.partition("=")[2] for word in argv if word.startswith("--name=")), argv[-1])
        code, out, err = faults.act(faults.find(state, verb, nth), state, name, lambda: work(state, argv))
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code


def run(state: str, argv: list[str]) -> Answer:
    record = _parse_run(argv)
    image = record["image"]
    if image != IMAGE:
        return _run_refused(_no_such_image(image))
    for _, source in record["mounts"]:
        if not os.path.exists(source):
            text = f'invalid mount config for type "bind": bind source path does not exist: {source}'
            return _run_refused(f"Error response from daemon: {text}")
    try:
        container = containers.create(state, record)
    except containers.Conflict as other:
        text = f'Conflict. The container name "/{record["name"]}" is already in use by container "{other}". '
        text += "You have to remove (or rename) that container to be able to reuse that name."
        return _run_refused(f"Error response from daemon: {text}")
    ident = record["id"] + "\n"
    if record["gpus"]:
        text = 'could not select device driver "" with capabilities: [[gpu]]'
        return _run_refused(f"Error response from daemon: {text}", ident)
    try:
        container.start()
    except containers.PortTaken as where:
        text = f"driver failed programming external connectivity on endpoint {record['name']} ({record['id']}): "
        text += f"Error starting userland proxy: listen tcp4 {where}: bind: address already in use"
        return _run_refused(f"Error response from daemon: {text}", ident)
    return 0, ident, ""


def inspect(state: str, argv: list[str]) -> Answer:
    container = containers.find(state, argv[-1])
    if container is None:
        return 1, "[]\n", _no_such_container(argv[-1])
    return 0, dumps([_inspected(container)]) + "\n", ""


def logs(state: str, argv: list[str]) -> Answer:
    flags = {flag for flag in argv[1:-1] if not flag.startswith("--since=")}
    since = [float(flag.partition("=")[2]) for flag in argv[1:-1] if flag.startswith("--since=")]
    if flags - {"--follow", "--timestamps"}:
        _unknown(argv)
    container = containers.find(state, argv[-1])
    if container is None:
        return 1, "", _no_such_container(argv[-1])
    for stream, chunk in container.log("--follow" in flags, *since):
        if "--timestamps" in flags:
            stamp = _time(time.time()).encode()
            chunk = b"".join(stamp + b" " + line for line in chunk.splitlines(keepends=True))
        view = memoryview(chunk)
        while view:
            view = view[os.write(stream, view) :]
    return 0, "", ""


def events(state: str, argv: list[str]) -> Answer:
    """Of one container: its start, its end, its removal; a real engine would go on waiting after that. Or only whether
    it ran out of memory, or was sent a signal."""
    if argv[2].startswith("--filter=event="):
        return _past_events(state, *argv[1:])
    if argv[2:] != ["--since=10m", "--format={{json .}}"]:
        _unknown(argv)
    name = argv[1].removeprefix("--filter=container=")
    container = containers.find(state, name)
    if container is None:
        return 0, "", ""
    for action in ("create", "start"):
        _print_event(container, action)
    while container.exists and not container.end:
        time.sleep(0.01)
    if container.end:
        _print_event(container, "die", exitCode=str(container.end["code"]))
    while container.exists:
        time.sleep(0.01)
    _print_event(container, "destroy")
    return 0, "", ""


def _past_events(state: str, *flags: str) -> Answer:
    about, *kinds, since, _until = flags
    if kinds != [f"--filter=event={kind}" for kind in ("die", "kill", "oom")] or since != "--since=24h":
        _unknown([*flags])
    name = about.removeprefix("--filter=container=")
    found = containers.find(state, name)
    end = found.end if found else None
    had = {"oom": end is not None and end["oom_killed"]}
    had["kill"] = containers.was_signalled(state, name) or bool(found and found.was_signalled)
    lines = [f"{_time(time.time())} container {kind} {name} (name=x)\n" for kind in ("kill", "oom") if had[kind]]
    if end is not None:
        lines.append(f"{_time(time.time())} container die {name} (exitCode={end['code']}, name=x)\n")
    return 0, "".join(lines), ""


def exec_(state: str, argv: list[str]) -> Answer:
    if argv[2:] != ["cat", "/proc/net/tcp", "/proc/net/tcp6"]:
        _unknown(argv)
    container = containers.find(state, argv[1])
    if container is None:
        return 1, "", _no_such_container(argv[1])
    if container.status != "running":
        return 1, "", f"Error response from daemon: Container {container.record['id']} is not running\n"
    return 0, container.socket_table(), ""


def stats(state: str, argv: list[str]) -> Answer:
    found = containers.find(state, argv[-1])
    if found is None:
        return 1, "", f"Error response from daemon: No such container: {argv[-1]}\n"
    return 0, dumps({"Name": found.record["name"], "MemUsage": "20.5MiB / 2GiB"}) + "\n", ""


def stop(state: str, argv: list[str]) -> Answer:
    flag, _, seconds = argv[1].partition("=")
    if flag not in ("--time", "--timeout") or len(argv) != 3:
        _unknown(argv)
    warning = "Flag --time has been deprecated, use --timeout instead\n" if flag == "--time" else ""
    container = containers.find(state, argv[-1])
    if container is None:
        return 1, warning, _no_such_container(argv[-1])
    container.stop(float(seconds))
    return 0, f"{warning}{argv[-1]}\n", ""


def kill(state: str, argv: list[str]) -> Answer:
    if len(argv) != 2:
        _unknown(argv)
    container = containers.find(state, argv[1])
    if container is None:
        return 1, "", _no_such_container(argv[1])
    container.stop(0)
    return 0, f"{argv[1]}\n", ""


def pause(state: str, argv: list[str]) -> Answer:
    """And unpause: not used by ivdocker, but by whoever else is on the machine."""
    container = containers.find(state, argv[-1])
    if container is None or len(argv) != 2:
        _unknown(argv)
    container.pause() if argv[0] == "pause" else container.unpause()
    return 0, f"{argv[1]}\n", ""


def remove(state: str, argv: list[str]) -> Answer:
    if argv[:3] != ["rm", "--force", "--volumes"]:
        _unknown(argv)
    out = err = ""
    for name in argv[3:]:
        container = containers.find(state, name)
        if container is None or not container.remove():
            err += _no_such_container(name)
        else:
            out += f"{name}\n"
    return 0, out, err


def ps(state: str, argv: list[str]) -> Answer:
    filters = [word.removeprefix("--filter=label=") for word in argv if word.startswith("--filter=label=")]
    flags = {word for word in argv[1:] if not word.startswith("--filter=label=")}
    if "--all" not in flags or flags - {"--all", "--no-trunc", "--quiet", "--format={{json .}}"}:
        _unknown(argv)
    lines = []
    for container in containers.every(state):
        record = container.record
        labels = [f"{key}={value}" for key, value in sorted(record["labels"].items())]
        if all(wanted in [*labels, *record["labels"]] for wanted in filters):
            ident = record["id"] if "--no-trunc" in flags else record["id"][:12]
            row = {"ID": ident, "Image": record["image"], "Labels": ",".join(labels), "Names": record["name"]}
            row |= {"State": container.status, "Status": container.status.capitalize()}
            lines.append(ident if "--quiet" in flags else dumps(row))
    return 0, "".join(f"{line}\n" for line in lines), ""


def network(_state: str, argv: list[str]) -> Answer:
    """There are none: the fake's servers have no network of their own."""
    if argv[:2] != ["network", "ls"]:
        _unknown(argv)
    return 0, "", ""


def version(_state: str, argv: list[str]) -> Answer:
    if argv != ["version", "--format={{json .}}"]:
        _unknown(argv)
    server = {"Version": "20.10.24", "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64"}
    return 0, dumps({"Client": _client("1.41"), "Server": server}) + "\n", ""


def image(_state: str, argv: list[str]) -> Answer:
    if argv[:2] != ["image", "inspect"] or len(argv) != 3:
        _unknown(argv)
    if argv[2] != IMAGE:
        return 1, "[]\n", f"Error response from daemon: no such image: {argv[2]}: No such image: {argv[2]}\n"
    record = {"Id": IMAGE_ID, "RepoTags": [IMAGE], "Os": "linux", "Architecture": "amd64"}
    return 0, dumps([record]) + "\n", ""


def images(_state: str, argv: list[str]) -> Answer:
    if argv != ["images", "--format={{.Repository}}:{{.Tag}}"]:
        _unknown(argv)
    return 0, f"{IMAGE}\n<none>:<none>\n", ""


def info(_state: str, argv: list[str]) -> Answer:
    if argv != ["info", "--format={{json .}}"]:
        _unknown(argv)
    return (
        0,
        dumps({"MemoryLimit": True, "CpuCfsQuota": True, "NCPU": 2, "MemTotal": 2**33, "Warnings": None}) + "\n",
        "",
    )


def pull(_state: str, argv: list[str]) -> Answer:
    if argv[-1] == IMAGE:
        return 0, f"Status: Image is up to date for {IMAGE}\n", ""
    if argv[-1] != argv[-1].lower():
        return 1, "", _no_such_image(argv[-1]) + "\n"
    registry = argv[-1].partition("/")[0]
    text = f'Get "http://{registry}/v2/": dial tcp {registry}: connect: connection refused'
    return 1, "", f"Error response from daemon: {text}\n"


VERBS = {
    "run": run,
    "inspect": inspect,
    "logs": logs,
    "events": events,
    "exec": exec_,
    "stats": stats,
    "stop": stop,
    "kill": kill,
    "pause": pause,
    "unpause": pause,
    "rm": remove,
    "ps": ps,
    "network": network,
    "version": version,
    "image": image,
    "images": images,
    "info": info,
    "pull": pull,
}


def _parse_run(argv: list[str]) -> dict[str, Any]:
    """What ``run`` is told, as the container's record."""
    record: dict[str, Any] = {"id": os.urandom(32).hex(), "created": time.time(), "gpus": False, "memory": 0}
    record |= {"labels": {}, "env": {}, "mounts": [], "ports": {}, "network": "default"}
    words = argv[1:]
    while words and words[0].startswith("-"):
        _take_run_flag(words.pop(0), record, argv)
    flags = set(argv)
    if not words or "name" not in record or not {"--detach", "--pull=never"} <= flags:
        _unknown(argv)
    record |= {"image": words[0], "command": words[1:], "init": "--init" in flags}
    return record


def _take_run_flag(word: str, record: dict[str, Any], argv: list[str]) -> None:
    flag, _, value = word.partition("=")
    key, equals, text = value.partition("=")
    if flag == "--name":
        record["name"] = value
    elif flag == "--label":
        record["labels"][key] = text
    elif flag == "--env":
        record["env"][key] = text if equals else os.environ.get(key, "")
    elif flag == "--env-file":
        with open(value, encoding="utf-8") as file:
            record["env"] |= dict(line.strip().split("=", 1) for line in file if "=" in line)
    elif flag == "--mount":
        record["mounts"].append(_mount(value, argv))
    elif flag == "--publish":
        address, port, inner = value.rsplit(":", 2)
        binding = {"HostIp": address.strip("[]"), "HostPort": port}
        record["ports"].setdefault(f"{inner}/tcp", []).append(binding)
    elif flag == "--memory":
        record["memory"] = int(value[:-1]) * {"k": 2**10, "m": 2**20, "g": 2**30}[value[-1]]
    elif flag == "--gpus":
        record["gpus"] = True
    elif word not in _RUN_FLAGS and flag not in _RUN_IGNORED:
        _unknown(argv)


def _mount(value: str, argv: list[str]) -> tuple[str, str]:
    """Target and source."""
    words = next(_csv.reader([value]))
    fields = dict(word.split("=", 1) for word in words if "=" in word)
    if "readonly" not in words or fields.get("type") != "bind":
        _unknown(argv)
    return fields["target"], fields["source"]


def _inspected(container: containers.Container) -> dict[str, Any]:
    record, end, status = container.record, container.end or {}, container.status
    zero = "0001-01-01T00:00:00Z"
    state = {
        "Status": status,
        "Running": status in ("running", "paused"),
        "Paused": status == "paused",
        "Restarting": False,
        "Dead": False,
    }
    state |= {
        "OOMKilled": bool(end.get("oom_killed")),
        "Pid": container.main_pid if status in ("running", "paused") else 0,
    }
    state |= {
        "ExitCode": end.get("code", 0),
        "Error": "",
        "StartedAt": zero if status == "created" else _time(record["created"]),
    }
    state |= {"FinishedAt": _time(end["at"]) if end else zero}
    mounts = [{"Type": "bind", "Source": source, "Destination": at, "RW": False} for at, source in record["mounts"]]
    ports = record["ports"] if status in ("running", "paused") else {}
    return {
        "Id": record["id"],
        "Created": _time(record["created"]),
        "State": state,
        "Image": IMAGE_ID,
        "Name": f"/{record['name']}",
        "HostConfig": {"NetworkMode": record["network"], "AutoRemove": False, "PortBindings": record["ports"]},
        "Mounts": mounts,
        "Config": {"Image": record["image"], "Labels": record["labels"]},
        "NetworkSettings": {"Ports": ports, "Networks": {"bridge": {"IPAddress": ""}}},
    }


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime(seconds))


def _print_event(container: containers.Container, action: str, **attributes: str) -> None:
    attributes |= {"name": container.record["name"], "image": container.record["image"]}
    event = {"Type": "container", "Action": action, "Actor": {"ID": container.record["id"], "Attributes": attributes}}
    os.write(1, (dumps({**event, "scope": "local", "time": int(time.time())}) + "\n").encode())


def _client(api: str) -> dict[str, str]:
    return {"Version": "28.2.2", "ApiVersion": api, "DefaultAPIVersion": "1.50", "Os": "linux", "Arch": "amd64"}


def _run_refused(text: str, out: str = "") -> Answer:
    return 125, out, f"docker: {text}{_SEE_HELP}"


def _no_such_image(name: str) -> str:
    if name.startswith("/"):
        return "invalid reference format"
    if name != name.lower():
        return f"invalid reference format: repository name (library/{name.partition(':')[0]}) must be lowercase"
    return f"Error response from daemon: No such image: {name}"


def _no_such_container(name: str) -> str:
    return f"Error response from daemon: No such container: {name}\n"


def _no_engine(verb: str, host: str) -> Answer:
    text = f"Cannot connect to the Docker daemon at {host}. Is the docker daemon running?"
    if verb == "run":
        return _run_refused(text)
    return 1, dumps({"Client": _client("1.50"), "Server": None}) + "\n" if verb == "version" else "", f"{text}\n"


def _unknown(argv: list[str]) -> NoReturn:
    text = f"FAKE DOCKER: I do not know this command line; teach me in tests/fakes/verbs.py: {argv}\n"
    with open(os.path.join(os.environ["FAKE_DOCKER_STATE"], "unknown"), "a", encoding="utf-8") as file:
        file.write(text)  # should whoever called us keep it to himself
    sys.stderr.write(text)
    sys.exit(97)
