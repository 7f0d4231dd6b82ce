"""TFX's ServingSpec, read from a dict, from the JSON of TFX's protobuf message, or from the message itself. Neither TFX
nor protobuf is imported for this."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ivdocker.engine.client import Engine
from ivdocker.engine.connect import connect
from ivdocker.errors import UsageError
from ivdocker.servers.base import Selection, ServingBinary
from ivdocker.servers.tensorflow_serving import TensorFlowServing

DEFAULT_MODEL_NAME = "infra-validation-model"
"""The name of a model that the ServingSpec does not name. It is TFX's own default."""


class TensorFlowServingSpec(NamedTuple):
    """The TensorFlow Serving images to validate, by tag, by digest, or both."""

    image_name: str = "tensorflow/serving"
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[str, ...]:
        """The name of each image, with its tag or digest."""
        by_tag = [f"{self.image_name}:{tag}" for tag in self.tags]
        return (*by_tag, *(f"{self.image_name}@{digest}" for digest in self.digests))


class LocalDockerConfig(NamedTuple):
    """Which docker engine to use.

    ``client_base_url``: the engine's address, as docker-py takes it; empty means docker's own rules (DOCKER_HOST,
    contexts). ``npipe://`` and ``fd://`` are refused, and ``https://`` without DOCKER_TLS_VERIFY.
    ``client_api_version``: the value of the variable DOCKER_API_VERSION; empty or ``auto``: docker chooses.
    ``client_timeout_seconds``: the time limit of every docker call; 0 means the default of 60 s.
    ``host_ip_address``: the address on which the container's ports are published; empty and ``localhost`` mean
    127.0.0.1. A host name is resolved, and GetEndpoint() tells the address.
    """

    client_base_url: str = ""
    client_api_version: str = ""
    client_timeout_seconds: int = 0
    host_ip_address: str = ""

    def connect(self, program: str = "docker") -> Engine:
        """The engine that it names, by that command line. Raises UsageError, which names the wrong setting."""
        from ivdocker.engine import client_settings  # imports urllib, which a run without a ServingSpec does not need

        return connect(
            program,
            host=client_settings.host(self.client_base_url),
            api_version=client_settings.api_version(self.client_api_version),
            timeout_s=client_settings.call_timeout(self.client_timeout_seconds),
            publish_address=self.host_ip_address,
        )


class ServingSpec(NamedTuple):
    """Which images to run (``tensorflow_serving``), on which engine (``local_docker``), and the model's name."""

    tensorflow_serving: TensorFlowServingSpec = TensorFlowServingSpec()
    local_docker: LocalDockerConfig = LocalDockerConfig()
    model_name: str = DEFAULT_MODEL_NAME

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> ServingSpec:
        """Return the ServingSpec that a dict describes. Raises UsageError, which names the wrong key."""
        known = _check_keys(record, "ServingSpec", set(cls._fields) | {"kubernetes"})
        if "kubernetes" in known:
            raise UsageError("ServingSpec: serving_platform 'kubernetes' is not supported; use local_docker")
        return cls(
            TensorFlowServingSpec(
                **_read_fields(TensorFlowServingSpec, known.get("tensorflow_serving", {}), "tensorflow_serving")
            ),
            LocalDockerConfig(**_read_fields(LocalDockerConfig, known.get("local_docker", {}), "local_docker")),
            _check_type(known.get("model_name") or DEFAULT_MODEL_NAME, DEFAULT_MODEL_NAME, "ServingSpec.model_name"),
        )

    @classmethod
    def of(cls, spec: Any) -> ServingSpec:
        """Return the ServingSpec of a ServingSpec, a dict, JSON text or TFX's message. Raises UsageError."""
        return spec if isinstance(spec, cls) else cls.from_dict(_to_mapping(spec, "ServingSpec"))

    def serving_binaries(self) -> list[ServingBinary]:
        """Return one binary per tag and per digest. Raises UsageError when there is neither."""
        images = self.tensorflow_serving.images
        if not images:
            raise UsageError("ServingSpec: tensorflow_serving names neither tags nor digests; name at least one")
        selection = Selection("the ServingSpec says so", is_evident=True)
        return [TensorFlowServing(image, self.model_name, selection=selection) for image in images]


def _to_mapping(spec: Any, what: str) -> Mapping[str, Any]:
    """Return the keys and values of a spec in any of its forms. ``what``: the spec's name in messages."""
    if isinstance(spec, Mapping):
        return spec
    if hasattr(spec, "ListFields"):
        return {each.name: _to_plain_value(value) for each, value in spec.ListFields()}
    if isinstance(spec, (str, bytes)):
        try:
            record = json.loads(spec)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{what}: not valid JSON ({error})") from None
        if isinstance(record, dict):
            return record
    raise UsageError(f"{what}: expected a JSON object, got {type(spec).__name__}")


def _to_plain_value(value: Any) -> Any:
    """Return the value of a message's field: a dict for a message, a list for a repeated field."""
    if hasattr(value, "ListFields"):
        return {each.name: _to_plain_value(inner) for each, inner in value.ListFields()}
    if isinstance(value, (str, bytes, int, float)):
        return value
    return list(value)


def _read_fields(cls: type[NamedTuple], record: Any, what: str) -> dict[str, Any]:
    """Return the values of a JSON object for the fields of a NamedTuple. Each must have the type of its default."""
    if not isinstance(record, Mapping):
        raise UsageError(f"{what}: expected a JSON object, got {record!r}")
    defaults = cls._field_defaults
    values: dict[str, Any] = {}
    for key, value in _check_keys(record, what, set(defaults)).items():
        values[key] = _check_type(value, defaults[key], f"{what}.{key}")
    return values


def _check_type(value: Any, default: Any, what: str) -> Any:
    if isinstance(default, tuple):
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            raise UsageError(f"{what}: expected a list of strings, got {value!r}")
        return tuple(value)
    if default is not None and (type(value) is not type(default)):
        raise UsageError(f"{what}: expected {type(default).__name__}, got {value!r}")
    return value


def _check_keys(record: Mapping[str, Any], what: str, names: set[str]) -> dict[str, Any]:
    """Return the record with its keys in snake_case. The JSON of protobuf can also have them in lowerCamelCase."""
    snake = {re.sub(r"([A-Z])", lambda m: "_" + m[1].lower(), str(key)): value for key, value in record.items()}
    unknown = sorted(set(snake) - names)
    if unknown:
        raise UsageError(f"{what}: unknown key {unknown[0]!r}; known: {', '.join(sorted(names))}")
    return snake
