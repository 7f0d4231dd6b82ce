"""Which model server it is: from the image's name, from what is in the image, from the model's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ivdocker.engine.parse import Image
from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath, locate
from ivdocker.servers import registry
from ivdocker.servers.triton import Triton
from tests.unit.servers.helpers import make, triton_model

NOWHERE = ModelPath("gs://bucket/m", is_uri=True)


def with_(
    entrypoint: str = "",
    command: str = "",
    env: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Image:
    return Image("id", "linux/amd64", tuple(entrypoint.split()), tuple(command.split()), env or {}, labels or {})


def folder(root: Path, *files: str, **contents: Any) -> ModelPath:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(contents.get("config", {})) if name == "config.json" else "")
    return ModelPath(str(root))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("seldonio/mlserver:1.7.1-slim", "mlserver"),
        ("ivdocker/mlflow:3.17.2", "mlflow"),
        ("kserve/sklearnserver:v0.15", "kserve"),
        ("registry.example/lgbserver", "kserve"),
        ("pytorch/torchserve:0.12.0-cpu", "torchserve"),
        ("team/bentoml-iris:1", "bentoml"),
        ("vllm/vllm-openai:latest", "openai"),
        ("ghcr.io/huggingface/text-generation-inference:3.3", "openai"),
        ("ghcr.io/ggml-org/llama.cpp:server", "openai"),
        ("lmsysorg/sglang:v0.5", "openai"),
        ("openvino/model_server:2025.3", "openvino"),
        ("us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest", "vertex"),
        ("team/kserve-vllm", None),
        ("team/http:1", None),
        ("vllm.example/team/server", None),
    ],
)
def test_an_images_name_tells_its_server(name: str, kind: str | None) -> None:
    found = registry.by_image(name)
    assert (found.kind if found else None) == kind


@pytest.mark.parametrize(
    ("found", "kind", "reason"),
    [
        (with_("/usr/bin/tf_serving_entrypoint.sh"), "tensorflow-serving", "tf_serving_entrypoint.sh"),
        (with_("/opt/nvidia/nvidia_entrypoint.sh", env={"TRITON_SERVER_VERSION": "2.51"}), "triton", "TRITON_SERVER"),
        (with_("", "/bin/sh -c mlserver start $MLSERVER_MODELS_DIR"), "mlserver", "mlserver start"),
        (with_("python -m sklearnserver"), "kserve", "-m sklearnserver"),
        (
            with_("python -c", "from mlflow.models import container as C; C._serve('local')"),
            "mlflow",
            "mlflow.models import container",
        ),
        (with_("/usr/local/bin/dockerd-entrypoint.sh", "torchserve --start"), "torchserve", "torchserve"),
        (with_("/home/bentoml/bento/env/docker/entrypoint.sh", env={"BENTO_PATH": "/b"}), "bentoml", "BENTO_PATH"),
        (with_("vllm serve"), "openai", "vllm"),
        (with_("/tgi-entrypoint.sh"), "openai", "tgi-entrypoint"),
        (with_("/app/llama-server"), "openai", "llama-server"),
        (with_("/ovms/bin/ovms"), "openvino", "/ovms/bin/ovms"),
        (with_(labels={"com.amazonaws.sagemaker.capabilities.multi-models": "true"}), "sagemaker", "multi-models"),
        (with_(env={"AIP_HTTP_PORT": "8080"}), "vertex", "AIP_HTTP_PORT"),
        (with_("python -m google.cloud.aiplatform.prediction.model_server"), "vertex", "aiplatform.prediction"),
    ],
)
def test_what_is_in_an_image_tells_its_server_and_that_is_said(found: Image, kind: str, reason: str) -> None:
    choice = registry.choose("auto", "team/server:1", NOWHERE, lambda: found)
    assert (choice.server.kind, choice.is_evident) == (kind, False)
    assert reason in choice.reason


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (["1/saved_model.pb"], "tensorflow-serving"),
        (["models.config"], "tensorflow-serving"),
        (["m/config.pbtxt"], "triton"),
        (["a/b/model-settings.json"], "mlserver"),
        (["MLmodel"], "mlflow"),
        (["m.mar"], "torchserve"),
        (["bento.yaml"], "bentoml"),
        (["bentofile.yaml"], "bentoml"),
        (["m.gguf"], "openai"),
        (["config.json", "model.safetensors"], "openai"),
        (["1/m.xml"], "openvino"),
    ],
)
def test_a_models_folder_tells_its_server(tmp_path: Path, files: list[str], kind: str) -> None:
    model = folder(tmp_path, *files, config={"architectures": ["LlamaForCausalLM"]})
    choice = registry.choose("auto", "team/server:1", model)
    assert (choice.server.kind, choice.is_evident) == (kind, False)
    assert choice.reason.startswith("the model's folder ")


def test_a_config_that_is_not_of_transformers_tells_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot tell"):
        registry.choose("auto", "team/server:1", folder(tmp_path, "config.json", "model.safetensors"))


def test_the_image_weighs_more_than_the_folder(tmp_path: Path) -> None:
    model = folder(tmp_path, "MLmodel")
    found = with_(env={"MLSERVER_MODELS_DIR": "/mnt/models"})
    assert registry.choose("auto", "team/server:1", model, lambda: found).server.kind == "mlserver"


def test_an_image_whose_name_tells_is_not_looked_into(tmp_path: Path) -> None:
    def look() -> Image | None:
        raise AssertionError("looked")

    choice = registry.choose("auto", "seldonio/mlserver:1", folder(tmp_path, "MLmodel"), look)
    assert (choice.server.kind, choice.is_evident) == ("mlserver", True)


def test_when_two_servers_fit_both_are_named_with_their_reasons(tmp_path: Path) -> None:
    model = folder(tmp_path, "MLmodel", "model-settings.json")
    with pytest.raises(UsageError) as caught:
        registry.choose("auto", "team/server:1", model)
    text = str(caught.value)
    assert "mlserver (the model's folder holds **/model-settings.json)" in text
    assert "mlflow (the model's folder holds MLmodel)" in text
    assert "--server tensorflow-serving|triton|" in text
    assert "\n" not in text


def test_it_is_said_whether_the_image_could_be_looked_into() -> None:
    with pytest.raises(UsageError, match="not on this machine yet"):
        registry.choose("auto", "team/server:1", NOWHERE)
    with pytest.raises(UsageError, match="neither its name nor its configuration nor"):
        registry.choose("auto", "team/server:1", NOWHERE, lambda: with_("python"))


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        ("tensorflow/serving", "tensorflow-serving"),
        ("tensorflow/serving:2.19.0-gpu", "tensorflow-serving"),
        ("tensorflow/serving@sha256:0a1b", "tensorflow-serving"),
        ("registry.example:5000/team/tensorflow_serving:1", "tensorflow-serving"),
        ("localhost:5000/tf-serving", "tensorflow-serving"),
        ("TEAM/TFServing-custom:1@sha256:0a1b", "tensorflow-serving"),
        ("nvcr.io/nvidia/tritonserver:24.10-py3", "triton"),
        ("localhost/my-triton", "triton"),
        ("triton.example.com/team/server:1", None),
        ("triton:5000/team/server", None),
        ("team/server:triton", None),
        ("team/server:tf-serving@sha256:0a1b", None),
        ("team/triton-tf-serving", None),
        ("python:3.12", None),
        ("", None),
    ],
)
def test_a_server_is_known_by_its_images_name_and_not_by_host_or_tag(image: str, kind: str | None) -> None:
    found = registry.by_image(image)
    assert (found.binary.kind if found else None) == kind


def test_an_image_of_any_name_is_known_by_the_models_folder(tmp_path: Path) -> None:
    saved_model = make(tmp_path / "saved", "1/saved_model.pb")
    python_model = triton_model(tmp_path, "python")
    for path, kind in ((saved_model, "tensorflow-serving"), (saved_model / "1", "tensorflow-serving"),
                       (python_model, "triton"), (python_model / "1", "triton")):  # fmt: skip
        assert registry.choose("auto", "team/server:1", locate(path)).server.kind == kind


def test_the_server_that_is_asked_for_wins_over_the_images_name(tmp_path: Path) -> None:
    model = locate(make(tmp_path, "1/saved_model.pb"))
    assert registry.choose("triton", "tensorflow/serving", model).server.binary is Triton


def test_an_unknown_server_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown server 'tritn'; choose one of: auto, tensorflow-serving, triton"):
        registry.choose("tritn", "x", locate(tmp_path))


def test_a_server_that_cannot_be_told_says_why(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"neither its name nor the model's folder tells.*--server"):
        registry.choose("auto", "team/server", locate(tmp_path))
    make(tmp_path, "saved_model.pb", "config.pbtxt")
    with pytest.raises(UsageError, match=r"more than one fits.*--server"):
        registry.choose("auto", "team/server", locate(tmp_path))
    with pytest.raises(UsageError, match="--server"):
        registry.choose("auto", "team/server", locate("gs://bucket/m"))
