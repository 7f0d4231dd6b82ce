"""Which model server it is: from the image's name, from what is in the image, from the model's folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ivdocker.engine.parse import Image, Unreadable, image
from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.report.terminal import Terminal
from ivdocker.servers import registry
from ivdocker.servers.mlflow import MLflow

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
    ("config", "entrypoint", "command"),
    [
        ({"Entrypoint": ["a", "b"], "Cmd": None}, ("a", "b"), ()),
        ({"Entrypoint": "a b", "Cmd": ["c"]}, ("a b",), ("c",)),
        (None, (), ()),
    ],
)
def test_an_images_configuration_is_read(config: Any, entrypoint: tuple[str, ...], command: tuple[str, ...]) -> None:
    record = [{"Id": "sha256:1", "Os": "linux", "Architecture": "amd64", "Config": config}]
    found = image(json.dumps(record).encode())
    assert (found.entrypoint, found.command, found.env, found.labels) == (entrypoint, command, {}, {})


def test_an_images_environment_and_labels_are_read() -> None:
    config = {"Env": ["A=1", "B=x=y", "C"], "Labels": {"l": "v"}}
    found = image(json.dumps([{"Id": "i", "Config": config}]).encode())
    assert (found.env, found.labels) == ({"A": "1", "B": "x=y", "C": ""}, {"l": "v"})
    with pytest.raises(Unreadable):
        image(b'[{"Id": "i", "Config": 5}]')


@pytest.mark.parametrize(
    ("level", "evident", "is_said"), [(0, False, False), (1, True, False), (1, False, True), (2, True, True)]
)
def test_a_decision_that_is_not_evident_is_said(
    capsys: pytest.CaptureFixture[str], level: int, evident: bool, is_said: bool
) -> None:
    binary = MLflow("team/server:1", "m")
    binary.server_reason, binary.server_is_evident = "the model's folder holds MLmodel", evident
    Terminal(sys.stderr, level).server(binary)
    said = capsys.readouterr().err
    assert ("mlflow: the model's folder holds MLmodel" in said) == is_said


def test_only_the_server_that_is_used_is_imported() -> None:
    code = (
        "import sys; from ivdocker.validation import validate\n"
        "validate.plan(sys.argv[1], images=['seldonio/mlserver:1'])\n"
        "print(*sorted(name for name in sys.modules if name.startswith('ivdocker.servers.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)], capture_output=True, text=True, timeout=60, check=True
    )
    found = {name.rpartition(".")[2] for name in done.stdout.split()}
    assert found - {"base", "client", "registry", "tensorflow_serving", "text_proto"} == {"mlserver", "open_inference"}
