"""Reads ``models.config``, the model config file of TensorFlow Serving that names several models.

The format is the text form of ``ModelServerConfig`` (tensorflow/serving ``config/model_server_config.proto``).
"""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from contextlib import suppress

from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.servers.text_proto import texts

_LARGEST_CONFIG = 65536

CONFIG_FILE = "models.config"
"""A file of this name in the model's folder makes it a folder of several models."""

BASE_PATH = "/models"
"""The folder in the container where TensorFlow Serving's image looks for models."""

CONFIG_FORM = (
    f"model_config_list {{ config {{ name: 'm' base_path: '{BASE_PATH}/m' model_platform: 'tensorflow' }} }}, "
    "with one config for each model"
)
"""An example of the file's content, for messages."""


def configured_models(model: ModelPath) -> list[tuple[str, str]]:
    """Name and base path of each model in the folder's model config file; empty when there is no such file."""
    try:
        with open(os.path.join(model.location, CONFIG_FILE), encoding="utf-8", errors="replace") as file:
            return models_in(file.read())
    except OSError:
        return []


def models_in(config: str) -> list[tuple[str, str]]:
    """Name and base path of each model in the text of a model config file."""
    found: dict[int, dict[str, str]] = {}
    for text in texts(config):
        if text.path == ("model_config_list", "config"):
            found.setdefault(text.message, {}).setdefault(text.key, text.value)
    return [(each["name"], each.get("base_path", "")) for each in found.values() if each.get("name")]


def check_config_name(model: ModelPath) -> None:
    """Raises UsageError if the folder is none of a model, and holds a model config file by another name."""
    if any(folder.version for folder in model.folders()):
        return
    for name in _small_files(model.location):
        with suppress(OSError), open(os.path.join(model.location, name), encoding="utf-8", errors="replace") as file:
            if models_in(file.read()):
                raise UsageError(f"{name!r} in the model's folder is a model config file; name it {CONFIG_FILE}")


def _small_files(folder: str) -> list[str]:
    with suppress(OSError), os.scandir(folder) as entries:
        return sorted(each.name for each in entries if each.is_file() and each.stat().st_size <= _LARGEST_CONFIG)
    return []


def mount_point(model: ModelPath, model_name: str) -> str:
    """Where in the container to mount the folder with the file. Raises UsageError when the file does not name the model
    or names none."""
    models, config = dict(configured_models(model)), os.path.join(model.location, CONFIG_FILE)
    if not models:
        raise UsageError(f"no model is named in {config!r}, or the file cannot be read; it must hold {CONFIG_FORM}")
    if model_name not in models:
        raise UsageError(f"{config!r} names no model {model_name!r}; it names {', '.join(sorted(models))}")
    return _best_parent(model, list(models.values()))


def _best_parent(model: ModelPath, base_paths: list[str]) -> str:
    """The folder for which most of the base paths, which are absolute, point into the model's folder. When there is
    none, the parent of the first base path."""
    absolute = [_parts(path) for path in base_paths if path.startswith("/") and ".." not in path]
    homes = Counter(
        posixpath.join("/", *parts[:length])
        for parts in absolute
        for length in range(1, len(parts))
        if os.path.isdir(os.path.join(model.location, *parts[length:]))
    )
    if homes:
        return max(homes, key=lambda home: (homes[home], home == BASE_PATH))
    return next((posixpath.join("/", *parts[:-1]) for parts in absolute if len(parts) > 1), BASE_PATH)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
