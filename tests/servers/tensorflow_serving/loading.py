"""Finds the models' versions and loads them, each in a thread of its own, as the scripted faults demand."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

from console import SERVING, STORAGE_PATH_SOURCE, fail_start, log, wait_for_ever
from half_plus_two import Servable

TYPE_CHECKING = False  # importing typing for it would slow each start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from model_config import ModelConfig


class LoadError(Exception):
    pass


# Versions


def find_versions(config: ModelConfig) -> dict[int, str]:
    """The folders of the versions to load, the newest first. Raises LoadError where the base path is not to be read."""
    name, base = config.name, config.base_path
    if "://" in base:
        return {1: f"{base}/1"}
    try:
        entries = os.listdir(base)
    except FileNotFoundError:
        missing = f"{base} for servable {name} with error NOT_FOUND: {base} not found"
        raise LoadError(f"Could not find base path {missing}") from None
    except OSError as error:
        raise LoadError(f"{base}; {error.strerror}") from None
    there = {int(entry): f"{base}/{entry}" for entry in sorted(entries) if entry.isascii() and entry.isdigit()}
    newest = sorted(there, reverse=True)
    if config.specific is None:
        wanted = newest[: config.latest]
    else:
        wanted = [version for version in newest if version in config.specific]
        warn_of_missing(config, there)
    if not wanted:
        hint = "Did you forget to name your leaf directory as a number (eg. '/1/')?"
        log("W", STORAGE_PATH_SOURCE + ":297", f"No versions of servable {name} found under base path {base}. {hint}")
    return {version: there[version] for version in wanted}


def warn_of_missing(config: ModelConfig, there: dict[int, str]) -> None:
    for version in config.specific or []:
        if version not in there:
            policy = "which was requested to be served as a 'specific' version in the servable's version policy"
            told = f"Version {version} of servable {config.name}, {policy}, was not found in the file system"
            log("W", STORAGE_PATH_SOURCE + ":236", told)


def poll(configs: list[ModelConfig]) -> dict[str, dict[int, str]]:
    """All models' versions. One base path that cannot be read keeps every model from being found."""
    try:
        return {config.name: find_versions(config) for config in configs}
    except LoadError as error:
        told = f"FileSystemStoragePathSource encountered a filesystem access error: {error}"
        log("E", STORAGE_PATH_SOURCE + ":353", told)
        return {}


def read_faults(folder: str) -> dict[str, Any]:
    try:
        with open(os.path.join(folder, "standin.json"), encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return {}
    import json

    faults: dict[str, Any] = json.loads(text)
    return faults


# One version


def retry(description: str, attempt: Callable[[], None], flags: dict[str, Any]) -> None:
    """Raises the last LoadError. Says 'exhausted' after a success of the last attempt too, as the original does."""
    retries = flags["max_num_load_retries"]
    failure = None
    for tries in range(1, retries + 2):
        try:
            failure = None
            attempt()
        except LoadError as error:
            failure = error
            log("E", SERVING + "util/retrier.cc:37", f"{description} failed: {error}")
        if tries == retries + 1:
            log("I", SERVING + "util/retrier.cc:49", f"Retrying of {description} exhausted max_num_retries: {retries}")
        if failure is None:
            return
        if tries <= retries:
            time.sleep(flags["load_retry_interval_micros"] / 1e6)
            log("I", SERVING + "util/retrier.cc:33", f"Retrying of {description} retry: {tries}")
    raise failure or LoadError("INVALID_ARGUMENT: max_num_load_retries is negative")


def check_folder_is_readable(folder: str) -> None:
    if "://" in folder:
        return
    try:
        os.listdir(folder)
    except OSError as error:
        raise LoadError(f"PERMISSION_DENIED: {folder}; {error.strerror}") from None


def read_saved_model(folder: str) -> None:
    if "://" in folder:
        return
    log("I", "tensorflow/cc/saved_model/reader.cc:83", f"Reading SavedModel from: {folder}")
    for name in ("saved_model.pb", "saved_model.pbtxt"):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            break
    else:
        wanted = "Could not find SavedModel .pb or .pbtxt at supplied export directory path"
        raise LoadError(f"NOT_FOUND: {wanted}: {folder}. Check that the directory exists and is readable.")
    try:
        with open(path, "rb") as file:
            head = file.read(200)
    except OSError as error:
        raise LoadError(f"PERMISSION_DENIED: {path}; {error.strerror}") from None
    if head.startswith(b"corrupt"):
        raise LoadError(f"DATA_LOSS: Can't parse {path} as binary proto")
    if head.startswith(b"op:"):
        op = head[3:].split()[0].decode()
        raise LoadError(f"NOT_FOUND: Op type not registered '{op}' in binary running on {os.uname().nodename}.")
    if not head:
        raise LoadError("NOT_FOUND: Could not find meta graph def matching supplied tags: { serve }")


def write_noise(faults: dict[str, Any]) -> None:
    line = b"noise from the stand-in, as a debug build writes it: " + b"0123456789" * 7 + b"\n"
    block = line * (2**20 // len(line))
    for _ in range(faults.get("log_mb", 0)):
        view = memoryview(block)
        while view:
            view = view[os.write(2, view) :]
    if faults.get("log_binary"):
        os.write(2, b"binary \xff\xfe\x80 \xc3\x28 NUL \0\0 escape \x1b[31m\n")
    for line in faults.get("log_lines", ()):
        os.write(2, line.encode() + b"\n")
    for _ in range(faults.get("log_errors", 0)):
        log("E", "tensorflow/core/kernels/stand_in.cc:1", "something that is no reason to stop")


def misbehave_during_load(faults: dict[str, Any]) -> None:
    write_noise(faults)
    time.sleep(faults.get("load_seconds", 0))
    held = [b"\1" * 2**20 for _ in range(faults.get("allocate_mb_during_load", 0))]
    del held
    if "download_from" in faults:
        host, _, port = faults["download_from"].rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except OSError as error:
            log("E", "external/tf_http/download.cc:1", f"cannot download from {host}:{port}: {error}")
            os._exit(1)
    if "exit_during_load" in faults:
        os._exit(faults["exit_during_load"])
    if "signal_during_load" in faults:
        os.kill(os.getpid(), faults["signal_during_load"])
    if faults.get("hang_load"):
        wait_for_ever()


def load(servable: Servable, folder: str, flags: dict[str, Any]) -> None:
    """Raises LoadError."""
    what = f"{{name: {servable.name} version: {servable.version}}}"
    try:
        retry(f"Reserving resources for servable: {what}", lambda: check_folder_is_readable(folder), flags)
    except LoadError as error:
        reserving = "INTERNAL: Error while attempting to reserve resources to load servable"
        raise LoadError(f"{reserving} {what}: {error}") from None
    log("I", SERVING + "core/basic_manager.cc:739", f"Successfully reserved resources to load servable {what}")

    def attempt() -> None:
        log("I", SERVING + "core/loader_harness.cc:74", f"Loading servable version {what}")
        misbehave_during_load(servable.faults)
        read_saved_model(folder)

    retry(f"Loading servable: {what}", attempt, flags)
    log("I", SERVING + "core/loader_harness.cc:95", f"Successfully loaded servable version {what}")


# All models


def load_all(configs: list[ModelConfig], flags: dict[str, Any]) -> list[Servable]:
    """Ends the process where a model cannot be loaded, once each model has or has not."""
    servables: dict[str, list[Servable]] = {}
    decided = threading.Semaphore(0)
    while len(servables) < len(configs):
        for name, versions in poll(configs).items():
            if versions and name not in servables:
                servables[name] = [start_load(name, *version, flags, decided) for version in versions.items()]
        if len(servables) < len(configs):
            if flags["file_system_poll_wait_seconds"] <= 0:
                wait_for_ever()
            time.sleep(flags["file_system_poll_wait_seconds"])
    while not all(any(each.is_decided for each in versions) for versions in servables.values()):
        decided.acquire()
    check(servables)
    return [servable for versions in servables.values() for servable in versions]


def start_load(name: str, version: int, folder: str, flags: dict[str, Any], decided: threading.Semaphore) -> Servable:
    servable = Servable(name, version, read_faults(folder))
    if servable.faults.get("ignore_sigterm"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def run() -> None:
        try:
            load(servable, folder, flags)
        except LoadError as error:
            servable.failure = str(error)
        servable.is_decided = True
        decided.release()

    threading.Thread(target=run, daemon=True).start()
    return servable


def check(servables: dict[str, list[Servable]]) -> None:
    """Of several versions the newest one that was loaded, or was not, decides."""
    first = [next(each for each in versions if each.is_decided) for versions in servables.values()]
    failed = [each for each in first if each.failure]
    told = "".join(
        f"{{{{name: {each.name} version: {each.version}}} due to error: {each.failure}}}, " for each in failed
    )
    if failed:
        fail_start(f"UNKNOWN: {len(failed)} servable(s) did not become available: {{{told}}}")
