"""TFX's ServingSpec, from a dict, JSON text, or TFX's own messages; what is wrong in them is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivdocker.errors import UsageError
from ivdocker.serving_spec import LocalDockerConfig, ServingSpec
from tests.unit.json_values import JSON_VALUES

SNAKE = {
    "tensorflow_serving": {"image_name": "registry:5000/tf/serving", "tags": ["2.18.0", "2.19.0"], "digests": []},
    "local_docker": {
        "client_base_url": "unix:///run/other.sock",
        "client_api_version": "1.41",
        "client_timeout_seconds": 7,
        "host_ip_address": "10.0.0.5",
    },
    "model_name": "chicago",
}
CAMEL = {
    "tensorflowServing": {"imageName": "registry:5000/tf/serving", "tags": ["2.18.0", "2.19.0"]},
    "localDocker": {
        "clientBaseUrl": "unix:///run/other.sock",
        "clientApiVersion": "1.41",
        "clientTimeoutSeconds": 7,
        "hostIpAddress": "10.0.0.5",
    },
    "modelName": "chicago",
}


class Field:
    def __init__(self, name: str) -> None:
        self.name = name


class Message:
    """As much of a protobuf message as ours may look at: ListFields() gives what is set."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def ListFields(self) -> list[tuple[Field, Any]]:
        return [(Field(name), value) for name, value in self._values.items()]


class Repeated:
    """A repeated field: a sequence that is no list."""

    def __init__(self, *items: str) -> None:
        self._items = items

    def __iter__(self) -> Any:
        return iter(self._items)


MESSAGE = Message(
    tensorflow_serving=Message(image_name="registry:5000/tf/serving", tags=Repeated("2.18.0", "2.19.0")),
    local_docker=Message(**SNAKE["local_docker"]),  # type: ignore[arg-type]
    model_name="chicago",
)


@pytest.mark.parametrize(
    "spec",
    [SNAKE, CAMEL, json.dumps(SNAKE), json.dumps(CAMEL), json.dumps(CAMEL).encode(), MESSAGE],
    ids=["dict", "camelCase dict", "JSON", "camelCase JSON", "bytes", "message"],
)
def test_a_serving_spec_is_the_same_in_every_form(spec: Any) -> None:
    found = ServingSpec.of(spec)
    assert found.local_docker == LocalDockerConfig("unix:///run/other.sock", "1.41", 7, "10.0.0.5")
    assert found.model_name == "chicago"
    images = [binary.image for binary in found.serving_binaries()]
    assert images == ["registry:5000/tf/serving:2.18.0", "registry:5000/tf/serving:2.19.0"]
    assert {binary.model_name for binary in found.serving_binaries()} == {"chicago"}


def test_a_serving_spec_of_ours_is_taken_as_it_is() -> None:
    spec = ServingSpec.from_dict(SNAKE)
    assert ServingSpec.of(spec) is spec


def test_what_is_not_said_is_tfxs_default() -> None:
    spec = ServingSpec.of({"tensorflow_serving": {"tags": ["latest"]}})
    assert spec.model_name == "infra-validation-model"
    assert spec.local_docker == LocalDockerConfig()
    assert [binary.image for binary in spec.serving_binaries()] == ["tensorflow/serving:latest"]


def test_images_may_be_named_by_digest() -> None:
    spec = ServingSpec.of({"tensorflow_serving": {"tags": ["1"], "digests": ["sha256:abc"]}})
    images = [binary.image for binary in spec.serving_binaries()]
    assert images == ["tensorflow/serving:1", "tensorflow/serving@sha256:abc"]


def test_a_serving_spec_without_tags_and_digests_names_what_is_missing() -> None:
    with pytest.raises(UsageError, match="tags nor digests"):
        ServingSpec.of({}).serving_binaries()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"tensorflow": {}}, "unknown key 'tensorflow'"),
        ({"tensorflow_serving": {"tag": ["1"]}}, "tensorflow_serving: unknown key 'tag'"),
        ({"tensorflow_serving": {"tags": "1"}}, "tensorflow_serving.tags: expected a list of strings, got '1'"),
        ({"tensorflow_serving": {"tags": [1]}}, "tensorflow_serving.tags"),
        ({"tensorflow_serving": {"image_name": 5}}, "tensorflow_serving.image_name: expected str, got 5"),
        ({"tensorflow_serving": []}, "tensorflow_serving: expected a JSON object"),
        ({"local_docker": "unix:///x"}, "local_docker: expected a JSON object"),
        ({"local_docker": {"clientTimeoutSeconds": "7"}}, "local_docker.client_timeout_seconds: expected int"),
        ({"local_docker": {"client_timeout_seconds": True}}, "client_timeout_seconds: expected int, got True"),
        ({"local_docker": {"timeout": 1}}, "local_docker: unknown key 'timeout'"),
        ({"kubernetes": {}}, "'kubernetes' is not supported"),
        ({"model_name": 5}, "model_name"),
        ({"model_name": ["m"]}, "model_name"),
        ("{", "ServingSpec: not valid JSON"),
        ("", "ServingSpec: not valid JSON"),
        (b"\xff\xfe\xff", "ServingSpec: not valid JSON"),
        ("[]", "ServingSpec: expected a JSON object"),
        ("null", "ServingSpec: expected a JSON object"),
        ("[" * 100_000, "ServingSpec: not valid JSON"),
        (None, "ServingSpec: expected a JSON object, got NoneType"),
        (5, "ServingSpec: expected a JSON object, got int"),
    ],
)
def test_what_is_wrong_in_a_serving_spec_is_named(spec: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        ServingSpec.of(spec)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=50, deadline=None, database=None)
@given(
    JSON_VALUES
    | st.fixed_dictionaries(
        {}, optional={"tensorflow_serving": JSON_VALUES, "localDocker": JSON_VALUES, "modelName": JSON_VALUES}
    )
)
def test_any_json_is_a_spec_or_a_usage_error(record: Any) -> None:
    try:
        found: object = ServingSpec.of(json.dumps(record))
    except UsageError as error:
        found = error
    assert isinstance(found, (ServingSpec, UsageError))
