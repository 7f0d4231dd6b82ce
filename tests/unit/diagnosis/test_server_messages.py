"""Every row of the table for any server has a message that it must match, and lines that it must not believe."""

from __future__ import annotations

import pytest

from ivdocker.diagnosis import server_log
from ivdocker.diagnosis.server_messages import SERVER_MESSAGES
from tests.unit.diagnosis.helpers import ended, first_row, flaws, log_patterns

SAMPLES = [
    ("[FATAL tini (7)] exec tritonserver failed: No such file or directory", "engine-error"),
    ("s6-overlay-suexec: fatal: can only run as pid 1", "engine-error"),
    ("runit: fatal: must be run as process no 1.", "engine-error"),
    ("exec /usr/bin/tf_serving_entrypoint.sh: exec format error", "platform-mismatch"),
    ("RuntimeError: CUDA error: CUDA driver version is insufficient for CUDA runtime version", "gpu-unavailable"),
    ("ImportError: libcuda.so.1: cannot open shared object file: No such file or directory", "gpu-unavailable"),
    ("  what():  CUDA runtime error in cudaGetDevice: no CUDA-capable device is detected", "gpu-unavailable"),
    ("RuntimeError: No CUDA GPUs are available", "gpu-unavailable"),
    (
        "(EngineCore pid=20) ERROR 11-22 22:30:57 [core.py:1510] RuntimeError: No CUDA GPUs are available",
        "gpu-unavailable",
    ),
    ("pynvml.NVMLError_LibraryNotFound: NVML Shared Library Not Found", "gpu-unavailable"),
    (
        "tritonserver: error while loading shared libraries: libnvidia-ml.so.1: cannot open shared object file",
        "gpu-unavailable",
    ),
    ("OSError: [Errno 98] Address already in use", "not-listening"),
    (
        "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 8080): address already in use",
        "not-listening",
    ),
    ("[2026-01-01 00:00:00 +0000] [7] [ERROR] Connection in use: ('0.0.0.0', 8080)", "not-listening"),
    ("OSError: [Errno 28] No space left on device: '/dev/shm/pymp-x1'", "model-load-failed"),
    ("RuntimeError: unable to write to file </torch_42_1>: No space left on device (28)", "model-load-failed"),
    (
        '  File "/usr/lib/python3.11/multiprocessing/heap.py", line 89, in __init__\n'
        "OSError: [Errno 28] No space left on device",
        "model-load-failed",
    ),
    ("OSError: [Errno 28] No space left on device: '/tmp/model'", "disk-full"),
    ("OSError: [Errno 28] No space left on device", "disk-full"),
    ("OSError: [Errno 122] Disk quota exceeded: '/root/.cache/x'", "disk-full"),
    ("tritonserver: error while loading shared libraries: libnuma.so.1: cannot open", "container-exited"),
    (
        "2026-01-01 00:00:00.1: F tensorflow/core/platform/cpu_feature_guard.cc:37] The TensorFlow library was "
        "compiled to use AVX instructions, but these aren't available on your machine.",
        "illegal-instruction",
    ),
    ("Fatal glibc error: CPU does not support x86-64-v2", "illegal-instruction"),
    (
        "RuntimeError: This version of jaxlib was built using AVX instructions, which your CPU and/or operating system "
        "do not support.",
        "illegal-instruction",
    ),
    ("RuntimeError: NumPy was built with baseline optimizations: ", "illegal-instruction"),
    ("PermissionError: [Errno 13] Permission denied: '/mnt/models/model.joblib'", "model-load-failed"),
]

SURVIVED = [
    "2026-01-01 00:00:00.1: W external/xla/dso_loader.cc:64] Could not load dynamic library 'libcuda.so.1'; dlerror: "
    "libcuda.so.1: cannot open shared object file: No such file or directory",
    "2026-01-01 00:00:00.1: E external/xla/cuda_driver.cc:265] failed call to cuInit: CUDA_ERROR_NO_DEVICE: no "
    "CUDA-capable device is detected",
    "ggml_cuda_init: failed to initialize CUDA: no CUDA-capable device is detected",
    "/x/torch/cuda/__init__.py:141: UserWarning: CUDA initialization: Found no NVIDIA driver on your system.",
    "WARNING mlflow.utils: Encountered unexpected error: ImportError: libcuda.so.1: cannot open shared object file",
    "2026-01-01 00:00:00,000 INFO no space left on device check passed",
    "W1122 16:00:00.000000 1 metrics.cc:1] metrics port 8002: address already in use",
]
"""Each of them stands in the log of a server that works."""


@pytest.mark.parametrize(("line", "code"), SAMPLES)
def test_what_any_server_may_say_has_its_code(line: str, code: str) -> None:
    failure = server_log.ended_container(ended(1), f"starting\n{line}\n", ())
    assert failure.code == code
    assert flaws(failure) == []


def test_every_row_of_the_table_for_any_server_has_a_sample() -> None:
    covered = {first_row(SERVER_MESSAGES, line.splitlines()[-1]) for line, _ in SAMPLES}
    missing = [row.pattern for i, row in enumerate(SERVER_MESSAGES) if i not in covered]
    assert not missing, f"add a sample for {missing}"


@pytest.mark.parametrize("line", SURVIVED)
@pytest.mark.parametrize("end", ["ValueError: the weights are rotten", "Segmentation fault (core dumped)", ""])
def test_a_line_that_a_server_survives_is_no_cause(line: str, end: str) -> None:
    """The log of a CPU's server has such lines: a model that cannot be loaded would be the environment's fault."""
    failure = server_log.ended_container(ended(1), f"{line}\n{end}\n", ())
    assert failure.code == "container-exited"
    assert not failure.is_environment
    assert end in failure.message


def test_a_caught_exception_does_not_hide_the_one_that_ended_the_server() -> None:
    log = (
        "Traceback (most recent call last):\n"
        "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory\n"
        "no GPU, using the CPU\n"
        "Traceback (most recent call last):\n"
        "ValueError: the weights are rotten\n"
    )
    failure = server_log.ended_container(ended(1), log, ())
    assert failure.code == "container-exited"
    assert "its last exception: ValueError: the weights are rotten" in failure.message


def test_what_other_processes_raise_at_the_end_does_not_hide_the_cause() -> None:
    log = (
        "RuntimeError: No CUDA GPUs are available\n"
        "RuntimeError: Engine core initialization failed. See root cause above.\n"
        "asyncio.exceptions.CancelledError\n"
        "KeyboardInterrupt\n"
    )
    assert server_log.ended_container(ended(1), log, log_patterns("openai")).code == "gpu-unavailable"


def test_an_exception_that_was_raised_from_another_is_one_cause() -> None:
    log = (
        "ImportError: libcuda.so.1: cannot open shared object file\n\n"
        "The above exception was the direct cause of the following exception:\n\n"
        "Traceback (most recent call last):\n"
        "RuntimeError: cannot start\n"
    )
    assert server_log.ended_container(ended(1), log, ()).code == "gpu-unavailable"


def test_a_server_at_work_has_survived_what_it_said_before() -> None:
    work = "".join(f"INFO:     request {number}\n" for number in range(60))
    failure = server_log.ended_container(ended(3), f"RuntimeError: No CUDA GPUs are available\n{work}", ())
    assert failure.code == "container-exited"


@pytest.mark.parametrize(
    ("kind", "relayed"),
    [
        ("triton", "E1122 1 x.cc:1] \"failed to load 'm' version 1: Internal: RuntimeError: {}\""),
        (
            "kserve",
            "ERROR:root:fail to load model m from dir /mnt/models. exception type X, exception msg: OSError: {}",
        ),
        ("openai", "(EngineCore pid=20) ERROR 11-22 22:30:57 [core.py:1510] RuntimeError: {}"),
        ("mlserver", "RuntimeError: {}\nCouldn't load model 'm'. Model will be removed from registry."),
        ("bentoml", "RuntimeError: {}\n[ERROR] [entry_service:S:1] Initializing service error"),
    ],
)
@pytest.mark.parametrize(
    ("words", "code"),
    [("No CUDA GPUs are available", "gpu-unavailable"), ("[Errno 28] No space left on device: '/tmp/x'", "disk-full")],
)
def test_a_servers_row_that_repeats_the_words_does_not_hide_the_environment(
    kind: str, relayed: str, words: str, code: str
) -> None:
    log = relayed.format(words)
    rows = log_patterns(kind)
    assert server_log.ended_container(ended(1), log, rows).code == code
    running = server_log.fatal_line(log.splitlines()[-1], log, rows)
    assert running is None or running.code == code


def test_a_program_that_aborts_for_want_of_instructions_is_told_from_one_that_is_broken() -> None:
    log = (
        "2026-01-01 00:00:00.1: F tensorflow/core/platform/cpu_feature_guard.cc:37] The TensorFlow library was "
        "compiled to use AVX2 instructions, but these aren't available on your machine.\n"
        "/usr/bin/tf_serving_entrypoint.sh: line 3:     7 Aborted (core dumped)\n"
    )
    failure = server_log.ended_container(ended(134), log, log_patterns("tensorflow-serving"))
    assert (failure.code, failure.signal) == ("illegal-instruction", "SIGABRT")
    assert "AVX2" in failure.message
