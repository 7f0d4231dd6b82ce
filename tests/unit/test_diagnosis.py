"""Every row of every table has a line that it must match: a row without one fails here.

The samples of the engines come from the recordings; those that no recording holds, and the servers' log lines, are
written below as the programs write them.
"""

from __future__ import annotations

import re

import pytest

from ivdocker.diagnosis import explain
from ivdocker.diagnosis.engine_messages import ENGINE_MESSAGES, SERVER_MESSAGES
from ivdocker.engine.client import EngineError
from ivdocker.engine.parse import ContainerState
from ivdocker.errors import Failure
from ivdocker.servers.base import LogPattern
from ivdocker.servers.client import MAY_NOT_READ
from ivdocker.servers.registry import SERVERS
from tests.unit.recordings import cases, recording
from tests.unit.server_samples import SAMPLES

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
        "failed to register layer: write /usr/lib/libx.so: no space left on device",
        "disk-full",
    ),
    (f'{FROM}failed to create shim task: exec: "/entrypoint.sh": exec format error: unknown', "platform-mismatch"),
]

ANY_SERVER_SAMPLES = [
    ("exec /usr/bin/tf_serving_entrypoint.sh: exec format error", "platform-mismatch"),
    ("CUDA error: CUDA driver version is insufficient for CUDA runtime version", "gpu-unavailable"),
    ("ImportError: libcuda.so.1: cannot open shared object file: No such file or directory", "gpu-unavailable"),
    ("OSError: [Errno 98] Address already in use", "not-listening"),
    ("OSError: [Errno 28] No space left on device: '/dev/shm/pymp-x1'", "model-load-failed"),
    ("OSError: [Errno 28] No space left on device: '/tmp/model'", "disk-full"),
    ("tritonserver: error while loading shared libraries: libnuma.so.1: cannot open", "container-exited"),
    ("PermissionError: [Errno 13] Permission denied: '/mnt/models/model.joblib'", "model-load-failed"),
]

TENSORFLOW_SERVING_SAMPLES = [
    (
        "2025-01-01 00:00:00.1: W tensorflow_serving/sources/storage_path/file_system_storage_path_source.cc:297] "
        "No versions of servable half_plus_two found under base path /models/half_plus_two. Did you forget to name "
        "your leaf directory as a number (eg. '/1/')?",
        "model-load-failed",
        "half_plus_two",
    ),
    (
        "2025-01-01 00:00:00.1: E tensorflow_serving/sources/storage_path/file_system_storage_path_source.cc:353] "
        "FileSystemStoragePathSource encountered a filesystem access error: Could not find base path /models/m for "
        "servable m with error NOT_FOUND: /models/m not found",
        "model-not-found",
        "/models/m",
    ),
    (
        "2025-01-01 00:00:00.1: E tensorflow_serving/util/retrier.cc:37] Loading servable: {name: m version: 1} "
        "failed: File system access error: /models/m/1/saved_model.pb; Permission denied",
        "model-load-failed",
        "Permission denied",
    ),
    (
        "2025-01-01 00:00:00.1: E tensorflow_serving/util/retrier.cc:37] Loading servable: {name: m version: 1} "
        "failed: NOT_FOUND: Could not find SavedModel .pb or .pbtxt at supplied export directory path: /models/m/1. ",
        "model-load-failed",
        "/models/m/1",
    ),
    (
        "Loading servable: {name: m version: 1} failed: DATA_LOSS: Can't parse /models/m/1/saved_model.pb as binary "
        "proto",
        "model-load-failed",
        "damaged",
    ),
    (
        "Loading servable: {name: m version: 1} failed: NOT_FOUND: Op type not registered 'RegexSplitWithOffsets' in "
        "binary running on 0a1b2c3d.",
        "model-load-failed",
        "RegexSplitWithOffsets",
    ),
    (
        "Loading servable: {name: m version: 1} failed: NOT_FOUND: Could not find meta graph def matching supplied "
        "tags: { serve }. To inspect available tag-sets in the SavedModel, use saved_model_cli",
        "model-load-failed",
        "{ serve }",
    ),
    (
        "Loading servable: {name: m version: 1} failed: DATA_LOSS: not an sstable (bad magic number)",
        "model-load-failed",
        "not an sstable",
    ),
    (
        "2025-01-01 00:00:00.1: E tensorflow_serving/model_servers/server.cc:445] Failed to start HTTP Server at "
        "localhost:8501",
        "not-listening",
        "REST",
    ),
    (
        "2025-01-01 00:00:00.1: E tensorflow_serving/util/retrier.cc:37] Loading servable: {name: m version: 3} "
        "failed: INVALID_ARGUMENT: something nobody has seen before",
        "model-load-failed",
        "something nobody has seen before",
    ),
    (
        "2025-01-01 00:00:00.1: E tensorflow_serving/util/retrier.cc:37] Reserving resources for servable: {name: m "
        "version: 3} failed: PERMISSION_DENIED: /models/m/3; Permission denied",
        "model-load-failed",
        "/models/m/3; Permission denied",
    ),
    (
        "[libprotobuf ERROR external/com_google_protobuf/src/google/protobuf/text_format.cc:335] Error parsing "
        'text-format tensorflow.serving.ModelServerConfig: 4:9: Message type "tensorflow.serving.ModelConfig" has no '
        'field named "path".',
        "model-load-failed",
        'models.config:4:9: Message type "tensorflow.serving.ModelConfig" has no field named "path"',
    ),
    (
        "2025-01-01 00:00:00.1: W tensorflow_serving/sources/storage_path/file_system_storage_path_source.cc:236] "
        "Version 7 of servable m, which was requested to be served as a 'specific' version in the servable's version "
        "policy, was not found in the file system",
        "model-load-failed",
        "version 7 of model 'm'",
    ),
    (
        "Failed to start server. Error: FAILED_PRECONDITION: Request to assign label to version 1 of model m, which is "
        "not currently available for inference",
        "model-load-failed",
        "label to version 1 of model m",
    ),
    (
        "Failed to start server. Error: INVALID_ARGUMENT: Expected model m to have an absolute path or URI; got "
        "base_path()=m",
        "model-load-failed",
        "refuses models.config: Expected model m",
    ),
    (
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: {m}",
        "container-exited",
        "1 servable(s) did not become available",
    ),
]

TRITON_SAMPLES = [
    (
        "E1122 16:00:00.000000 1 model_lifecycle.cc:642] \"failed to load 'm' version 1: Internal: Python model file "
        "not found in neither '/models/m/1/model.py' nor '/opt/backends/python/model.py'\"",
        "model-load-failed",
        "/models/m/1/model.py",
    ),
    (
        "E1122 16:00:00.000000 1 model_lifecycle.cc:642] \"failed to load 'm' version 1: Invalid argument: unable to "
        "find backend library for backend 'onnxruntime', try specifying runtime on the model configuration.\"",
        "model-load-failed",
        "onnxruntime",
    ),
    (
        "E1122 16:00:00.000000 1 model_repository_manager.cc:1186] Invalid argument: at least one version must be "
        "available under the version policy of model 'm'",
        "model-load-failed",
        "numbered",
    ),
    (
        "E1122 16:00:00.000000 1 model_repository_manager.cc:1460] \"Poll failed for model directory 'm': failed to "
        "read text proto from /models/m/config.pbtxt: Error parsing text-format inference.ModelConfig: 3:1: Message "
        'type has no field named \\"colour\\"."',
        "model-load-failed",
        "3:1",
    ),
    (
        "E1122 16:00:00.000000 1 model_lifecycle.cc:642] instance group m_0 of model m has kind KIND_GPU but no GPUs "
        "are available",
        "gpu-unavailable",
        "KIND_GPU",
    ),
    (
        "E1122 16:00:00.000000 1 model_lifecycle.cc:642] \"failed to load 'm' version 1: Internal: Unable to "
        "initialize shared memory key 'triton_python_backend_shm_region_1' to requested size\"",
        "model-load-failed",
        "shared memory",
    ),
    (
        "E1122 16:00:00.000000 1 model_lifecycle.cc:642] \"failed to load 'm' version 1: Internal: ValueError: the "
        'weights are rotten\\n\\nAt:\\n  /models/m/1/model.py(8): initialize\\n"',
        "model-load-failed",
        "the weights are rotten",
    ),
    (
        "E1122 16:00:00.000000 1 model_repository_manager.cc:1460] \"Poll failed for model directory 'm': unexpected "
        "platform type '' for m\"",
        "model-load-failed",
        "unexpected platform type",
    ),
    (
        "E1122 16:00:00.000000 1 main.cc:357] \"failed to start HTTP service: Unavailable - Socket '0.0.0.0:8000' "
        'already in use"',
        "not-listening",
        "Socket '0.0.0.0:8000' already in use",
    ),
    (
        "error: creating server: Internal - failed to load all models",
        "container-exited",
        "failed to load all models",
    ),
]

SERVER_SAMPLES = {"tensorflow-serving": TENSORFLOW_SERVING_SAMPLES, "triton": TRITON_SAMPLES, **SAMPLES}
ALL_SERVER_SAMPLES = [(kind, *sample) for kind, samples in SERVER_SAMPLES.items() for sample in samples]


def log_patterns(kind: str) -> tuple[LogPattern, ...]:
    return next(server.binary.log_patterns for server in SERVERS if server.binary.kind == kind)


def first_row(rows: tuple[LogPattern, ...], text: str) -> int | None:
    return next((i for i, row in enumerate(rows) if re.search(row.pattern, text, re.IGNORECASE)), None)


def failures_of_calls() -> list[tuple[str, str]]:
    """Engine and case of every recorded call whose failure means something."""
    found = [pair for pair in cases("*/*") if recording(*pair).returncode != 0]
    return [pair for pair in found if not re.search(r"(inspect|stop|rm|logs)-not-found", pair[1])]


def ended(exit_code: int, *, oom: bool = False, error: str = "") -> ContainerState:
    return ContainerState("id", "image", "exited", exit_code, oom, error, 0, {}, "default")


def flaws(failure: Failure) -> list[str]:
    """What keeps a failure from being one line that can be read."""
    message = failure.message
    wrong = {
        "empty": not message,
        "blanks at its ends": message.strip() != message,
        "several lines": "\n" in message + (failure.hint or ""),
        "too long": len(message) >= 1000,
    }
    return [flaw for flaw, holds in wrong.items() if holds]


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


@pytest.mark.parametrize(("line", "code"), ANY_SERVER_SAMPLES)
def test_what_any_server_may_say_has_its_code(line: str, code: str) -> None:
    failure = explain.ended_container(ended(1), f"starting\n{line}\n", ())
    assert failure.code == code
    assert flaws(failure) == []


def test_every_row_of_the_table_for_any_server_has_a_sample() -> None:
    covered = {first_row(SERVER_MESSAGES, line) for line, _ in ANY_SERVER_SAMPLES}
    missing = [row.pattern for i, row in enumerate(SERVER_MESSAGES) if i not in covered]
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


@pytest.mark.parametrize("kind", [server.binary.kind for server in SERVERS])
def test_every_row_of_every_servers_table_has_a_sample(kind: str) -> None:
    rows = log_patterns(kind)
    covered = {first_row(rows, line) for line, _, _ in SERVER_SAMPLES.get(kind, [])}
    missing = [row.pattern for i, row in enumerate(rows) if i not in covered]
    assert not missing, f"add a sample for {missing}"


@pytest.mark.parametrize(("kind", "line", "code", "words"), ALL_SERVER_SAMPLES)
def test_a_servers_last_words_have_their_code_and_name_the_cause(kind: str, line: str, code: str, words: str) -> None:
    log = f"starting\n{line}\nexiting\n"
    failure = explain.ended_container(ended(1), log, log_patterns(kind))
    assert failure.code == code
    assert words in failure.message
    assert "{" not in failure.message.replace("{ serve }", "").replace("{m}", "")
    assert failure.log_tail == ("starting", line.rstrip(), "exiting")
    assert flaws(failure) == []


@pytest.mark.parametrize(("kind", "line", "code"), [sample[:3] for sample in ALL_SERVER_SAMPLES])
def test_a_line_that_ends_all_hope_is_found_while_the_server_runs(kind: str, line: str, code: str) -> None:
    rows = log_patterns(kind)
    fatal = tuple(row for row in rows if row.fatal)
    pattern = explain.fatal_pattern(rows) or re.compile(b"$^")
    failure = explain.fatal_line(line, "", rows)
    found = pattern.search(f"starting\n{line}\nanother line\n".encode())
    assert (failure is not None) == (found is not None) == (first_row(fatal, line) is not None)
    if failure is not None:
        assert failure.code in {code, "model-load-failed"}
        assert flaws(failure) == []


@pytest.mark.parametrize(("kind", "line"), [sample[:2] for sample in ALL_SERVER_SAMPLES])
def test_a_fatal_line_ends_at_its_line_break(kind: str, line: str) -> None:
    """What is searched is a piece of the log, many lines at once: the next line is no part of the cause."""
    pattern = explain.fatal_pattern(log_patterns(kind)) or re.compile(b"$^")
    unquoted = line.replace('"', "")
    for text in (line, unquoted):
        found = pattern.search(f"{text}\nanother line; of the server\n".encode())
        assert found is None or found.end() <= len(text.encode())


def test_a_server_without_fatal_lines_has_no_pattern() -> None:
    assert explain.fatal_pattern([]) is None
    assert explain.fatal_line("anything", "", []) is None


def test_a_harmless_line_is_not_fatal() -> None:
    for kind in SERVER_SAMPLES:
        assert (
            explain.fatal_line("I server.cc:1] Exporting HTTP/REST API at:localhost:8501 ...", "", log_patterns(kind))
            is None
        )


def test_out_of_memory_is_said_only_when_the_engine_flags_it() -> None:
    assert explain.ended_container(ended(137, oom=True), "", ()).code == "out-of-memory"
    killed = explain.ended_container(ended(137), "", ())
    assert killed.code == "container-exited"
    assert (killed.exit_code, killed.signal, killed.oom_killed) == (137, "SIGKILL", False)
    assert "memory" not in killed.message


def test_out_of_memory_weighs_more_than_what_the_log_says() -> None:
    line = TENSORFLOW_SERVING_SAMPLES[0][0]
    failure = explain.ended_container(ended(137, oom=True), line, log_patterns("tensorflow-serving"))
    assert failure.code == "out-of-memory"


def test_an_illegal_instruction_is_told_by_its_signal() -> None:
    failure = explain.ended_container(ended(132), "", ())
    assert (failure.code, failure.signal) == ("illegal-instruction", "SIGILL")


@pytest.mark.parametrize(
    ("exit_code", "name"),
    [(0, None), (1, None), (127, None), (128, None), (132, "SIGILL"), (137, "SIGKILL"), (139, "SIGSEGV"),
     (143, "SIGTERM"), (255, None)],
)  # fmt: skip
def test_an_exit_code_over_128_is_a_signal_where_there_is_one(exit_code: int, name: str | None) -> None:
    assert explain.signal_name(exit_code) == name


def test_an_end_that_nobody_knows_stays_container_exited_with_the_last_words() -> None:
    failure = explain.ended_container(ended(3), "hello\nthe frobnicator is jammed\n\n", log_patterns("triton"))
    assert failure.code == "container-exited"
    assert "the frobnicator is jammed" in failure.message
    assert "exit code 3" in failure.message


def test_an_end_without_a_word_says_so() -> None:
    failure = explain.ended_container(ended(0), "", ())
    assert failure.code == "container-exited"
    assert "its log is empty" in failure.message
    assert failure.log_tail == ()


def test_a_start_error_of_the_engine_is_told() -> None:
    failure = explain.ended_container(ended(127, error='exec: "x": executable file not found\nin $PATH'), "", ())
    assert failure.code == "container-exited"
    assert 'exec: "x": executable file not found in $PATH' in failure.message
    assert flaws(failure) == []


def test_the_last_ten_lines_of_a_log_are_shown_and_none_too_long() -> None:
    tail = explain.log_tail("\n".join([*(f"line {n}\n" for n in range(50)), "x" * 10_000]))
    assert len(tail) == 10
    assert tail[0] == "line 41"
    assert len(tail[-1]) < 500


def test_the_log_is_shown_around_the_line_that_names_the_cause() -> None:
    cause = "Loading servable: {name: m version: 1} failed: DATA_LOSS: rotten"
    noise = [f"line {number}" for number in range(60)]
    log = "\n\n".join([*noise[:30], cause, *noise[30:], ""])
    ended_with = explain.ended_container(ended(1), log, log_patterns("tensorflow-serving"))
    assert ended_with.log_tail == (*noise[24:30], cause, *noise[30:33])
    still_running = explain.fatal_line(cause, log, log_patterns("tensorflow-serving"))
    assert still_running is not None
    assert still_running.log_tail == ended_with.log_tail


@pytest.mark.parametrize(("before", "after"), [(0, 20), (3, 20), (20, 0), (20, 2), (2, 2)])
def test_as_many_lines_are_shown_where_the_cause_stands_near_an_end(before: int, after: int) -> None:
    lines = [*(f"before {number}" for number in range(before)), "cause", *(f"after {n}" for n in range(after))]
    shown = explain.log_tail("\n".join(lines), "cause")
    assert len(shown) == min(10, len(lines))
    assert "cause" in shown
    assert "\n".join(shown) in "\n".join(lines)


def test_a_cause_that_the_log_does_not_hold_any_more_leaves_the_last_lines() -> None:
    log = "\n".join(f"line {number}" for number in range(50))
    assert explain.log_tail(log, "a line that was left out") == explain.log_tail(log)


def test_braces_and_percent_signs_in_a_log_are_only_text() -> None:
    line = "Loading servable: {name: m version: 1} failed: {0} {name!x} %s"
    failure = explain.ended_container(ended(1), line, log_patterns("tensorflow-serving"))
    assert "{0} {name!x} %s" in failure.message


def test_the_rest_of_the_log_names_the_cause_more_closely_than_the_fatal_line() -> None:
    line = "Loading servable: {name: m version: 1} failed: NOT_FOUND"
    log = (
        f"{line}\nFailed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        "{{name: m version: 1} due to error: NOT_FOUND: Could not find SavedModel .pb or .pbtxt at supplied export "
        "directory path: /models/m/1. Check that the directory exists and that you have the right permissions "
        "for accessing it.}, }\n"
    )
    failure = explain.fatal_line(line, log, log_patterns("tensorflow-serving"))
    assert failure is not None
    assert failure.message == "there is no saved_model.pb in version 1 of model 'm' (in the container: /models/m/1)"


@pytest.mark.parametrize(
    ("kind", "line"),
    [(kind, line) for kind, line, *_ in ALL_SERVER_SAMPLES if "Permission denied" in line]
    + [
        (
            "triton",
            "failed to load 'm' version 1: Internal: PermissionError: [Errno 13] Permission denied: '/models/m'",
        ),
        ("kserve", "fail to load model m from dir /mnt/models. [Errno 13] Permission denied: '/mnt/models'"),
        ("http", "PermissionError: [Errno 13] Permission denied: '/srv/model'"),
    ],
)
def test_whoever_meets_a_denied_file_is_told_of_selinux_too(kind: str, line: str) -> None:
    rows = log_patterns(kind)
    told = [explain.ended_container(ended(1), line, rows), explain.fatal_line(line, "", rows)]
    assert {failure.hint for failure in told if failure} == {MAY_NOT_READ}
    assert "SELinux" in MAY_NOT_READ


def test_a_denied_model_file_weighs_more_than_that_the_model_did_not_load() -> None:
    log = (
        "Couldn't load model 'm'. Model will be removed from registry.\n"
        "PermissionError: [Errno 13] Permission denied: '/mnt/models/m/weights.json'\n"
    )
    failure = explain.fatal_line(log.splitlines()[0], log, log_patterns("mlserver"))
    assert failure is not None
    assert failure.message == "the server is denied access to /mnt/models/m/weights.json"


def test_of_two_models_that_cannot_load_each_has_its_own_cause() -> None:
    failures = (
        "{{name: a version: 1} due to error: RESOURCE_EXHAUSTED: no room}, "
        "{{name: b version: 2} due to error: NOT_FOUND: Op type not registered 'X' in binary running on h.}, "
    )
    log = f"Failed to start server. Error: UNKNOWN: 2 servable(s) did not become available: {{{failures}}}"
    failure = explain.ended_container(ended(255), log, log_patterns("tensorflow-serving"))
    assert failure.message.startswith("model 'b' uses the operation 'X', which this server does not have")
