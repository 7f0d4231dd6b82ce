"""The real MLServer, on the real engine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import ivdocker
from tests.conftest import Cli
from tests.integration.servers import EXAMPLES, blessed_run, failure_of, how_it_stopped, requests_file

IMAGE = "ivdocker/mlserver:1.7.1"
MODELS = EXAMPLES / "mlserver"
REQUEST = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [4.0, 1.0]}]}

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("server_image")]


def copy(folder: Path, **settings: object) -> Path:
    """The example in a folder, with other settings; as a model of that folder's name."""
    shutil.copytree(MODELS / "linear", folder)
    path = folder / "model-settings.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "name": folder.name, **settings}))
    return folder


def edit(model: Path, old: str, new: str) -> None:
    code = model / "linear.py"
    text = code.read_text()
    assert old in text
    code.write_text(text.replace(old, new))


def answer_of(server: Any) -> Any:
    return server.predict(REQUEST)["outputs"][0]["data"]


def test_the_example_is_blessed_with_right_answers(cli: Cli) -> None:
    run = blessed_run(cli, MODELS / "linear", IMAGE, "--requests", MODELS / "linear-requests.jsonl")
    assert run["server"] == "mlserver"
    assert (run["requests"]["sent"], run["requests"]["failed"], run["requests"]["mismatched"]) == (2, 0, 0)
    assert set(run["endpoints"]) == {"http", "grpc", "metrics"}


def test_made_up_requests_are_answered(cli: Cli) -> None:
    run = blessed_run(cli, MODELS / "linear", IMAGE, "--synthesize", "5")
    assert (run["requests"]["sent"], run["requests"]["failed"]) == (5, 0)


def test_a_missing_file_is_told_with_its_name(cli: Cli) -> None:
    done = cli("validate", MODELS / "broken", "--image", IMAGE)
    assert done.returncode == 1
    assert "NOT BLESSED  broken" in done.stderr
    assert "model-load-failed: MLServer does not find the model's file" in done.stderr
    assert "/mnt/models/wieghts.json" in done.stderr


def test_settings_that_do_not_parse_are_told_though_mlserver_is_ready_without_the_model(tmp_path: Path) -> None:
    model = copy(tmp_path / "typo")
    (model / "model-settings.json").write_text('{"name": "typo", "implementation": }')
    failure = failure_of(model, IMAGE)
    assert failure.code == "model-load-failed"
    assert "model-settings.json" in failure.message


def test_a_module_that_the_image_does_not_have_is_named(tmp_path: Path) -> None:
    model = copy(tmp_path / "forest", implementation="mlserver_sklearn.SKLearnModel")
    failure = failure_of(model, IMAGE)
    assert failure.code == "model-load-failed"
    assert "'mlserver_sklearn'" in failure.message


def test_an_exception_while_loading_is_told_though_mlserver_exits_0(tmp_path: Path) -> None:
    model = copy(tmp_path / "damaged")
    (model / "weights.json").write_text("{}")
    failure = failure_of(model, IMAGE)
    assert failure.code == "model-load-failed"
    assert "'damaged'" in failure.message


def test_a_model_that_loads_slowly_is_asked_only_when_it_is_ready(tmp_path: Path) -> None:
    model = copy(tmp_path / "slow")
    edit(model, "        with open", "        await asyncio.sleep(3)\n        with open")
    edit(model, "import json", "import asyncio\nimport json")
    report = ivdocker.validate(model, images=[IMAGE], requests=requests_file(tmp_path, REQUEST), timeout_s=60)
    assert report.blessed, report.runs[0].failure


def test_a_model_that_never_loads_is_a_timeout_with_its_name(tmp_path: Path) -> None:
    model = copy(tmp_path / "stuck")
    edit(model, "        with open", "        await asyncio.sleep(3600)\n        with open")
    edit(model, "import json", "import asyncio\nimport json")
    failure = failure_of(model, IMAGE, timeout_s=6)
    assert failure.code == "load-timeout"
    assert "'stuck' was not ready" in failure.message


def test_all_models_of_a_folder_must_load(tmp_path: Path) -> None:
    for name in ("first", "second"):
        copy(tmp_path / "both" / name)
    assert ivdocker.validate(tmp_path / "both", images=[IMAGE]).blessed
    (tmp_path / "both" / "second" / "weights.json").unlink()
    failure = failure_of(tmp_path / "both", IMAGE)
    assert failure.code == "model-load-failed"
    assert "second" in failure.message


def test_an_exception_while_predicting_fails_the_request_with_its_text(tmp_path: Path) -> None:
    wrong = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1.0, 2.0, 3.0]}]}
    failure = failure_of(MODELS / "linear", IMAGE, requests=requests_file(tmp_path, REQUEST, wrong))
    assert failure.code == "request-failed"
    assert "requests.jsonl:2: HTTP 500" in failure.message
    assert "ValueError" in failure.message


def test_the_model_that_is_served_answers() -> None:
    with ivdocker.serve(MODELS / "linear", image=IMAGE) as server:
        assert answer_of(server) == [3.0]


def test_it_stops_at_the_first_signal(tmp_path: Path) -> None:
    signals, code = how_it_stopped(MODELS / "linear", IMAGE, tmp_path)
    assert signals == ["15"]
    assert code == "143", "uvicorn raises the signal anew once it has shut down"


def test_an_id_that_it_invents_for_each_answer_is_not_compared(cli: Cli) -> None:
    what = ["--image", IMAGE, "--synthesize=1", "--deterministic", "--record=recorded.jsonl"]
    done = cli("validate", MODELS / "linear", *what)
    assert done.returncode == 0, done.stderr
    assert '"id": ' in (cli.folder / "recorded.jsonl").read_text()
    done = cli("validate", MODELS / "linear", "--image", IMAGE, "--against", IMAGE, "--requests=recorded.jsonl")
    assert done.returncode == 0, done.stderr
    assert "1 request answered, 1 compared" in done.stderr
