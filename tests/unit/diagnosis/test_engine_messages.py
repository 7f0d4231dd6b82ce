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
