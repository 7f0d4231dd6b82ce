"""What the stand-in says: its log on stderr, and on stdout why it did not start."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False  # importing typing for it would slow each start
if TYPE_CHECKING:
    from typing import NoReturn

SERVING = "tensorflow_serving/"
STORAGE_PATH_SOURCE = SERVING + "sources/storage_path/file_system_storage_path_source.cc"
"""Where log lines come from."""


def log(level: str, place: str, message: str) -> None:
    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now)) + f".{int(now % 1 * 1e6):06d}"
    os.write(2, f"{stamp}: {level} {place}] {message}\n".encode())


def fail_start(error: str) -> NoReturn:
    os.write(1, f"Failed to start server. Error: {error}\n".encode())
    os._exit(255)


def wait_for_ever() -> NoReturn:
    while True:
        time.sleep(3600)
