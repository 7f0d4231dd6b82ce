"""Every recorded answer of docker and podman is read rightly; everything else is Unreadable."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivdocker.engine import parse
from ivdocker.engine.dialect import dialect_of
from ivdocker.engine.parse import Binding, ContainerState, Unreadable, image
from tests.unit.json_values import JSON_VALUES
from tests.unit.recordings import ENGINES, cases, recording


@pytest.mark.parametrize(
    ("config", "entrypoint", "command"),
    [
        ({"Entrypoint": ["a", "b"], "Cmd": None}, ("a", "b"), ()),
        ({"Entrypoint": "a b", "Cmd": ["c"]}, ("a b",), ("c",)),
        (None, (), ()),
    ],
)
def test_an_images_configuration_is_read(config: Any, entrypoint: tuple[str, ...], command: tuple[str, ...]) -> None:
    record = [{"Id": "sha256:1", "Os": "linux", "Architecture": "amd64", "Config": config}]
    found = image(json.dumps(record).encode())
    assert (found.entrypoint, found.command, found.env, found.labels) == (entrypoint, command, {}, {})


def test_an_images_environment_and_labels_are_read() -> None:
    config = {"Env": ["A=1", "B=x=y", "C"], "Labels": {"l": "v"}}
    found = image(json.dumps([{"Id": "i", "Config": config}]).encode())
    assert (found.env, found.labels) == ({"A": "1", "B": "x=y", "C": ""}, {"l": "v"})
    with pytest.raises(Unreadable):
        image(b'[{"Id": "i", "Config": 5}]')


DOCKER, PODMAN = dialect_of("docker"), dialect_of("podman")


def inspected(engine: str, case: str) -> ContainerState:
    found = recording(engine, case)
    return parse.container(found.stdout, found.dialect)


@pytest.mark.parametrize(("engine", "case"), [pair for pair in cases("*/inspect-*") if "not-found" not in pair[1]])
def test_every_recorded_container_can_be_read(engine: str, case: str) -> None:
    state = inspected(engine, case)
    assert len(state.id) == 64
    assert state.image_id.removeprefix("sha256:").isalnum()
    assert state.status in ("created", "running", "exited")
    assert state.has_ended == (state.status == "exited")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_port_published_on_loopback_is_found(engine: str) -> None:
    state = inspected(engine, "inspect-running-loopback")
    binding = state.binding(8501)
    assert state.status == "running"
    assert state.pid > 0
    assert binding is not None
    assert binding.address == binding.connect_host == "127.0.0.1"
    assert 1024 < binding.port < 65536


@pytest.mark.parametrize("engine", ENGINES)
def test_a_port_that_is_exposed_and_not_published_has_no_binding(engine: str) -> None:
    assert inspected(engine, "inspect-running-loopback").binding(8500) is None


@pytest.mark.parametrize("engine", ENGINES)
def test_a_port_on_every_interface_is_reached_over_ipv4_loopback(engine: str) -> None:
    state = inspected(engine, "inspect-running-every-interface")
    binding = state.binding(8501)
    assert binding is not None
    assert binding.address in ("0.0.0.0", "")
    assert binding.connect_host == "127.0.0.1"


@pytest.mark.parametrize("engine", ["docker-28.2", "docker-20.10"])
def test_docker_publishes_the_ipv6_twin_too(engine: str) -> None:
    found = inspected(engine, "inspect-running-every-interface").bindings[8501]
    assert [binding.connect_host for binding in found] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_container_that_was_only_created_has_neither_ended_nor_ports(engine: str) -> None:
    state = inspected(engine, "inspect-created")
    assert state.status == "created"
    assert not state.has_ended
    if engine.startswith("docker"):
        assert state.binding(8501) is None


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("case", "code"), [("exited-0", 0), ("exited-1", 1), ("exited-137-killed", 137)])
def test_an_exit_code_is_read(engine: str, case: str, code: int) -> None:
    state = inspected(engine, f"inspect-{case}")
    assert (state.has_ended, state.exit_code, state.oom_killed) == (True, code, False)


@pytest.mark.parametrize("engine", ["docker-28.2", "docker-20.10"])
def test_the_kernels_kill_for_memory_is_docker_s_own_flag(engine: str) -> None:
    state = inspected(engine, "inspect-exited-137-oom")
    assert (state.exit_code, state.oom_killed) == (137, True)


def test_podman_4_3_does_not_flag_the_kernels_kill_for_memory() -> None:
    state = inspected("podman-4.3", "inspect-exited-137-oom")
    assert (state.exit_code, state.oom_killed) == (137, False)


@pytest.mark.parametrize("engine", ["docker-28.2", "docker-20.10"])
def test_the_engines_word_on_a_failed_start_is_kept(engine: str) -> None:
    assert '"no-such-program": executable file not found' in inspected(engine, "inspect-start-failed").error


@pytest.mark.parametrize("engine", ENGINES)
def test_host_networking_is_told_by_its_mode_and_has_no_bindings(engine: str) -> None:
    state = inspected(engine, "inspect-running-host-network")
    assert state.network_mode == "host"
    assert dict(state.bindings) == {}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_container_without_ports_has_no_bindings(engine: str) -> None:
    state = inspected(engine, "inspect-running-no-ports")
    assert dict(state.bindings) == {}
    assert state.network_mode != "host"


@pytest.mark.parametrize("engine", ENGINES)
def test_no_such_container_is_no_container(engine: str) -> None:
    with pytest.raises(Unreadable):
        inspected(engine, "inspect-not-found")


def hand_written(case: str) -> ContainerState:
    return inspected("hand-written", case)


def test_docker_29_inspect_without_top_level_address_is_read() -> None:
    state = hand_written("docker-29-inspect-without-top-level-address")
    binding = state.binding(8501)
    assert binding is not None
    assert binding.address == "127.0.0.1"
    assert state.status == "running"


def test_an_ipv4_binding_wins_over_an_ipv6_one_with_another_port() -> None:
    binding = hand_written("inspect-ipv6-port-differs").binding(8501)
    assert binding == Binding("0.0.0.0", 49153)


def test_an_ipv6_binding_is_taken_where_there_is_no_other() -> None:
    binding = hand_written("inspect-ipv6-only").binding(8501)
    assert binding is not None
    assert (binding.connect_host, binding.port) == ("::1", 49154)


def test_null_ports_and_udp_are_no_bindings() -> None:
    state = hand_written("inspect-null-ports")
    assert [state.binding(port) for port in (8500, 8501, 9000)] == [None, None, None]


def test_a_binding_that_has_no_port_yet_is_none() -> None:
    assert hand_written("inspect-port-not-bound-yet").binding(8501) is None


def test_an_empty_host_ip_of_podman_means_loopback_too() -> None:
    record = recording("hand-written", "podman-inspect-empty-host-ip")
    binding = parse.container(record.stdout, PODMAN).binding(8501)
    assert binding is not None
    assert (binding.connect_host, binding.port) == ("127.0.0.1", 43981)


def test_podmans_word_stopped_is_dockers_exited() -> None:
    record = recording("hand-written", "podman-inspect-stopped")
    state = parse.container(record.stdout, PODMAN)
    assert (state.status, state.has_ended, state.exit_code) == ("exited", True, 143)


@pytest.mark.parametrize(
    ("word", "status", "ended"),
    [
        ("initialized", "created", False),
        ("configured", "created", False),
        ("stopping", "running", False),
        ("stopped", "exited", True),
        ("Running", "running", False),
        ("removing", "removing", True),
        ("paused", "paused", False),
    ],
)
def test_podmans_states_are_said_in_dockers_words(word: str, status: str, ended: bool) -> None:
    output = json.dumps([{"Id": "x", "State": {"Status": word}}]).encode()
    state = parse.container(output, PODMAN)
    assert (state.status, state.has_ended) == (status, ended)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "::1"])
def test_a_binding_on_one_address_is_reached_at_that_address(address: str) -> None:
    assert Binding(address, 1).connect_host == address


@pytest.mark.parametrize("engine", ENGINES)
def test_an_image_has_its_id_and_platform(engine: str) -> None:
    image = parse.image(recording(engine, "image-inspect").stdout)
    assert len(image.id.removeprefix("sha256:")) == 64
    assert image.platform == "linux/amd64"


@pytest.mark.parametrize("engine", ENGINES)
def test_an_image_that_is_not_there_is_unreadable(engine: str) -> None:
    with pytest.raises(Unreadable):
        parse.image(recording(engine, "image-not-found").stdout)


@pytest.mark.parametrize(
    ("engine", "name", "client", "server", "api"),
    [
        ("docker-28.2", "docker", "28.2.2", "20.10.24+dfsg1", "1.41"),
        ("docker-20.10", "docker", "20.10.24+dfsg1", "20.10.24+dfsg1", "1.41"),
        ("podman-4.3", "podman", "4.3.1", "4.3.1", "4.3.1"),
        ("hand-written", "docker", "29.1.0", "29.1.0", "1.52"),
    ],
)
def test_client_and_engine_versions_are_read(engine: str, name: str, client: str, server: str, api: str) -> None:
    case = "docker-29-version" if engine == "hand-written" else "version"
    found = recording(engine, case)
    version = parse.version(found.stdout, found.dialect)
    assert (version.name, version.client, version.server, version.api) == (name, client, server, api)
    assert version.platform == "linux/amd64"


@pytest.mark.parametrize(
    ("engine", "case"),
    [*cases("*/version-no-engine"), *cases("*/version-permission-denied"), *cases("hand-written/*version-no-engine")],
)
def test_a_version_without_an_engine_is_no_version(engine: str, case: str) -> None:
    found = recording(engine, case)
    with pytest.raises(Unreadable):
        parse.version(found.stdout, found.dialect)


@pytest.mark.parametrize("engine", ENGINES)
def test_containers_are_listed_with_their_labels(engine: str) -> None:
    found = {each.name: each for each in parse.listing(recording(engine, "ps").stdout)}
    assert sorted(found) == ["recorded-listed-1", "recorded-listed-2"]
    for each in found.values():
        assert each.labels == {"ivdocker.session": "abc", "ivdocker.owner-host": "build-host"}
        assert each.image.endswith("ivd-base:1")
    assert found["recorded-listed-1"].status.startswith("Up ")
    assert found["recorded-listed-2"].status.startswith("Exited (0)")


@pytest.mark.parametrize("engine", ENGINES)
def test_no_containers_are_listed_where_there_are_none(engine: str) -> None:
    assert parse.listing(recording(engine, "ps-none").stdout) == []


CONTAINERS = st.fixed_dictionaries(
    {},
    optional={
        "Id": JSON_VALUES,
        "State": st.fixed_dictionaries(
            {"Status": st.sampled_from(["running", "exited", "stopped"]) | JSON_VALUES},
            optional={"ExitCode": JSON_VALUES, "Pid": JSON_VALUES, "Error": JSON_VALUES, "OOMKilled": JSON_VALUES},
        ),
        "NetworkSettings": st.fixed_dictionaries(
            {}, optional={"Ports": JSON_VALUES | st.dictionaries(st.sampled_from(["1/tcp", "x/tcp", "2"]), JSON_VALUES)}
        ),
        "HostConfig": JSON_VALUES,
    },
)

READERS: list[tuple[Callable[[bytes], object], type]] = [
    (lambda output: parse.container(output, DOCKER), ContainerState),
    (lambda output: parse.container(output, PODMAN), ContainerState),
    (parse.image, parse.Image),
    (lambda output: parse.version(output, DOCKER), parse.EngineVersion),
    (lambda output: parse.version(output, PODMAN), parse.EngineVersion),
    (parse.listing, list),
]


def read_or_refused(read: Callable[[bytes], object], output: bytes) -> object:
    try:
        return read(output)
    except Unreadable as error:
        return error


@settings(max_examples=50, deadline=None, database=None)
@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_unreadable(output: bytes) -> None:
    for read, kind in READERS:
        assert isinstance(read_or_refused(read, output), (kind, Unreadable))


@settings(max_examples=50, deadline=None, database=None)
@given(JSON_VALUES | st.lists(CONTAINERS, max_size=2))
def test_any_json_is_read_or_unreadable(record: Any) -> None:
    for read, kind in READERS:
        assert isinstance(read_or_refused(read, json.dumps(record).encode()), (kind, Unreadable))


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'[{"Id": "x"}]',
        b'[{"Id": "x", "State": {"Status": "exited", "ExitCode": "zero"}}]',
        b'[{"Id": "x", "State": {"Status": "exited", "ExitCode": Infinity}}]',
        b'[{"Id": "x", "State": {"Status": "running"}, "NetworkSettings": {"Ports": {"1/tcp": [{"HostIp": "::"}]}}}]',
    ],
)
def test_what_is_no_container_is_unreadable(output: bytes) -> None:
    with pytest.raises(Unreadable):
        parse.container(output, DOCKER)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b'{"MemUsage":"512KiB / 23.54GiB"}\n', 512 << 10),
        (b'{"MemUsage":"1.5GiB / 2GiB"}', 3 << 29),
        (b'[{"mem_usage": "20.5MB / 25GB"}]', 20_500_000),
        (b'{"MemUsage":"0B / 0B"}', None),
    ],
)
def test_memory_in_use_is_read_from_the_stats_of_docker_and_podman(output: bytes, expected: int | None) -> None:
    assert parse.memory(output) == expected


@given(st.binary() | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_stats_of_any_other_shape_are_unreadable(output: bytes) -> None:
    found = read_or_refused(parse.memory, output)
    assert found is None or isinstance(found, (int, Unreadable))


def test_networks_are_read_from_docker_and_podman() -> None:
    docker = b'{"Name":"ivdocker-1","Labels":"ivdocker.session=x,ivdocker.owner-pid=7"}\n{"Name":"other","Labels":""}\n'
    podman = b'[{"name": "ivdocker-1", "labels": {"ivdocker.session": "x"}}]'
    assert [(each.name, each.labels.get("ivdocker.session")) for each in parse.networks(docker)] == [
        ("ivdocker-1", "x"),
        ("other", None),
    ]
    assert [(each.name, each.labels) for each in parse.networks(podman)] == [("ivdocker-1", {"ivdocker.session": "x"})]


@pytest.mark.parametrize(
    ("record", "limits", "root"),
    [
        (
            {"MemoryLimit": False, "CpuCfsQuota": True, "DockerRootDir": "/d", "Runtimes": {"runc": {}}},
            {"memory": False, "CPU": True},
            "/d",
        ),
        (
            {"host": {"cgroupControllers": ["memory", "pids"]}, "store": {"graphRoot": "/p"}},
            {"memory": True, "CPU": False},
            "/p",
        ),
    ],
    ids=["docker", "podman"],
)
def test_what_the_engine_can_do_is_read(record: Any, limits: dict[str, bool], root: str) -> None:
    found = parse.info(json.dumps(record).encode())
    assert (found.limits, found.root, found.warnings) == (limits, root, ())
    with pytest.raises(Unreadable):
        parse.info(b"[]")
