"""Every row of the engine's table has a message that it must match: a row without one fails here.

The messages come from the recordings; those that no recording holds are written below as the programs write them.
"""

from __future__ import annotations

import re

import pytest

from ivdocker.diagnosis import explain
from ivdocker.diagnosis.engine_messages import ENGINE_MESSAGES
from ivdocker.engine.client import EngineError
from ivdocker.errors import Failure
from tests.unit.diagnosis.helpers import first_row, flaws
from tests.unit.recordings import cases, recording

RECORDED = {
    "run-no-engine": "engine-unreachable",
    "version-no-engine": "engine-unreachable",
    "version-permission-denied": "engine-permission",
    "run-permission-denied": "engine-permission",
    "version-client-too-old": "engine-error",
    "run-client-too-new": "engine-error",
    "run-no-such-image": "image-not-found",
    "image-not-found": "image-not-found",
    "run-bad-image-name": "image-not-found",
    "pull-bad-name": "image-not-found",
    "pull-registry-unreachable": "image-not-found",
    "run-port-allocated": "port-unavailable",
    "run-bind-source-missing": "mount-not-found",
    "run-file-mounted-on-folder": "mount-not-found",
    "run-gpus-no-driver": "gpu-unavailable",
    "run-unknown-flag": "engine-error",
    "run-executable-not-found": "engine-error",
    "run-not-executable": "engine-error",
    "run-name-in-use": "engine-error",
    "docker-29-version-no-engine": "engine-unreachable",
    "docker-29-version-permission-denied": "engine-permission",
    "docker-29-run-no-engine": "engine-unreachable",
    "docker-29-run-permission-denied": "engine-permission",
}
"""The code of every recorded call that fails for a reason."""

FROM = "docker: Error response from daemon: "
REGISTRY = 'Error response from daemon: Get "https://registry-1.docker.io/v2/": '

ENGINE_SAMPLES = [
    ("Error: container-init binary not found on the host: stat /usr/libexec/podman/catatonit", "engine-error"),
    ("Error: runc: error setting rlimits for ready process: error setting rlimit type 7: no", "engine-error"),
    ('error during connect: Get "http://h:2375/v1.24/version": dial tcp: lookup h: no such host', "engine-unreachable"),
    ("error waiting for container: unexpected EOF", "engine-unreachable"),
    (f"{REGISTRY}toomanyrequests: You have reached your pull rate limit.", "registry-denied"),
    ("Error response from daemon: error parsing HTTP 429 response body: invalid character '<'", "registry-denied"),
    (f"{REGISTRY}received unexpected HTTP status: 429 Too Many Requests", "registry-denied"),
    (
        "Error response from daemon: pull access denied for x/y, repository does not exist or may require "
        "'docker login': denied: requested access to the resource is denied",
        "registry-denied",
    ),
    ("Error response from daemon: Head https://ghcr.io/v2/x/y/manifests/1: unauthorized", "registry-denied"),
    (f"{REGISTRY}no basic auth credentials", "registry-denied"),
    ("no matching manifest for linux/arm64/v8 in the manifest list entries", "platform-mismatch"),
    (
        f"{FROM}image with reference x:1 was found but does not match the specified platform: wanted linux/arm64, "
        "actual: linux/amd64",
        "platform-mismatch",
    ),
    (
        "Error response from daemon: manifest for tensorflow/serving:0 not found: manifest unknown: manifest unknown",
        "image-not-found",
    ),
    (f"{REGISTRY}dial tcp 10.0.0.1:443: i/o timeout", "image-not-found"),
    (f"{REGISTRY}net/http: TLS handshake timeout", "image-not-found"),
    (
        f"{FROM}failed to create task for container: OCI runtime create failed: nvidia-container-cli: "
        "initialization error: load library failed: libnvidia-ml.so.1: cannot open shared object file",
        "gpu-unavailable",
    ),
    (
        f"{FROM}failed to set up container networking: driver failed programming external connectivity on endpoint m: "
        "failed to bind host port 127.0.0.1:8501/tcp: address already in use",
        "port-unavailable",
    ),
    (
        f"{FROM}driver failed programming external connectivity on endpoint m (03b4461a): Error starting userland "
        "proxy: listen tcp4 10.9.9.9:32777: bind: cannot assign requested address",
        "port-unavailable",
    ),
    (
        "failed to register layer: write /usr/lib/libx.so: no space left on device",
        "disk-full",
    ),
    (f'{FROM}failed to create shim task: exec: "/entrypoint.sh": exec format error: unknown', "platform-mismatch"),
    ('Failed to initialize: unable to resolve docker endpoint: context "x": context not found', "engine-unreachable"),
    ("unable to resolve docker endpoint: open /root/.docker/ca.pem: no such file or directory", "engine-unreachable"),
    ("Error: dial unix /run/podman/podman.sock: connect: permission denied", "engine-permission"),
    (
        "request returned 500 Internal Server Error for API route and version http://x/v1.47/version, check if the "
        "server supports the requested API version",
        "engine-unreachable",
    ),
    (
        f"{FROM}mounts denied: \nThe path /home/me/model is not shared from the host and is not known to Docker.\n"
        "You can configure shared paths from Docker -> Preferences... -> Resources -> File Sharing.",
        "mount-not-found",
    ),
    ("Error: statfs /home/other/model: permission denied", "mount-not-found"),
    ("Error: crun: mount `/srv/m` to `models/m`: Permission denied: OCI permission denied", "mount-not-found"),
    ("Error: crun: mount `/srv/m` to `models/m`: No such file or directory", "mount-not-found"),
    (f"{FROM}runc create failed: container init was OOM-killed (memory limit too low?): unknown", "out-of-memory"),
    ("Error: rootlessport cannot expose privileged port 80, you can add 'net.ipv4.ip_unpriv", "port-unavailable"),
    ("Error: rootlessport listen tcp 127.0.0.1:8501: bind: address already in use", "port-unavailable"),
    ("Error response from daemon: all predefined address pools have been fully subnetted", "engine-error"),
    (f"{FROM}Unable to enable DNAT rule: iptables failed: No chain/target/match by that name", "engine-error"),
    (f"{FROM}runc create failed: error setting rlimit type 7: operation not permitted", "engine-error"),
    ("Error: crun: the requested cgroup controller `memory` is not available: OCI runtime error", "engine-error"),
    (
        "Error: writing blob: adding layer with blob: potentially insufficient UIDs or GIDs available in user "
        "namespace (requested 0:42 for /etc/gshadow)",
        "engine-error",
    ),
    (f"{FROM}fork/exec /usr/bin/containerd-shim-runc-v2: resource temporarily unavailable", "engine-error"),
    (
        'error getting credentials - err: exec: "docker-credential-desktop": executable file not found in $PATH',
        "registry-denied",
    ),
    (
        "Error: crun: executable file `tritonserver` not found in $PATH: No such file or directory: OCI runtime "
        "attempted to invoke a command that was not found",
        "engine-error",
    ),
    (f'{FROM}exec: "/repository/serve": stat /repository/serve: no such file or directory', "engine-error"),
    ("Error: crun: exec container process `/serve`: Exec format error: OCI runtime error", "platform-mismatch"),
    (
        f"{FROM}image with reference x:1 was found but does not provide the specified platform (linux/arm64)",
        "platform-mismatch",
    ),
    ('Error response from daemon: Head "https://ghcr.io/v2/x/y/manifests/1": denied', "registry-denied"),
    ('Error response from daemon: Head "https://ghcr.io/v2/x/y/manifests/1": denied: denied', "registry-denied"),
    (
        "Error response from daemon: unexpected status from HEAD request to https://h/v2/x: 403 Forbidden",
        "registry-denied",
    ),
    ("failed to authorize: failed to fetch oauth token: insufficient_scope: authorization failed", "registry-denied"),
    (
        'Error response from daemon: Head "https://h/v2/x/y/manifests/1": tls: failed to verify certificate: x509: '
        "certificate signed by unknown authority",
        "image-not-found",
    ),
    (f"{REGISTRY}http: server gave HTTP response to HTTPS client", "image-not-found"),
    (f"{REGISTRY}proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused", "image-not-found"),
    (f"{REGISTRY}received unexpected HTTP status: 503 Service Unavailable", "registry-denied"),
    (
        'failed to resolve reference "h/x:1": unexpected status from HEAD request to https://h/v2/x/manifests/1: 502 '
        "Bad Gateway",
        "registry-denied",
    ),
    (
        'Error: short-name "tensorflow/serving" did not resolve to an alias and no unqualified-search registries are '
        'defined in "/etc/containers/registries.conf"',
        "image-not-found",
    ),
    (
        'failed to resolve reference "h/x:1": failed to do request: Head "https://h/v2/x": dial tcp: lookup h: no such '
        "host",
        "image-not-found",
    ),
    ('Error response from daemon: Head "https://h/v2/x/y/manifests/1": net/http: request canceled', "image-not-found"),
    (
        "failed to copy: failed to send write: write /var/lib/docker/containerd/daemon/ingest/d1: no space left on "
        "device",
        "disk-full",
    ),
    ("Error: writing blob: storing blob to file /var/tmp/x: write /var/tmp/x: no space left on device", "disk-full"),
]


def failures_of_calls() -> list[tuple[str, str]]:
    """Engine and case of every recorded call whose failure means something."""
    found = [pair for pair in cases("*/*") if recording(*pair).returncode != 0]
    return [pair for pair in found if not re.search(r"(inspect|stop|rm|logs)-not-found", pair[1])]


def frames(message: str) -> list[str]:
    """What docker writes around an error."""
    return [frame for frame in ("Error response from daemon", "run --help", "docker: ", "Usage:") if frame in message]


def test_a_failure_with_flaws_is_found() -> None:
    assert flaws(Failure("engine-error", "")) == ["empty"]
    assert flaws(Failure("engine-error", "x" * 1000 + "\n")) == ["blanks at its ends", "several lines", "too long"]
    assert frames("docker: Error response from daemon: no") == ["Error response from daemon", "docker: "]


@pytest.mark.parametrize(("engine", "case"), failures_of_calls())
def test_every_recorded_failure_of_a_call_has_its_code(engine: str, case: str) -> None:
    failure = explain.engine_failure(recording(engine, case).error, "team/server:1")
    assert failure.code == RECORDED[case]
    assert failure.is_environment


@pytest.mark.parametrize(("engine", "case"), failures_of_calls())
def test_every_recorded_failure_of_a_call_is_told_in_one_line_without_dockers_frame(engine: str, case: str) -> None:
    failure = explain.engine_failure(recording(engine, case).error, "team/server:1")
    assert flaws(failure) == []
    assert frames(failure.message) == []


@pytest.mark.parametrize(("text", "code"), ENGINE_SAMPLES)
def test_an_engines_message_has_its_code(text: str, code: str) -> None:
    failure = explain.engine_failure(EngineError("failed", "docker run", text, 125))
    assert failure.code == code
    assert flaws(failure) == []
    assert frames(failure.message) == []


def test_every_row_of_the_engines_table_has_a_sample() -> None:
    texts = [text for text, _ in ENGINE_SAMPLES] + [recording(*pair).stderr for pair in failures_of_calls()]
    covered = {first_row(ENGINE_MESSAGES, text) for text in texts}
    missing = [row.pattern for i, row in enumerate(ENGINE_MESSAGES) if i not in covered]
    assert not missing, f"add a sample for {missing}"


@pytest.mark.parametrize(
    "text",
    [
        f"{REGISTRY}read tcp 10.0.0.2:43210->54.1.1.1:443: read: connection reset by peer",
        "Error response from daemon: failed to copy: httpReadSeeker: failed open: unexpected EOF",
    ],
)
def test_a_registry_that_breaks_off_is_not_called_an_engine_that_does_not_answer(text: str) -> None:
    """The daemon itself reports it, so the daemon is there."""
    assert explain.engine_failure(EngineError("failed", "docker pull", text, 1)).code != "engine-unreachable"


@pytest.mark.parametrize(
    "text",
    [
        "Error response from daemon: toomanyrequests: toomanyrequests",
        "Error response from daemon: error parsing HTTP 429 response body: invalid character '<'",
        f"{REGISTRY}received unexpected HTTP status: 429 Too Many Requests",
    ],
)
def test_a_rate_limit_is_told_from_an_image_that_is_denied(text: str) -> None:
    limited = explain.engine_failure(EngineError("failed", "docker pull", text, 1), "team/server:1")
    assert limited.message.startswith("the registry's rate limit is reached (team/server:1)")
    assert "wait" in (limited.hint or "")
    denied = "Error response from daemon: pull access denied for x/y: denied: denied"
    assert "limit" not in explain.engine_failure(EngineError("failed", "docker pull", denied, 1)).message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('failed to resolve reference "h/x": failed to do request: dial tcp: no such host', "cannot be reached"),
        (f"{REGISTRY}x509: certificate has expired", "certificate is not trusted"),
        (f"{REGISTRY}received unexpected HTTP status: 503 Service Unavailable", "out of order (503)"),
        (f"{FROM}mounts denied: \nThe path /m is not shared from the host", "does not share the model's folder"),
        ("Error: crun: executable file `x` not found in $PATH: No such file", "no program x"),
    ],
)
def test_what_was_found_out_is_said(text: str, words: str) -> None:
    assert words in explain.engine_failure(EngineError("failed", "docker run", text, 125), "h/x:1").message


@pytest.mark.parametrize("word", ["denied:", "unauthorized", "repository is not found", "manifest unknown"])
def test_a_word_in_a_path_is_no_message_of_a_registry(word: str) -> None:
    text = f'{FROM}invalid mount config for type "bind": bind source path does not exist: /srv/{word}/m'
    assert explain.engine_failure(EngineError("failed", "docker run", text, 125)).code == "mount-not-found"


WARNINGS = [
    "Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg.",
    'time="2026-01-01T00:00:00Z" level=warning msg="Failed, retrying: toomanyrequests: rate limit"',
    "WARNING: Error loading config file: /root/.docker/config.json: open: permission denied: unauthorized",
]


@pytest.mark.parametrize("warning", WARNINGS)
def test_a_warning_before_the_error_is_not_the_error(warning: str) -> None:
    text = f"{warning}\nError: statfs /srv/m: no such file or directory"
    failure = explain.engine_failure(EngineError("failed", "podman run", text, 125))
    assert failure.code == "mount-not-found"
    assert failure.message.endswith(": statfs /srv/m: no such file or directory")


@pytest.mark.parametrize("warning", WARNINGS)
def test_an_error_that_looks_like_a_warning_is_shown_where_there_is_no_other(warning: str) -> None:
    assert explain.engine_failure(EngineError("failed", "podman run", warning, 125)).message


@pytest.mark.parametrize(("text", "code"), ENGINE_SAMPLES)
def test_the_advice_fits_the_engine(text: str, code: str) -> None:  # noqa: ARG001
    """No podman advice on docker, and no docker command on podman."""
    on_docker = explain.engine_failure(EngineError("failed", "/usr/bin/docker run", text, 125)).hint or ""
    on_podman = explain.engine_failure(EngineError("failed", "/usr/bin/podman run", text, 125)).hint or ""
    assert "containers.conf" not in on_docker or text.startswith("Error: ")
    assert not re.search(r"docker (login|logout|pull|load|ps|system|network|image)", on_podman)


def test_an_engines_message_that_nobody_knows_stays_an_engine_error_with_its_text() -> None:
    text = f"{FROM}the frobnicator is jammed\n\nRun 'docker run --help' for more information\n"
    failure = explain.engine_failure(EngineError("failed", "docker run", text, 125))
    assert failure.code == "engine-error"
    assert failure.message == "the engine refused: the frobnicator is jammed"


def test_a_call_that_fails_without_a_word_names_its_exit_code_and_command() -> None:
    failure = explain.engine_failure(EngineError("failed", "docker run x", "", 125))
    assert failure.code == "engine-error"
    assert "exit code 125" in failure.message
    assert "docker run x" in failure.message


@pytest.mark.parametrize(
    ("kind", "code"), [("missing", "engine-missing"), ("timeout", "engine-timeout"), ("unreadable", "engine-error")]
)
def test_a_call_that_could_not_be_made_has_its_code(kind: str, code: str) -> None:
    failure = explain.engine_failure(EngineError(kind, "docker version", "no answer in 60 s"))
    assert failure.code == code
    assert flaws(failure) == []


@pytest.mark.parametrize("case", ["run-no-such-image", "run-bad-image-name"])
def test_the_image_is_named_where_the_cause_is_the_image(case: str) -> None:
    failure = explain.engine_failure(recording("docker-20.10", case).error, "team/server:1")
    assert "(team/server:1)" in failure.message


def test_a_very_long_message_is_cut() -> None:
    failure = explain.engine_failure(EngineError("failed", "docker run", "x" * 100_000, 125))
    assert flaws(failure) == []
