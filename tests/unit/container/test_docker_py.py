"""docker-py's parameters become flags of docker run, or are refused by their names; none is dropped."""

# ruff: noqa: E501  (a table)
from __future__ import annotations

from typing import Any

import pytest

from ivdocker.container import docker_py
from ivdocker.container.options import RunOptions
from ivdocker.engine import argv
from ivdocker.engine.dialect import dialect_of
from ivdocker.errors import UsageError
from tests.unit.container.test_plan import spec_of

GPU = [["gpu"]]


def words(**params: Any) -> list[str]:
    plain = argv.run(spec_of(RunOptions()))
    return [word for word in argv.run(spec_of(RunOptions(), **params))
            if word not in plain and not word.startswith("--label=ivdocker.")]  # fmt: skip


@pytest.mark.parametrize(
    ("params", "flags"),
    [
        ({"mem_limit": "2g", "memswap_limit": -1, "shm_size": 1024}, {"--memory=2g", "--memory-swap=-1", "--shm-size=1024"}),
        ({"nano_cpus": 1_500_000_000, "cpu_shares": 5, "cpuset_cpus": "0,1"}, {"--cpus=1.5", "--cpu-shares=5", "--cpuset-cpus=0,1"}),
        ({"user": 1000, "runtime": "nvidia", "network": "backend"}, {"--user=1000", "--runtime=nvidia", "--network=backend"}),
        ({"network_mode": "bridge", "platform": "linux/amd64"}, {"--network=bridge", "--platform=linux/amd64"}),
        ({"entrypoint": "sh -c", "command": "'a b' c"}, {"--entrypoint=sh", "-c", "a b", "c"}),
        ({"entrypoint": [""], "command": ["x", 1]}, {"--entrypoint=", "x", "1"}),
        ({"environment": ["A=1=2", "B="]}, {"--env=A=1=2", "--env=B="}),
        ({"environment": {"A": 1, "NO_SUCH_VARIABLE": None}}, {"--env=A=1", "--env=NO_SUCH_VARIABLE"}),
        ({"volumes": {"/a": {"bind": "/b", "mode": "ro"}, "v": {"bind": "/c"}}}, {"--volume=/a:/b:ro", "--volume=v:/c:rw"}),
        ({"volumes": ["/a:/b", "/c"]}, {"--volume=/a:/b", "--volume=/c"}),
        ({"mounts": [{"Target": "/t", "Source": "/s", "Type": "bind", "ReadOnly": False}]}, {"--mount=type=bind,source=/s,target=/t"}),
        ({"mounts": [{"Target": "/t", "Source": None, "Type": "volume", "VolumeOptions": {"NoCopy": True}}]}, {"--mount=type=volume,target=/t,volume-nocopy"}),
        ({"mounts": [{"Target": "/t", "Type": "tmpfs", "TmpfsOptions": {"SizeBytes": 9, "Mode": 0o1777}}]}, {"--mount=type=tmpfs,target=/t,tmpfs-size=9,tmpfs-mode=1777"}),
        ({"labels": {"team": "a"}}, {"--label=team=a"}),
        ({"labels": ["team"]}, {"--label=team="}),
        ({"ports": {"8501/tcp": 9000, "53/udp": None, 7: ("0.0.0.0", 8)}}, {"--publish=127.0.0.1:9000:8501", "--publish=127.0.0.1::53/udp", "--publish=0.0.0.0:8:7"}),
        ({"device_requests": [{"Count": -1, "Capabilities": GPU}]}, {"--gpus=all"}),
        ({"device_requests": [{"device_ids": ["0", "2"], "capabilities": GPU}]}, {'--gpus="device=0,2"'}),
        ({"devices": ["/dev/a:/dev/b:r"], "cap_add": ["SYS_PTRACE"], "cap_drop": ["ALL"]}, {"--device=/dev/a:/dev/b:r", "--cap-add=SYS_PTRACE", "--cap-drop=ALL"}),
        ({"extra_hosts": {"h": "10.0.0.1"}, "hostname": "n", "ipc_mode": "host"}, {"--add-host=h:10.0.0.1", "--hostname=n", "--ipc=host"}),
        ({"privileged": True, "read_only": True, "tty": True, "stdin_open": True}, {"--privileged", "--read-only", "--tty", "--interactive"}),
        ({"tmpfs": {"/t": "size=1g", "/u": ""}, "working_dir": "/w"}, {"--tmpfs=/t:size=1g", "--tmpfs=/u", "--workdir=/w"}),
        ({"ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}], "sysctls": {"a": 1}}, {"--ulimit=nofile=1:2", "--sysctl=a=1"}),
        ({"log_config": {"Type": "json-file", "Config": {"max-size": "1g"}}}, {"--log-driver=json-file", "--log-opt=max-size=1g"}),
        ({"healthcheck": {"test": "true", "interval": 10**9}}, {"--health-cmd=true", "--health-interval=1000000000ns"}),
        ({"security_opt": ["seccomp=unconfined"]}, {"--security-opt=seccomp=unconfined"}),
        ({"detach": True, "remove": True, "restart_policy": {"Name": "no"}, "name": None, "init": True}, set()),
    ],
)  # fmt: skip
def test_a_parameter_is_honoured(params: dict[str, Any], flags: set[str]) -> None:
    assert set(words(**params)) == flags


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"name": "mine"}, "name cannot be used: ivdocker chooses"),
        ({"restart_policy": {"Name": "always"}}, "restart_policy cannot be used"),
        ({"log_config": {"Type": "none"}}, "log_config: the log of the driver 'none'"),
        ({"labels": {"ivdocker.session": "x"}}, "labels: 'ivdocker.session'"),
        ({"memory": "2g"}, "'memory' is no parameter"),
        ({"mem_limit": "lots"}, "mem_limit: expected a size"),
        ({"cap_add": "ALL"}, "cap_add: expected a list"),
        ({"command": "'a"}, "command: cannot be split"),
        ({"environment": {"PATH": None}}, "environment: PATH has no value"),
        ({"network": "a", "network_mode": "b"}, "network and network_mode exclude each other"),
        ({"network_mode": "none"}, "network 'none' leaves no way"),
        ({"network": "host", "ports": {8501: 1}}, "ports cannot be published"),
        ({"ports": {"8501/tcp": 99999}}, "ports: 99999 is not a port"),
        ({"mounts": ["/a:/b"]}, "mounts: expected a dict"),
        ({"device_requests": [{"Count": 1}]}, "device_requests: docker's command line requests GPUs"),
        ({"healthcheck": {"test": ["CMD", "x"]}}, "healthcheck: docker's command line"),
        ({"use_config_proxy": False}, "use_config_proxy"),
        *[({name: "x"}, f"{name} cannot be used") for name in docker_py.REFUSED if name != "restart_policy"],
    ],
)
def test_a_parameter_is_refused_by_its_name(params: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        words(**params)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", [".", "1", ".."])
def test_the_model_is_never_writable(tmp_path: Any, place: str) -> None:
    """Nor a version of it, nor the folder around it."""
    source = str(tmp_path / place)
    mount = {"Target": "/t", "Source": source, "Type": "bind", "ReadOnly": False}
    for params in ({"mounts": [mount]}, {"volumes": {source: {"bind": "/t"}}}):
        with pytest.raises(UsageError, match="could write into the model's folder"):
            docker_py.read({"image": "i", **params}, str(tmp_path), dialect_of("docker"))
