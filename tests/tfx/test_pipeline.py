"""A pipeline of TFX with an InfraValidator, run by its LocalDagRunner, with one line changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ivdocker.tfx
from tests.conftest import Engine, ModelFactory
from tests.tfx.test_executor import BLESSED, IMAGE

pytestmark = [pytest.mark.tfx, pytest.mark.parametrize("engine", ["docker"], indirect=True)]


def pipeline_of(model: Path, folder: Path) -> Any:
    from tfx import v1 as tfx

    name, _, tag = IMAGE.rpartition(":")
    exported = folder / "model"
    exported.mkdir()
    (exported / "Format-Serving").symlink_to(model)
    importer = tfx.dsl.Importer(source_uri=str(exported), artifact_type=tfx.types.standard_artifacts.Model)
    validator = tfx.components.InfraValidator(
        model=importer.with_id("model").outputs["result"],
        serving_spec=tfx.proto.ServingSpec(
            tensorflow_serving=tfx.proto.TensorFlowServing(image_name=name, tags=[tag]),
            local_docker=tfx.proto.LocalDockerConfig(),
            model_name="half_plus_two",
        ),
        validation_spec=tfx.proto.ValidationSpec(num_tries=1, max_loading_time_seconds=60),
    )
    return tfx.dsl.Pipeline(
        pipeline_name="rehearsal",
        pipeline_root=str(folder / "root"),
        components=[importer, validator],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(str(folder / "db")),
    )


def blessing(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("root/InfraValidator/blessing/*/*")]


def run(pipeline: Any) -> None:
    from tfx import v1 as tfx

    with ivdocker.tfx.use_ivdocker():
        tfx.orchestration.LocalDagRunner().run(pipeline)


def test_a_pipeline_blesses_a_good_model(model: ModelFactory, tmp_path: Path, engine: Engine) -> None:
    run(pipeline_of(model() / "1", tmp_path))
    assert blessing(tmp_path) == BLESSED
    assert engine.containers() == []


def test_a_pipeline_fails_without_a_verdict_where_there_is_no_engine(
    model: ModelFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    pipeline = pipeline_of(model() / "1", tmp_path)
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        with pytest.raises(ivdocker.EnvironmentFailed, match="engine-unreachable"):
            run(pipeline)
    assert blessing(tmp_path) == []
    assert engine.containers() == []
