"""From a model's folder to mounts, names and flags; from an image's name to its server."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath, locate
from ivdocker.servers import registry
from ivdocker.servers.client import Endpoint, Tensor
from ivdocker.servers.tensorflow_serving import TensorFlowServing
from ivdocker.servers.triton import Triton


def make(root: Path, *files: str) -> Path:
    for name in files:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root


def tensorflow_target(path: Path, name: str = "m") -> str:
    params = TensorFlowServing("tensorflow/serving", name).MakeDockerRunParams(str(path), True)
    (mount,) = params["mounts"]
    assert mount == {"Type": "bind", "Source": str(path), "Target": mount["Target"], "ReadOnly": True}
    assert params["environment"] == {"MODEL_NAME": name, "MODEL_BASE_PATH": "/models"}
    return mount["Target"]


@pytest.mark.parametrize(
    ("files", "given", "target"),
    [
        (["1/saved_model.pb"], "", "/models/m"),
        (["1/saved_model.pb", "2/saved_model.pb"], "", "/models/m"),
        (["saved_model.pb"], "", "/models/m/1"),
        (["saved_model.pbtxt"], "", "/models/m/1"),
        (["variables/"], "", "/models/m/1"),
        (["3/saved_model.pb"], "3", "/models/m/3"),
        (["3/"], "3", "/models/m/3"),
        (["20240101/1/saved_model.pb"], "20240101", "/models/m"),
        (["weights.h5"], "", "/models/m"),
    ],
)
def test_tensorflow_serving_sees_versions_whatever_folder_is_given(
    tmp_path: Path, files: list[str], given: str, target: str
) -> None:
    assert tensorflow_target(make(tmp_path, *files) / given) == target


@pytest.mark.parametrize(("base", "home"), [("/models", "/models"), ("/srv/m", "/srv/m"), ("", "/models")])
def test_tensorflow_serving_serves_all_models_of_a_model_config_file(tmp_path: Path, base: str, home: str) -> None:
    (tmp_path / "models.config").write_text(
        "model_config_list {"
        + "".join(f"config {{ name: '{name}' base_path: '{base}/{name}' }}" for name in ("a", "b"))
        + "}"
    )
    assert TensorFlowServing.model_names(ModelPath(str(tmp_path))) == ["a", "b"]
    params = TensorFlowServing("tensorflow/serving", "a", ("a", "b")).MakeDockerRunParams(str(tmp_path), True)
    assert f"--model_config_file={home}/models.config" in params["command"]
    assert [(mount["Source"], mount["Target"]) for mount in params["mounts"]] == [(str(tmp_path), home)]


TWO_MODELS = (
    "model_config_list {{ config {{ name: 'b' base_path: '{0}/b' }} config {{ name: 'a' base_path: '{0}/a' }} }}"
)


@pytest.mark.parametrize(
    ("base_path", "home"),
    [("/models/team", "/models"), ("/srv/x/team", "/srv/x"), ("/models/../team", "/models")],
)
def test_a_base_path_below_the_folder_of_a_model_config_file_leads_into_it(
    tmp_path: Path, base_path: str, home: str
) -> None:
    make(tmp_path, "team/a/1/saved_model.pb", "team/b/1/saved_model.pb")
    (tmp_path / "models.config").write_text(TWO_MODELS.format(base_path))
    (mount,) = TensorFlowServing("tensorflow/serving", "a").MakeDockerRunParams(str(tmp_path), True)["mounts"]
    assert mount["Target"] == home


@pytest.mark.parametrize("config", ["", "# none yet", "model_config_list {}", "nothing of the kind"])
def test_a_model_config_file_that_names_no_model_is_refused(tmp_path: Path, config: str) -> None:
    (tmp_path / "models.config").write_text(config)
    with pytest.raises(
        UsageError, match=r"no model is named in .*models\.config'.*model_config_list \{ config \{ name"
    ):
        TensorFlowServing("tensorflow/serving", "m").MakeDockerRunParams(str(tmp_path), True)


def test_a_model_config_file_goes_where_most_base_paths_lead_into_its_folder(tmp_path: Path) -> None:
    make(tmp_path, "a/1/saved_model.pb", "b/1/saved_model.pb", "c/1/saved_model.pb")
    paths = {"a": "/elsewhere/a", "b": "/srv/b", "c": "/srv/c"}
    configs = "".join(f"config {{ name: '{name}' base_path: '{path}' }}" for name, path in paths.items())
    (tmp_path / "models.config").write_text(f"model_config_list {{ {configs} }}")
    (mount,) = TensorFlowServing("tensorflow/serving", "a").MakeDockerRunParams(str(tmp_path), True)["mounts"]
    assert mount["Target"] == "/srv"


def test_the_models_of_a_model_config_file_are_sorted_and_there_is_no_other(tmp_path: Path) -> None:
    (tmp_path / "models.config").write_text(TWO_MODELS.format("/models"))
    assert TensorFlowServing.model_names(ModelPath(str(tmp_path))) == ["a", "b"]
    with pytest.raises(UsageError, match=r"models\.config' names no model 'c'; it names a, b$"):
        TensorFlowServing("tensorflow/serving", "c").MakeDockerRunParams(str(tmp_path), True)


def test_a_version_is_asked_by_its_number_or_its_label() -> None:
    client = TensorFlowServing("tensorflow/serving", "m").MakeClient("127.0.0.1:1")
    assert client.predict_path(version="3") == "/v1/models/m/versions/3:predict"
    assert client.predict_path("n", "stable") == "/v1/models/n/labels/stable:predict"


def test_tensorflow_serving_opens_a_uri_itself() -> None:
    binary = TensorFlowServing("tensorflow/serving", "m")
    for uri in ("gs://bucket/m/7", "gs://bucket/m/7/", "gs://bucket/m"):
        params = binary.MakeDockerRunParams(uri, False)
        assert params["mounts"] == []
        assert "--model_base_path=gs://bucket/m" in params["command"]


def test_tensorflow_serving_tries_a_bad_model_only_once() -> None:
    command = TensorFlowServing("tensorflow/serving").MakeDockerRunParams("gs://b/m", False)["command"]
    assert "--max_num_load_retries=0" in command


def test_tensorflow_servings_endpoint_is_grpc_as_tfx_has_it() -> None:
    assert TensorFlowServing("x").container_port == 8500
    assert TensorFlowServing("x").ports == {"grpc": 8500, "http": 8501}


CONFIG = 'name: "linear"\nbackend: "python"\ninput [\n  {\n    name: "X"\n    data_type: TYPE_FP32\n  }\n]\n'
UNNAMED = CONFIG.partition("\n")[2]


def triton_model(root: Path, folder: str, config: str | None = CONFIG) -> Path:
    make(root / folder, "1/model.py")
    if config is not None:
        (root / folder / "config.pbtxt").write_text(config)
    return root / folder


def triton_targets(path: Path) -> dict[str, str]:
    model = ModelPath(str(path))
    params = Triton("tritonserver", Triton.model_names(model)[0]).MakeDockerRunParams(str(path), True)
    assert all(mount["ReadOnly"] for mount in params["mounts"])
    assert "--model-repository=/models" in params["command"]
    return {mount["Source"]: mount["Target"] for mount in params["mounts"]}


def test_a_triton_model_is_mounted_into_a_repository_under_the_name_of_its_configuration(tmp_path: Path) -> None:
    path = triton_model(tmp_path, "whatever")
    assert triton_targets(path) == {str(path): "/models/linear"}


def test_a_triton_version_is_mounted_with_the_configuration_beside_it(tmp_path: Path) -> None:
    path = triton_model(tmp_path, "linear")
    targets = triton_targets(path / "1")
    assert targets == {
        str(path / "1"): "/models/linear/1",
        str(path / "config.pbtxt"): "/models/linear/config.pbtxt",
    }


def test_a_triton_version_without_a_configuration_is_mounted_alone(tmp_path: Path) -> None:
    path = triton_model(tmp_path, "m", None)
    assert triton_targets(path / "1") == {str(path / "1"): "/models/m/1"}


def test_a_triton_repository_is_mounted_as_it_is(tmp_path: Path) -> None:
    triton_model(tmp_path, "linear")
    triton_model(tmp_path, "other", CONFIG.replace("linear", "other"))
    assert triton_targets(tmp_path) == {str(tmp_path): "/models"}
    assert Triton.model_names(ModelPath(str(tmp_path)))[0] == "linear"


def test_triton_opens_a_uri_itself() -> None:
    params = Triton("tritonserver", "m").MakeDockerRunParams("s3://bucket/repository", False)
    assert params["mounts"] == []
    assert "--model-repository=s3://bucket/repository" in params["command"]


def test_a_triton_model_without_a_configuration_has_its_folders_name(tmp_path: Path) -> None:
    assert Triton.model_names(ModelPath(str(triton_model(tmp_path, "plain", None))))[0] == "plain"


def test_a_name_inside_a_configuration_is_not_the_models_name(tmp_path: Path) -> None:
    """'name' may be left out at the top; the first one is then an input's."""
    path = triton_model(tmp_path, "plain", UNNAMED)
    assert Triton.model_names(ModelPath(str(path)))[0] == "plain"


def test_a_name_in_a_comment_is_not_the_models_name(tmp_path: Path) -> None:
    path = triton_model(tmp_path, "plain", '# name: "old"\nbackend: "python"\n')
    assert Triton.model_names(ModelPath(str(path)))[0] == "plain"


def test_tritons_endpoint_is_http() -> None:
    assert Triton("x").container_port == 8000
    assert Triton("x").ports == {"http": 8000, "grpc": 8001, "metrics": 8002}


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


def test_an_endpoint_is_its_main_address_and_knows_the_others() -> None:
    endpoint = Endpoint("127.0.0.1:1", {"grpc": "127.0.0.1:1", "http": "127.0.0.1:2"})
    assert endpoint == "127.0.0.1:1"
    assert (endpoint.grpc, endpoint.http, endpoint.metrics) == ("127.0.0.1:1", "127.0.0.1:2", None)


@pytest.mark.parametrize(
    ("datatype", "kind"),
    [("DT_FLOAT", "float"), ("FP16", "float"), ("BF16", "float"), ("DT_INT64", "int"), ("UINT8", "int"),
     ("DT_STRING", "string"), ("BYTES", "string"), ("DT_BOOL", "bool"), ("BOOL", "bool")],
)  # fmt: skip
def test_a_tensors_kind_is_told_by_either_protocols_word(datatype: str, kind: str) -> None:
    assert Tensor("x", datatype, ()).kind == kind
