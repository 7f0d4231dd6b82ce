"""Which models the stand-in serves: one by its flags, or those of a model config file (ModelServerConfig)."""

from __future__ import annotations

import os

from console import SERVING, fail_start, log

TYPE_CHECKING = False  # importing typing for it would slow each start
if TYPE_CHECKING:
    from typing import Any

    from text_proto import Message

_POLICY = "FileSystemStoragePathSourceConfig.ServableVersionPolicy"
_SCHEMA = {
    "ModelServerConfig": {"model_config_list": "ModelConfigList", "custom_model_config": "any"},
    "ModelConfigList": {"config": "*ModelConfig"},
    "ModelConfig": {
        "name": "string",
        "base_path": "string",
        "model_type": "enum",
        "model_platform": "string",
        "model_version_policy": _POLICY,
        "version_labels": "*ModelConfig.VersionLabelsEntry",
        "logging_config": "any",
    },
    "ModelConfig.VersionLabelsEntry": {"key": "string", "value": "int"},
    _POLICY: {"latest": _POLICY + ".Latest", "all": _POLICY + ".All", "specific": _POLICY + ".Specific"},
    _POLICY + ".Latest": {"num_versions": "int"},
    _POLICY + ".All": {},
    _POLICY + ".Specific": {"versions": "*int"},
}


class ModelConfig:
    """``specific``: the versions to load; without them the ``latest`` newest ones, all of them where that is None."""

    def __init__(self, name: str, base_path: str, platform: str = "tensorflow") -> None:
        self.name, self.base_path, self.platform = name, base_path, platform
        self.labels: dict[str, int] = {}
        self.specific: list[int] | None = None
        self.latest: int | None = 1


def configured(flags: dict[str, Any]) -> list[ModelConfig]:
    """A model config file is taken before name and base path. Ends the process where it is wrong."""
    if not flags["model_config_file"]:
        name, base_path = flags["model_name"], flags["model_base_path"]
        told = f"Building single TensorFlow model file config:  model_name: {name} model_base_path: {base_path}"
        log("I", SERVING + "model_servers/server.cc:79", told)
        return _added([ModelConfig(name, base_path)])
    server = _read(flags["model_config_file"])
    if "custom_model_config" in server:
        log("F", SERVING + "model_servers/server.cc:72", "ModelServer does not yet support custom model config.")
        os.abort()
    if not server:
        log("I", SERVING + "model_servers/server_core.cc:520", "Taking no action for empty config.")
        return []
    models = [_model(message) for message in server["model_config_list"][0].get("config", [])]
    _check(models, flags["allow_version_labels_for_unavailable_models"])
    return _added(models)


def _read(path: str) -> Message:
    from text_proto import ParseError, Parser

    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            source = file.read()
    except OSError as error:
        code = "PERMISSION_DENIED" if isinstance(error, PermissionError) else "NOT_FOUND"
        fail_start(f"{code}: {path}; {error.strerror}")
    try:
        return Parser(source, _SCHEMA).message("ModelServerConfig")
    except ParseError as error:
        place = "external/com_google_protobuf/src/google/protobuf/text_format.cc:335"
        what = f"Error parsing text-format tensorflow.serving.ModelServerConfig: {error}"
        os.write(2, f"[libprotobuf ERROR {place}] {what}\n".encode())
        fail_start(f"INVALID_ARGUMENT: Invalid protobuf file: '{path}'")


def _model(message: Message) -> ModelConfig:
    def text(key: str) -> str:
        return str(message.get(key, [""])[0])

    config = ModelConfig(text("name"), text("base_path"), text("model_platform"))
    if text("model_type") == "TENSORFLOW":
        config.platform = "tensorflow"
    for entry in message.get("version_labels", []):
        config.labels[entry.get("key", [""])[0]] = entry.get("value", [0])[0]
    policy = message.get("model_version_policy", [{}])[0]
    if "specific" in policy:
        config.specific = policy["specific"][0].get("versions", [])
    elif "all" in policy:
        config.latest = None
    elif "latest" in policy:
        config.latest = max(policy["latest"][0].get("num_versions", [1])[0], 1)
    return config


def _check(models: list[ModelConfig], allow_labels: bool) -> None:
    names = set()
    for model in models:
        if model.name in names:
            fail_start(f"INVALID_ARGUMENT: Illegal to list model {model.name} multiple times in config list")
        names.add(model.name)
    for model in models:
        if not model.base_path.startswith("/") and "://" not in model.base_path:
            wanted = f"Expected model {model.name} to have an absolute path or URI"
            fail_start(f"INVALID_ARGUMENT: {wanted}; got base_path()={model.base_path}")
    for model in models:
        for version in () if allow_labels else model.labels.values():
            what = f"Request to assign label to version {version} of model {model.name}"
            fail_start(f"FAILED_PRECONDITION: {what}, which is not currently available for inference")


def _added(models: list[ModelConfig]) -> list[ModelConfig]:
    log("I", SERVING + "model_servers/server_core.cc:471", "Adding/updating models.")
    for model in models:
        log("I", SERVING + "model_servers/server_core.cc:600", f" (Re-)adding model: {model.name}")
    for model in models:
        if not model.platform:
            wrong = "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            wrong += f"ModelServerConfig::model_platform, model name is {model.name}"
            fail_start(f"INVALID_ARGUMENT: {wrong}")
        if model.platform != "tensorflow":
            wrong = f"Model {model.name} requests unsupported platform {model.platform}"
            fail_start(f"INVALID_ARGUMENT: {wrong}")
    return models
