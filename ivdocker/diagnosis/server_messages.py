"""What the messages mean that any model server can write: those of the loader, libc, Python and its libraries.

A message that only one model server writes belongs into that server's file. To add a message, add a row here and a
sample of the message to the test.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from ivdocker.servers.base import LogPattern, denied

_row: Any = partial(LogPattern, position="end", min_level="error")
"""A row that is believed only at the end of a log: the server survives most such lines."""

_CPU = (
    "use a machine with a newer CPU, or an image that was built for older ones; in an emulated or virtual machine"
    " choose a CPU model that passes these instructions on"
)
_SHARED_MEMORY = "the container's shared memory (/dev/shm) is used up"
_MORE_SHARED_MEMORY = "give the container more with --shm-size, such as --shm-size 1g"
_DISK = (
    "free space on the engine's machine, for instance with docker system prune; docker system df shows what takes it"
)

SERVER_MESSAGES: tuple[LogPattern, ...] = (
    _row(
        r"[Ee]xec format error",
        "platform-mismatch",
        "the image is built for a CPU architecture that the engine's machine does not have",
        "use an image for this machine, choose the platform with --platform, or install emulation (binfmt)",
    ),
    _row(
        r"\[FATAL tini \(\d+\)\] exec (?P<program>\S+) failed: (?P<reason>No such file or directory|Permission denied)",
        "engine-error",
        "the image cannot start {program}: {reason}",
        "see whether it is the image that was meant, and the right kind of server (--server)",
    ),
    _row(
        r"(?i)\b(?:can only|must|has to) (?:be )?(?:run )?(?:as )?(?:pid|process (?:id|no|number)) ?1\b",
        "engine-error",
        "the image's program must be process 1, and docker's init is, which ivdocker adds",
        "leave the init out with --no-init",
    ),
    _row(
        r"No CUDA GPUs are available|CUDA driver version is insufficient|no CUDA-capable device|CUDA_ERROR_NO_DEVICE"
        r"|libcuda\.so(?:\.1)?: cannot open shared object|Found no NVIDIA driver|NVML Shared Library Not Found",
        "gpu-unavailable",
        "the server needs a GPU and its driver, but the container has none",
        "use --gpus all on a machine with a GPU and its driver, or use a CPU variant of the image",
        position="exception",
    ),
    _row(
        r"^\S{1,200}: error while loading shared libraries: (?P<library>libcuda\.so|libnvidia-ml\.so)",
        "gpu-unavailable",
        "the server needs a GPU's driver ({library}), but the container has none",
        "use --gpus all on a machine with a GPU and its driver, or use a CPU variant of the image",
    ),
    _row(
        r"was compiled to use (?P<tensorflow>[\w., /-]{1,80}?) instructions, but these aren't available"
        r"|built using (?P<jax>AVX\w*) instructions, which your CPU"
        r"|Fatal glibc error: CPU does not support (?P<glibc>\S+)"
        r"|NumPy was built with (?P<numpy>baseline optimizations)",
        "illegal-instruction",
        "this CPU lacks instructions that the image's programs need: {tensorflow}{jax}{glibc}{numpy}",
        _CPU,
    ),
    _row(
        r"[Aa]ddress already in use|Only one usage of each socket address|Errno 98\b|EADDRINUSE|Connection in use: \(",
        "not-listening",
        "the server's port is already taken in its container",
        "check what else the image starts; with --network host, check what listens on this machine",
    ),
    _row(
        r"/dev/shm.{0,300}[Nn]o space left on device|[Nn]o space left on device.{0,300}/dev/shm"
        r"|unable to allocate shared memory|unable to write to file </torch_|out of shared memory",
        "model-load-failed",
        _SHARED_MEMORY,
        _MORE_SHARED_MEMORY,
    ),
    _row(
        r"^OSError: \[Errno 28\] No space left on device\s*$",
        "model-load-failed",
        _SHARED_MEMORY,
        _MORE_SHARED_MEMORY,
        only_after=r"multiprocessing/(heap|shared_memory|synchronize)\.py",
    ),
    _row(
        r"^(?!.{0,1000}(?:/dev/shm|inotify|watch limit|</torch_))"
        r".*(?:[Nn]o space left on device|[Dd]isk quota exceeded)",
        "disk-full",
        "the disk of the container engine is full",
        _DISK,
    ),
    _row(
        r"error while loading shared libraries: (?P<library>[^:\s]+)",
        "container-exited",
        "the image lacks the library {library}",
        "use an image that has the library, or install it in the image",
    ),
    denied(),
)
"""Searched in the log of a server that ended, beside the server's own log_patterns."""
