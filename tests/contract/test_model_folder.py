"""Folders as people have them: links that lead out, files that the server may not read, a config by another name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import ivdocker
from ivdocker import RunOptions
from tests.conftest import Cli, Engine, ModelFactory
from tests.contract.test_validate import failure_of


@pytest.mark.parametrize("is_absolute", [True, False])
@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_a_model_whose_files_are_links_to_elsewhere_gets_no_verdict(
    engine: Engine, is_absolute: bool, model: ModelFactory, cli: Cli, tmp_path: Path
) -> None:
    """As the caches of Hugging Face and DVC have them. A fake engine's servers see the files all the same."""
    version = model() / "1"
    blob = tmp_path / "blobs" / "0f1e2d"
    blob.parent.mkdir()
    shutil.move(version / "saved_model.pb", blob)
    (version / "saved_model.pb").symlink_to(blob if is_absolute else "../../blobs/0f1e2d")
    done = cli("validate", version.parent, "--image", engine.image)
    assert done.returncode == 3, done.stderr
    assert "NO VERDICT" in done.stderr
    assert "mount-not-found: the server does not see 1/saved_model.pb, a link that leads out of" in done.stderr
    assert done.stderr.index("the server will not see 1/saved_model.pb") < done.stderr.index("docker run")
    assert "cp -RL" in done.stderr


def test_links_within_the_folder_and_links_that_nobody_needs_do_no_harm(
    engine: Engine, model: ModelFactory, tmp_path: Path
) -> None:
    folder = model()
    shutil.move(folder / "1" / "saved_model.pb", folder / "1" / "..data.pb")
    (folder / "1" / "saved_model.pb").symlink_to("..data.pb")
    (tmp_path / "notes.md").write_text("")
    (folder / "README.md").symlink_to(tmp_path / "notes.md")
    assert ivdocker.validate(folder, images=[engine.image]).blessed


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_a_file_that_the_server_may_not_read_is_named(engine: Engine, model: ModelFactory) -> None:
    folder = model()
    (folder / "1" / "saved_model.pb").chmod(0o600)
    failure = failure_of(folder, engine, options=RunOptions(user="65534"))
    assert failure.code == "model-load-failed"
    assert "1/saved_model.pb may not be read by the server, which runs as user 65534" in failure.message
    assert "chmod" in (failure.hint or "")


def test_a_model_config_file_by_another_name_is_named_before_the_start(
    engine: Engine, model: ModelFactory, cli: Cli
) -> None:
    folder = model().parent / "several"
    shutil.copytree(folder.parent / "half_plus_two", folder / "half_plus_two")
    (folder / "serving.conf").write_text(
        "model_config_list { config { name: 'half_plus_two' base_path: '/models/x' } }"
    )
    done = cli("validate", folder, "--image", engine.image)
    assert done.returncode == 2
    assert "'serving.conf' in the model's folder is a model config file; name it models.config" in done.stderr
    assert engine.containers() == []
