"""Several models in one TensorFlow Serving, by a model config file: the stand-in in containers of the real engine."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.integration.servers import EXAMPLES, blessed_run, failure_of, requests_file

IMAGE = "ivdocker/tensorflow-serving-standin:1"

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("server_image")]

CONFIG = """
# Two models, in both spellings of the format.
model_config_list {
  config { name: "plus_two", base_path: "/models/plus_two", model_platform: "tensorflow" }
  config: <
    name: 'plus_three' base_path: '/models/plus_three'; model_platform: 'tensorflow'
    model_version_policy { specific { versions: [1, 3] } }
  >
}
"""


def two_models(folder: Path, config: str = CONFIG, saved_model: str = "half_plus_two", **standin: object) -> Path:
    """half_plus_two and, as versions 1 and 3, half_plus_three. ``saved_model`` and ``standin``: the latter's."""
    models = folder / "models"
    for path, content, faults in (
        ("plus_two/1", "half_plus_two", {}),
        ("plus_three/1", saved_model, {"add": 0.5, **standin}),
        ("plus_three/3", saved_model, {"add": 1, **standin}),
        ("plus_three/4", "corrupt", {}),
    ):
        version = models / path
        version.mkdir(parents=True)
        (version / "saved_model.pb").write_text(content)
        (version / "standin.json").write_text(json.dumps(faults))
    (models / "models.config").write_text(config)
    return models


def ask(model: str | None, answer: float, **more: object) -> dict[str, object]:
    """A line of a requests file that asks a model for x = 1."""
    named = {"model": model} if model else {}
    return {"request": {"instances": [1.0]}, "expect": {"predictions": [answer]}, **named, **more}


def test_the_example_is_blessed(cli: Cli) -> None:
    example = EXAMPLES / "tensorflow-serving" / "two_models"
    run = blessed_run(cli, example, IMAGE, "--requests", f"{example}-requests.jsonl")
    assert (run["requests"]["sent"], run["requests"]["failed"], run["requests"]["mismatched"]) == (2, 0, 0)


def test_each_model_of_a_model_config_file_answers_under_its_name(cli: Cli, tmp_path: Path) -> None:
    lines = [ask("plus_two", 2.5), ask("plus_three", 3.5), ask("plus_three", 3.0, version=1), ask(None, 3.5)]
    run = blessed_run(cli, two_models(tmp_path), IMAGE, "--requests", requests_file(tmp_path, *lines))
    assert (run["server"], run["requests"]["sent"], run["requests"]["failed"]) == ("tensorflow-serving", 4, 0)


def test_the_model_that_is_asked_is_named_by_its_option(cli: Cli, tmp_path: Path) -> None:
    requests = requests_file(tmp_path, ask(None, 2.5))
    done = cli("validate", two_models(tmp_path), "--image", IMAGE, "--requests", requests, "--model-name", "plus_two")
    assert done.returncode == 0, done.stderr
    assert "models plus_three, plus_two are ready" in done.stderr


def test_an_image_whose_name_tells_nothing_is_known_by_the_model_config_file(cli: Cli, tmp_path: Path) -> None:
    image = "localhost/ivdocker-no-such-image:1"
    done = cli("validate", two_models(tmp_path), "--image", image, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "--model_config_file=/models/models.config" in done.stdout


@pytest.mark.parametrize(
    ("saved_model", "words"),
    [
        ("op:MyOp", "model 'plus_three' uses the operation 'MyOp'"),
        ("corrupt", "saved_model.pb of model 'plus_three' is damaged"),
        ("", "the SavedModel of model 'plus_three' has no graph with the tags { serve }"),
    ],
)
def test_one_model_that_cannot_load_is_named_with_the_cause(tmp_path: Path, saved_model: str, words: str) -> None:
    failure = failure_of(two_models(tmp_path, saved_model=saved_model), IMAGE)
    assert failure.code == "model-load-failed"
    assert failure.message.startswith(words)


def test_a_model_that_cannot_load_is_told_while_another_one_still_loads(tmp_path: Path) -> None:
    models = two_models(tmp_path, hang_load=True)
    (models / "plus_two" / "1" / "saved_model.pb").write_text("op:MyOp")
    failure = failure_of(models, IMAGE)
    assert failure.code == "model-load-failed"
    assert failure.message.startswith("model 'plus_two' uses the operation 'MyOp'")


def test_a_slow_model_is_waited_for(cli: Cli, tmp_path: Path) -> None:
    requests = requests_file(tmp_path, ask("plus_two", 2.5), ask("plus_three", 3.5))
    run = blessed_run(cli, two_models(tmp_path, load_seconds=2), IMAGE, "--requests", requests)
    assert run["requests"]["failed"] == 0
    assert sum(run["stages"][stage] for stage in ("start", "running", "load")) >= 2


def test_a_model_that_is_never_loaded_leaves_none_ready(tmp_path: Path) -> None:
    failure = failure_of(two_models(tmp_path, hang_load=True), IMAGE, timeout_s=2)
    assert failure.code == "load-timeout"
    assert "models plus_three, plus_two were not all ready" in failure.message


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        (
            'name: "plus_two"',
            'nam: "plus_two"',
            "model-load-failed",
            'models.config:4:15: Message type "tensorflow.serving.ModelConfig" has no field named "nam"',
        ),
        (">\n}", "}", "model-load-failed", 'models.config:8:3: Expected ">", found "}"'),
        (
            ", model_platform",
            "# model_platform",
            "model-load-failed",
            'models.config:5:9: Message type "tensorflow.serving.ModelConfig" has no field named "config"',
        ),
        (
            'base_path: "/models/plus_two"',
            'base_path: ""',
            "model-load-failed",
            "refuses models.config: Expected model plus_two to have an absolute path or URI; got base_path()=",
        ),
        ("plus_three", "plus_two", "model-load-failed", "refuses models.config: Illegal to list model plus_two"),
        (
            'base_path: "/models/plus_two"',
            'base_path: "/elsewhere/plus_two"',
            "model-not-found",
            "does not find the base path /elsewhere/plus_two of model 'plus_two'",
        ),
        (
            'base_path: "/models/plus_two"',
            'base_path: "/models/plus_for"',
            "model-not-found",
            "does not find the base path /models/plus_for of model 'plus_two'",
        ),
        (
            "[1, 3]",
            "7",
            "model-load-failed",
            "does not find version 7 of model 'plus_three', which models.config asks for",
        ),
    ],
)
def test_what_is_wrong_with_a_model_config_file_is_told(
    tmp_path: Path, old: str, new: str, code: str, words: str
) -> None:
    assert old in CONFIG
    failure = failure_of(two_models(tmp_path, CONFIG.replace(old, new)), IMAGE)
    assert failure.code == code
    assert words in failure.message
    assert "models.config" in f"{failure.message} {failure.hint}"


def test_labels_of_versions_that_the_server_does_not_take_at_its_start_are_told(tmp_path: Path) -> None:
    config = CONFIG.replace("model_version_policy", "version_labels { key: 'stable' value: 1 } model_version_policy")
    failure = failure_of(two_models(tmp_path, config), IMAGE)
    assert "refuses version_labels in models.config: Request to assign label to version 1" in failure.message


def test_a_request_for_a_model_that_is_not_served_fails_with_the_servers_words(tmp_path: Path) -> None:
    failure = failure_of(two_models(tmp_path), IMAGE, requests=requests_file(tmp_path, ask("plus_four", 4.5)))
    assert failure.code == "request-failed"
    assert "HTTP 404: Servable not found for request: Latest(plus_four)" in failure.message


@pytest.mark.parametrize(
    ("model", "more", "words"),
    [
        ("models.config", [], "is a file; give the folder it is in"),
        ("", ["--model-name", "plus_four"], "names no model 'plus_four'; it names plus_three, plus_two"),
    ],
)
def test_what_is_no_model_of_it_is_refused_with_what_to_give_instead(
    cli: Cli, tmp_path: Path, model: str, more: list[str], words: str
) -> None:
    done = cli("validate", two_models(tmp_path) / model, "--image", IMAGE, *more)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_commands_of_a_rehearsal_can_be_pasted(cli: Cli, tmp_path: Path) -> None:
    requests = requests_file(tmp_path, ask("plus_three", 3.5))
    done = cli("validate", two_models(tmp_path), "--image", IMAGE, "--requests", requests, "--dry-run")
    pull, run, ready, asked, *end = done.stdout.splitlines()
    subprocess.run(["bash", "-c", pull], check=True, timeout=60)
    try:
        subprocess.run(shlex.split(run), check=True, capture_output=True, timeout=60)
        retry = "--silent --fail --retry 100 --retry-delay 1 --retry-all-errors"
        subprocess.run(["bash", "-c", ready.replace("curl", f"curl {retry}", 1)], check=True, timeout=60)
        answer = subprocess.run(["bash", "-c", asked], check=True, capture_output=True, timeout=60)
        assert json.loads(answer.stdout) == {"predictions": [3.5]}
    finally:
        for line in end:
            subprocess.run(shlex.split(line), check=True, capture_output=True, timeout=60)
